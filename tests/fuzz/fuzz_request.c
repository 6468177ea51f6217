/* An entry of P:requests in any form: bytes become a real redisReply and are decoded both ways. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/conversation.h"
#include "common/err.h"
#include "common/request.h"

#include "reply_of.h"
#include "request_size.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a router makes of it before it waits: which conversation it goes on, how long it is. */
static void look(const struct request *request)
{
    char conversation[REQUEST_SESSION_MAX + 1];
    size_t len = conversation_of(request, conversation);

    assert(len <= REQUEST_SESSION_MAX && conversation[len] == '\0');
    (void)request_size_of(request);
}

static void decode(const struct redisReply *entry, enum request_source source)
{
    struct request request;
    struct err err = {.msg = ""};
    struct keys keys;
    char callback[CALLBACK_MAX + 1];
    enum request_outcome outcome;

    keys_init(&keys, "p");
    outcome = request_decode(entry, &keys, source, 1 << 16, &request, &err);
    if (outcome != REQUEST_OK)
        assert(err.msg[0] != '\0');
    if (outcome == REQUEST_UNANSWERABLE)
        return;
    assert(request_id_valid(request.request_id));
    (void)request_callback(&request, &keys, callback);
    assert(key_callback_valid(&keys, span_str(callback)));
    if (outcome == REQUEST_OK) {
        assert(request.model_name[0] != '\0');
        assert(request.attempt >= 1);
        look(&request);
    }
}

static void decode_both(const struct redisReply *entry)
{
    decode(entry, REQUEST_FROM_CLIENT);
    decode(entry, REQUEST_FROM_ROUTER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reply_of(data, size, decode_both);
    return 0;
}
