#include "common/redis_url.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/span.h"

/* No message below quotes the address: what looks like a host or a port may be half of a password
 * that was written in a way we did not foresee, and messages end up in logs. */

#define FORMS "redis://[user@]host[:port][/db] or unix:///path[?db=N]"

static struct span cut(struct span s, size_t from, size_t to)
{
    return (struct span){s.ptr + from, to - from};
}

static size_t find(struct span s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? (size_t)(at - s.ptr) : s.len;
}

static bool all_in(struct span s, const char *more)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == '\0' || !strchr(more, c)))
            return false;
    }
    return true;
}

static int parse_u16(struct span s, int64_t min, const char *what, uint16_t *ret, struct err *err)
{
    int64_t value;

    if (!span_to_i64(s, &value) || value < min || value > UINT16_MAX) {
        return err_set(err, -EINVAL,
                       "the %s in the Redis address must be a number from %d to 65535", what,
                       (int)min);
    }
    *ret = (uint16_t)value;
    return 0;
}

static int parse_user(struct span user, struct redis_url *url, struct err *err)
{
    if (find(user, ':') < user.len) {
        return err_set(err, -EINVAL,
                       "a password may not stand in the Redis address: put it in a file and name "
                       "that file in redis_password_file");
    }
    if (user.len == 0 || !all_in(user, "._-") || !span_copy(user, url->user, sizeof url->user)) {
        return err_set(err, -EINVAL,
                       "the user in the Redis address must be 1 to 63 of A-Z a-z 0-9 . _ -");
    }
    return 0;
}

/* host, host:port, [address] or [address]:port */
static int parse_host(struct span s, struct redis_url *url, struct err *err)
{
    bool is_bracketed = s.len > 0 && s.ptr[0] == '[';
    size_t end = is_bracketed ? find(s, ']') : find(s, ':');
    struct span host = is_bracketed && end < s.len ? cut(s, 1, end) : cut(s, 0, end);
    struct span behind = is_bracketed && end < s.len ? cut(s, end + 1, s.len) : cut(s, end, s.len);

    if (host.len == 0 || !all_in(host, is_bracketed ? ":.%" : "._-") ||
        !span_copy(host, url->host, sizeof url->host))
        return err_set(err, -EINVAL, "the Redis address has no valid host: expected " FORMS);
    if (behind.len == 0)
        return 0;
    if (behind.ptr[0] != ':')
        return err_set(err, -EINVAL, "the Redis address is malformed: expected " FORMS);
    return parse_u16(cut(behind, 1, behind.len), 1, "port", &url->port, err);
}

static int parse_tcp(struct span s, struct redis_url *url, struct err *err)
{
    size_t at = s.len; /* the last '@': a password may itself contain one */
    int rc;

    while (at > 0 && s.ptr[at - 1] != '@')
        at--;
    if (at > 0) {
        rc = parse_user(cut(s, 0, at - 1), url, err);
        if (rc < 0)
            return rc;
        s = cut(s, at, s.len);
    }
    size_t slash = find(s, '/');
    rc = parse_host(cut(s, 0, slash), url, err);
    if (rc < 0 || slash + 1 >= s.len)
        return rc;
    return parse_u16(cut(s, slash + 1, s.len), 0, "database", &url->db, err);
}

static int parse_unix(struct span s, struct redis_url *url, struct err *err)
{
    size_t query = find(s, '?');
    struct span path = cut(s, 0, query);

    if (path.len < 2 || path.ptr[0] != '/' || !span_copy(path, url->path, sizeof url->path)) {
        return err_set(err, -EINVAL,
                       "the socket in the Redis address must be an absolute path of at most 107 "
                       "bytes: unix:///path[?db=N]");
    }
    if (query == s.len)
        return 0;
    s = cut(s, query + 1, s.len);
    if (!span_starts(s, "db="))
        return err_set(err, -EINVAL, "the Redis address is malformed: expected " FORMS);
    return parse_u16(cut(s, 3, s.len), 0, "database", &url->db, err);
}

int redis_url_parse(const char *text, struct redis_url *ret, struct err *err)
{
    struct redis_url url = {.port = 6379};
    struct span s = span_str(text);
    int rc;

    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == 0x7f) {
            return err_set(err, -EINVAL,
                           "the Redis address has a blank or control character in it");
        }
    }
    if (span_starts(s, "redis://")) {
        rc = parse_tcp(cut(s, 8, s.len), &url, err);
    } else if (span_starts(s, "unix://")) {
        rc = parse_unix(cut(s, 7, s.len), &url, err);
    } else if (span_starts(s, "rediss://")) {
        rc = err_set(err, -EINVAL,
                     "TLS (rediss://) is not supported: use redis:// inside a trusted network, or "
                     "a tunnel");
    } else {
        rc = err_set(err, -EINVAL, "the Redis address must be " FORMS);
    }
    if (rc < 0)
        return rc;
    *ret = url;
    return 0;
}

int setting_check_redis(const char *text, struct err *err)
{
    struct redis_url url;

    return redis_url_parse(text, &url, err);
}
