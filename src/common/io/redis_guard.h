#ifndef COMMON_REDIS_GUARD_H
#define COMMON_REDIS_GUARD_H

/*
 * hiredis (0.14.1 and 1.2 alike) stops the process by an assert when a server sends an answer that
 * no command waits for. With the guard the connection dies instead, with ac->err REDIS_ERR_OOM: the
 * guard refuses to make a reply object, and that is how hiredis reports it. An answer of arrays
 * nested deeper than REDIS_GUARD_DEPTH_MAX is refused in the same way.
 */
#define REDIS_GUARD_DEPTH_MAX 8

struct redisAsyncContext;

void redis_guard_install(struct redisAsyncContext *ac);

#endif
