/*
 * The floor of memory: a libevent loop with connected hiredis contexts, and in floor-idle-curl
 * libcurl as well. Does nothing; its memory is what the libraries cost.
 *
 *     floor-idle --redis SOCKET [--connections N]
 *
 * Prints "ready" and sleeps in the loop until SIGTERM.
 */

#ifdef WITH_CURL
#include <curl/curl.h>
#endif
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <string.h>

#include "tool.h"

int main(int argc, char **argv)
{
    const char *path = tool_option(argc, argv, "redis", NULL);
    long connections = tool_number(argc, argv, "connections", 3);
    struct event_base *base = event_base_new();

    if (!base)
        tool_fail("libevent", "no base");
    for (long i = 0; i < connections; i++) {
        redisAsyncContext *redis = redisAsyncConnectUnix(path);

        if (!redis || redis->err)
            tool_fail("redis", redis ? redis->errstr : "no memory");
        (void)redisLibeventAttach(redis, base);
        (void)redisAsyncCommand(redis, NULL, NULL, "PING");
    }
#ifdef WITH_CURL
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !curl_multi_init())
        tool_fail("curl", "no start");
#endif
    (void)printf("ready\n");
    (void)fflush(stdout);
    return event_base_dispatch(base);
}
