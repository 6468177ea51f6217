#ifndef FUZZ_REPLY_OF_H
#define FUZZ_REPLY_OF_H

/* Bytes as a redisReply, read by hiredis itself. */

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An array that says it has more elements than there are bytes: hiredis believes it and allocates.
 * Redis does not send such a thing, and it is not our parser. */
static inline bool reply_is_bomb(const uint8_t *data, size_t size)
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

/* Hands the first reply in the bytes to `use`, if there is a whole one. */
static inline void reply_of(const uint8_t *data, size_t size, void (*use)(const redisReply *))
{
    if (reply_is_bomb(data, size))
        return;

    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert(reader);
    if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK &&
        redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        use(reply);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
}

#endif
