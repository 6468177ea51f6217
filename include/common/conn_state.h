#ifndef COMMON_CONN_STATE_H
#define COMMON_CONN_STATE_H

/*
 * The states of a Redis connection, as a table. Pure; redis_conn.c is the one that moves through it
 * (the drawing is in redis_conn.h).
 */

enum redis_conn_state {
    REDIS_CONN_IDLE = 0,
    REDIS_CONN_CONNECTING, /* TCP (1 s), then AUTH, SELECT, SETNAME and PING (2 s) */
    REDIS_CONN_READY,
    REDIS_CONN_CLOSING, /* lost; outstanding commands get their NULL before it is WAITING */
    REDIS_CONN_WAITING, /* backoff before the next try */
    REDIS_CONN_STATE_COUNT
};

/* What happens to a connection. */
enum conn_event {
    CONN_START = 0, /* redis_conn_start() */
    CONN_GREETED,   /* the server has answered the greeting */
    CONN_LOST,      /* error, end of file, or too long without an answer */
    CONN_CLOSED,    /* outstanding commands have had their NULL */
    CONN_RETRY,     /* the backoff is over */
    CONN_STOP,      /* redis_conn_stop() */
    CONN_COUNT
};

/* The state that follows; REDIS_CONN_STATE_COUNT if the event cannot happen in that state. */
enum redis_conn_state conn_next(enum redis_conn_state state, enum conn_event event);

#endif
