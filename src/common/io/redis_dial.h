#ifndef COMMON_REDIS_DIAL_H
#define COMMON_REDIS_DIAL_H

/* Opening one hiredis context on the event loop. For redis_conn.c only. */

#include <stddef.h>

struct event_base;
struct redisAsyncContext;
struct redis_url;

/* Begins to connect. Returns the context, attached to the loop and guarded (redis_guard.h), with no
 * callbacks set; or NULL with the reason in `why` (cut to cap bytes). Blocks only in getaddrinfo()
 * for a host name. */
struct redisAsyncContext *redis_dial(const struct redis_url *url, struct event_base *base,
                                     char *why, size_t cap);

/* Once connected: lets the kernel notice a peer that has vanished. */
void redis_dial_set_options(const struct redisAsyncContext *ac);

#endif
