/* Any client's bytes: a body for Ollama is JSON that says what the fleet owns once, or there is
 * none. Byte 0: kind and flags; then content, a NUL, params. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/request_check.h"

#include "body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many members of the body are fields that only the fleet may set. */
static size_t count_owned(struct span body)
{
    struct json_iter it;
    size_t n = 0;

    for (json_begin(&it, body); json_next(&it);)
        n += request_owned_field(it.key) != NULL;
    return n;
}

static void check_body(struct span body, enum body_kind kind)
{
    struct err err;

    /* One level deeper than what was checked is allowed to be too deep for us; Ollama takes it. */
    if (json_check(body, &err) < 0) {
        assert(strstr(err.msg, "deep"));
        return;
    }
    assert(span_is(json_get(body, "model"), "\"m\""));
    assert(count_owned(body) == (kind == BODY_EMBED ? 2 : 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char dropped[BODY_DROPPED_MAX] = "";
    struct err err = {.msg = ""};
    struct buf body;

    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    const char *nul = memchr(text, '\0', size - 1);
    size_t len = nul ? (size_t)(nul - text) : size - 1;
    struct body_request req = {
        .kind = (enum body_kind)(data[0] % BODY_KIND_COUNT),
        .model = {"m", 1},
        .content = {text, len},
        .num_ctx = data[0] & 64 ? 4096 : 0,
        .allow_runner_options = (data[0] & 128) != 0,
    };
    if (nul)
        req.params = (struct span){nul + 1, size - 2 - len};
    buf_init(&body, 1 << 16);
    if (body_build(&req, &body, dropped, &err) == 0)
        check_body(buf_span(&body), req.kind);
    else
        assert(err.msg[0] != '\0' && dropped[0] == '\0');
    buf_done(&body);
    return 0;
}
