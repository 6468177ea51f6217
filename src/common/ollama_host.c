#include "common/ollama_host.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/span.h"

#define HOST_MAX 200 /* bytes of a host name; DNS allows 253, the setting's array is 256 */

struct place {
    struct span host; /* without brackets; may be empty */
    struct span port; /* {NULL, 0}: none was given */
};

static struct span cut(struct span s, size_t from, size_t to)
{
    return (struct span){s.ptr + from, to - from};
}

static size_t find(struct span s, char c)
{
    const char *at = s.len ? memchr(s.ptr, c, s.len) : NULL;

    return at ? (size_t)(at - s.ptr) : s.len;
}

static bool is_ipv6(struct span host)
{
    return find(host, ':') < host.len;
}

static bool host_ok(struct span host)
{
    const char *more = is_ipv6(host) ? ":.%" : "._-";

    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_plain && (c == '\0' || !strchr(more, c)))
            return false;
    }
    return host.len <= HOST_MAX;
}

/* host, host:port, [address], [address]:port or a bare IPv6 address */
static bool split(struct span s, struct place *place)
{
    size_t colon = find(s, ':');

    *place = (struct place){.host = s};
    if (s.len > 0 && s.ptr[0] == '[') {
        size_t end = find(s, ']');
        if (end == s.len || (end + 1 < s.len && s.ptr[end + 1] != ':'))
            return false;
        place->host = cut(s, 1, end);
        if (end + 1 < s.len)
            place->port = cut(s, end + 2, s.len);
        return host_ok(place->host) && is_ipv6(place->host);
    }
    if (colon < s.len && find(cut(s, colon + 1, s.len), ':') == s.len - colon - 1) {
        place->host = cut(s, 0, colon);
        place->port = cut(s, colon + 1, s.len);
    }
    return host_ok(place->host);
}

static bool port_ok(struct span port)
{
    int64_t value;

    return span_to_i64(port, &value) && value >= 1 && value <= UINT16_MAX;
}

/* Takes http:// or https:// off the front; "" if neither is there. */
static const char *take_scheme(struct span *s)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (span_starts(*s, schemes[i])) {
            *s = cut(*s, strlen(schemes[i]), s->len);
            return schemes[i];
        }
    }
    return "";
}

int ollama_url_check(const char *text, struct err *err)
{
    struct span s = span_str(text);
    const char *scheme = take_scheme(&s);
    struct place place;

    if (scheme[0] == '\0' || !split(s, &place) || place.host.len == 0 || !port_ok(place.port) ||
        (is_ipv6(place.host) && s.ptr[0] != '[')) {
        return err_set(err, -EINVAL,
                       "must be http://HOST:PORT and nothing more, for example "
                       "http://127.0.0.1:11434");
    }
    return 0;
}

/* What Ollama itself takes for what is not there, and an address that one can connect to. */
static void complete(struct place *place, const char *default_port)
{
    if (place->host.len == 0 || span_is(place->host, "0.0.0.0")) {
        place->host = span_str("127.0.0.1");
    } else if (span_is(place->host, "::")) {
        place->host = span_str("::1");
    }
    if (!place->port.ptr)
        place->port = span_str(default_port);
}

int ollama_host_to_url(const char *text, char *buf, size_t cap, struct err *err)
{
    struct span s = span_trim(span_str(text));
    const char *scheme = take_scheme(&s);
    struct place place;
    char url[256];

    s = cut(s, 0, find(s, '/'));
    if (!split(s, &place) || (place.port.ptr && !port_ok(place.port))) {
        return err_set(err, -EINVAL,
                       "must be HOST, HOST:PORT, :PORT or http://HOST:PORT, for example "
                       "127.0.0.1:11434");
    }
    complete(&place, scheme[0] == '\0' ? "11434" : scheme[4] == 's' ? "443" : "80");
    bool has_brackets = is_ipv6(place.host);
    int len = snprintf(url, sizeof url, "%s%s%.*s%s:%.*s", scheme[0] ? scheme : "http://",
                       has_brackets ? "[" : "", SPAN_ARG(place.host), has_brackets ? "]" : "",
                       SPAN_ARG(place.port));
    if (len < 0 || (size_t)len >= sizeof url || (size_t)len >= cap)
        return err_set(err, -EINVAL, "is too long");
    memcpy(buf, url, (size_t)len + 1);
    return 0;
}
