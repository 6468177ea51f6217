/*
 * The floor of a streamed token: one XADD, and the blocked XREAD that it wakes.
 *
 *     floor-wakeup --redis SOCKET [--count N] [--pause-ms N]
 *
 * With a pause before each XADD everybody sleeps when it comes, as between two tokens.
 * Prints one line of JSON: microseconds from before the XADD until the reader has the entry.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "tool.h"

int main(int argc, char **argv)
{
    const char *path = tool_option(argc, argv, "redis", NULL);
    long count = tool_number(argc, argv, "count", 2000);
    long pause_ms = tool_number(argc, argv, "pause-ms", 0);
    redisContext *writer = tool_connect(path), *reader = tool_connect(path);
    int64_t *took_us = calloc((size_t)count, sizeof *took_us);
    char last[40] = "0"; /* and not "$": should the XADD overtake the XREAD, nobody would wake */
    const char *xread[] = {"XREAD", "BLOCK", "0", "STREAMS", "bench:wakeup", last};
    const char *xadd[] = {"XADD",
                          "bench:wakeup",
                          "MAXLEN",
                          "10",
                          "*",
                          "response",
                          "{\"model\":\"gemma3:1b\",\"message\":{\"content\":\"tok1 \"}}"};
    const char *ping[] = {"PING"}, *del[] = {"DEL", "bench:wakeup"};

    if (!took_us)
        tool_fail("memory", "none");
    freeReplyObject(tool_call(writer, 2, del, NULL));
    for (long i = 0; i < count; i++) {
        int written = 0;

        tool_append(reader, 6, xread);
        while (!written)
            (void)redisBufferWrite(reader, &written);
        freeReplyObject(tool_call(writer, 1, ping, NULL)); /* the reader is blocked by now */
        (void)poll(NULL, 0, (int)pause_ms);
        int64_t from_us = tool_now_us();

        tool_append(writer, 7, xadd);
        written = 0;
        while (!written)
            (void)redisBufferWrite(writer, &written);
        redisReply *reply = tool_reply(reader, NULL);

        took_us[i] = tool_now_us() - from_us;
        (void)snprintf(last, sizeof last, "%s",
                       reply->element[0]->element[1]->element[0]->element[0]->str);
        freeReplyObject(reply);
        freeReplyObject(tool_reply(writer, NULL));
    }
    (void)printf("{\"count\":%ld,\"p50_us\":%lld,\"p99_us\":%lld}\n", count,
                 (long long)tool_percentile(took_us, (size_t)count, 50),
                 (long long)tool_percentile(took_us, (size_t)count, 99));
    free(took_us);
    redisFree(writer);
    redisFree(reader);
    return 0;
}
