#include "common/listen_address.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/span.h"

static int refuse(struct err *err)
{
    return err_set(err, -EINVAL,
                   "must be a numeric address and a port, as in 127.0.0.1:9464 or [::1]:9464; or "
                   "empty");
}

static bool is_numeric(struct span host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!strchr("0123456789abcdefABCDEF.:", host.ptr[i]) || !host.ptr[i])
            return false;
    }
    return host.len > 0;
}

int listen_address_parse(const char *text, struct listen_address *ret, struct err *err)
{
    const char *colon = strrchr(text, ':');
    struct span host = {text, colon ? (size_t)(colon - text) : 0};
    struct listen_address address;
    int64_t port;

    if (!colon)
        return refuse(err);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = (struct span){host.ptr + 1, host.len - 2};
    } else if (memchr(host.ptr, ':', host.len)) {
        return refuse(err); /* an IPv6 address without brackets: where does the port begin? */
    }
    if (!is_numeric(host) || !span_copy(host, address.host, sizeof address.host) ||
        !span_to_i64(span_str(colon + 1), &port) || port < 0 || port > 65535)
        return refuse(err);
    address.port = (uint16_t)port;
    *ret = address;
    return 0;
}

int setting_check_listen(const char *text, struct err *err)
{
    struct listen_address address;

    return text[0] == '\0' ? 0 : listen_address_parse(text, &address, err);
}
