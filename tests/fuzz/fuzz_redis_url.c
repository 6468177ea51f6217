/* redis_url: what is accepted fits its fields and has exactly one of host and path; a refusal says
 * why and repeats no piece of the address. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redis_url url = {.port = 7};
    struct err err = {""};
    char text[1024];

    if (size >= sizeof text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (redis_url_parse(text, &url, &err) < 0) {
        /* Ten unlike messages exist, and none is made from the input. */
        assert(err.msg[0] != '\0' && url.port == 7);
        assert(!strstr(text, "hunter2") || !strstr(err.msg, "hunter2"));
        return 0;
    }
    assert((url.host[0] == '\0') != (url.path[0] == '\0'));
    assert(url.port > 0 && url.password[0] == '\0');
    assert(memchr(url.host, '\0', sizeof url.host) && memchr(url.user, '\0', sizeof url.user));
    assert(memchr(url.path, '\0', sizeof url.path));
    assert(!strchr(url.user, ':') && !strchr(url.host, '@'));
    return 0;
}
