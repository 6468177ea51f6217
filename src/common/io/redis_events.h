#ifndef COMMON_REDIS_EVENTS_H
#define COMMON_REDIS_EVENTS_H

/*
 * What hiredis asks of the event loop, done with libevent. hiredis brings an adapter of its own,
 * but that takes the socket out of epoll and puts it back for every read and every write: four
 * system calls for a command and its answer beside the two that move bytes, and one turn of the
 * loop more.
 *
 * Here the socket stays watched for reading, and what is to be sent goes out in the turn of the
 * loop in which it came: a socket can nearly always be written. What it does not take then waits
 * until the loop says that it can be written.
 */

#include <stdbool.h>

struct event_base;
struct redisAsyncContext;

/* For a context that is connecting; what it takes is freed with the context. False if there is no
 * memory. */
bool redis_events_attach(struct redisAsyncContext *ac, struct event_base *base);

#endif
