#ifndef WORKER_FEED_H
#define WORKER_FEED_H

/*
 * Reads the node's stream, on a connection of its own because the read blocks: XREADGROUP for as
 * many entries as there are free slots, so that what cannot be started yet stays undelivered and
 * can still go elsewhere. One read at a time, only while the session is open, a slot is free and
 * the node is available: what an unavailable node has not been given, the routers take back.
 *
 * An error is never answered by reading again at once: the next read waits for a backoff.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"

struct redis_conn;
struct worker;

#define FEED_BLOCK_MS 5000

struct feed {
    struct redis_conn *conn;
    bool is_reading;
    bool is_stopped;
    unsigned failures; /* in a row */
    int64_t retry_ms;  /* not before this moment */
    struct log_repeat refused;
    char name[96]; /* of the connection */
};

void feed_init(struct worker *w);
void feed_done(struct worker *w);

/* Reads if there is reason to: for whoever frees a slot. */
void feed_read(struct worker *w);

/* For good: this process is about to leave. */
void feed_stop(struct worker *w);

#endif
