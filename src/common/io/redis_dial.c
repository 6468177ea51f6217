#include "redis_dial.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/redis_url.h"

#include "redis_events.h"
#include "redis_guard.h"

#define KEEPALIVE_IDLE_S     5
#define KEEPALIVE_INTERVAL_S 2
#define KEEPALIVE_PROBES     3
#define USER_TIMEOUT_MS      10000

struct redisAsyncContext *redis_dial(const struct redis_url *url, struct event_base *base,
                                     char *why, size_t cap)
{
    redisAsyncContext *ac =
        url->path[0] ? redisAsyncConnectUnix(url->path) : redisAsyncConnect(url->host, url->port);

    if (ac && !ac->err && redis_events_attach(ac, base)) {
        redis_guard_install(ac);
        return ac;
    }
    (void)snprintf(why, cap, "%s", ac && ac->err ? ac->errstr : "out of memory");
    if (ac)
        redisAsyncFree(ac);
    return NULL;
}

/* Keepalive notices a dead peer while we are silent, the user timeout while we are not. A unix
 * socket refuses these options and does not need them. */
void redis_dial_set_options(const struct redisAsyncContext *ac)
{
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        (void)setsockopt(ac->c.fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}
