/*
 * The floor of a start: reads P:health as a whole and every waiting request, as a router does that
 * takes them all in, and looks at nothing.
 *
 *     floor-read --redis SOCKET --count N [--depth N] [--prefix P]
 *
 * Prints one line of JSON: seconds, bytes.
 */

#include <stdio.h>

#include "tool.h"

static double entry_bytes(const redisReply *entry)
{
    const redisReply *pairs = entry->element[1];
    double bytes = 0;

    for (size_t i = 0; i < pairs->elements; i++)
        bytes += (double)pairs->element[i]->len;
    return bytes;
}

/* One XREADGROUP; the number of entries in it. */
static long read_some(redisContext *redis, const struct keys *keys, const char *depth,
                      double *bytes)
{
    const char *argv[] = {"XREADGROUP", "GROUP",   GROUP_ROUTERS,  "floor", "COUNT",
                          depth,        "STREAMS", keys->requests, ">"};
    redisReply *reply = tool_call(redis, 9, argv, NULL);
    const redisReply *entries = reply->elements > 0 ? reply->element[0]->element[1] : NULL;
    long n = 0;

    for (; entries && n < (long)entries->elements; n++)
        *bytes += entry_bytes(entries->element[n]);
    freeReplyObject(reply);
    return n;
}

int main(int argc, char **argv)
{
    redisContext *redis = tool_connect(tool_option(argc, argv, "redis", NULL));
    const char *depth = tool_option(argc, argv, "depth", "16");
    long count = tool_number(argc, argv, "count", 0), n = 1;
    struct keys keys;
    const char *health[] = {"HGETALL", keys.health};
    const char *created[] = {"XGROUP", "CREATE", keys.requests, GROUP_ROUTERS, "0", "MKSTREAM"};
    double bytes = 0;
    int64_t from_us;

    keys_init(&keys, tool_option(argc, argv, "prefix", "orion:inference"));
    freeReplyObject(tool_call(redis, 6, created, "BUSYGROUP"));
    from_us = tool_now_us();
    redisReply *reply = tool_call(redis, 2, health, NULL);

    for (size_t i = 0; i < reply->elements; i++)
        bytes += (double)reply->element[i]->len;
    freeReplyObject(reply);
    for (long done = 0; done < count && n > 0; done += n)
        n = read_some(redis, &keys, depth, &bytes);
    (void)printf("{\"seconds\":%.4f,\"bytes\":%.0f}\n", (double)(tool_now_us() - from_us) / 1e6,
                 bytes);
    redisFree(redis);
    return 0;
}
