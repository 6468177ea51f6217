/*
 * The floor of watching a fleet: receives P:health as a whole, as hiredis does, and looks at
 * nothing.
 *
 *     floor-health --redis SOCKET [--interval-ms N] [--seconds N] [--prefix P]
 *
 * Prints one line of JSON: CPU microseconds per read, bytes per read.
 */

#include <poll.h>
#include <stdio.h>

#include "tool.h"

int main(int argc, char **argv)
{
    redisContext *redis = tool_connect(tool_option(argc, argv, "redis", NULL));
    long interval_ms = tool_number(argc, argv, "interval-ms", 2000);
    int64_t end_us = tool_now_us() + tool_number(argc, argv, "seconds", 20) * 1000000;
    struct keys keys;
    const char *argv_health[] = {"HGETALL", keys.health};
    int64_t cpu_us = tool_cpu_us(), start_us = tool_now_us();
    double bytes = 0;
    long reads = 0;

    keys_init(&keys, tool_option(argc, argv, "prefix", "orion:inference"));
    while (tool_now_us() < end_us) {
        redisReply *reply = tool_call(redis, 2, argv_health, NULL);

        for (size_t i = 0; i < reply->elements; i++)
            bytes += (double)reply->element[i]->len;
        freeReplyObject(reply);
        reads++;
        (void)poll(NULL, 0, (int)interval_ms);
    }
    (void)printf("{\"reads\":%ld,\"bytes_per_read\":%.0f,\"cpu_us_per_read\":%.0f,"
                 "\"cpu_percent\":%.3f}\n",
                 reads, bytes / (double)reads, (double)(tool_cpu_us() - cpu_us) / (double)reads,
                 100.0 * (double)(tool_cpu_us() - cpu_us) / (double)(tool_now_us() - start_us));
    redisFree(redis);
    return 0;
}
