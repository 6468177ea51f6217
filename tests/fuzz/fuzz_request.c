/* An entry of P:requests in any form: bytes become a real redisReply and are decoded both ways. */

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    }
}

/* An array that says it has more elements than there are bytes: hiredis believes it and allocates.
 * Redis does not send such a thing, and it is not our parser. */
static bool is_bomb(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t n = 0;

        if (data[i] != '*')
            continue;
        for (size_t k = i + 1; k < size && data[k] >= '0' && data[k] <= '9' && n <= size; k++)
            n = n * 10 + (size_t)(data[k] - '0');
        if (n > size)
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (is_bomb(data, size))
        return 0;

    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert(reader);
    if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK &&
        redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        decode(reply, REQUEST_FROM_CLIENT);
        decode(reply, REQUEST_FROM_ROUTER);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}
