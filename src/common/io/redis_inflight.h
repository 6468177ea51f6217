#ifndef COMMON_REDIS_INFLIGHT_H
#define COMMON_REDIS_INFLIGHT_H

/* The commands of one connection that have no answer yet, in the order in which Redis answers. For
 * redis_conn.c only. */

#include <stdint.h>

#include "common/redis_conn.h"

struct command {
    struct redis_conn *conn;
    redis_conn_callback *callback; /* may be NULL */
    void *arg;
    int64_t sent_ms;
    size_t bytes;
    struct command *next;
};

/* One that is sent now. The caller frees it. */
struct command *command_new(struct redis_conn *conn, redis_conn_callback *callback, void *arg,
                            size_t bytes);

struct inflight {
    struct command *oldest, **newest;
    unsigned n;
    size_t bytes;
};

/* Bytes of a command on the wire, at most. */
#define REDIS_LINE_OVERHEAD_MAX 32 /* bytes of "$<len>\r\n...\r\n" around one argument */
size_t inflight_bytes(int argc, const size_t *argv_len);

void inflight_init(struct inflight *inflight);

/* Adds the newest; borrowed until inflight_take(). */
void inflight_put(struct inflight *inflight, struct command *command);

/* Takes out the oldest, which must be `command`. */
void inflight_take(struct inflight *inflight, const struct command *command);

#endif
