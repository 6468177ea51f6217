/* Any bytes as a record of a router. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "policy_replay.h"

#define BYTES_MAX ((size_t)64 << 20) /* a larger router is not made for this */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span next(struct span *rest)
{
    const char *newline = memchr(rest->ptr, '\n', rest->len);
    size_t len = newline ? (size_t)(newline - rest->ptr) : rest->len;
    struct span line = {rest->ptr, len};

    len += newline ? 1 : 0;
    *rest = (struct span){rest->ptr + len, rest->len - len};
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct policy_replay replay;
    struct span rest = {(const char *)data, size}, header = next(&rest);
    size_t bytes = policy_replay_bytes(header);
    struct err err = {.msg = ""};
    int rc = 0;

    if (bytes == 0 || bytes > BYTES_MAX)
        return 0;
    void *mem = calloc(1, bytes);
    assert(mem);
    policy_replay_begin(&replay, mem, header);
    while (rest.len > 0 && rc >= 0)
        rc = policy_replay_line(&replay, next(&rest), &err);
    if (rc < 0)
        assert(err.msg[0] != '\0');
    free(mem);
    return 0;
}
