#ifndef WORKER_FEED_H
#define WORKER_FEED_H

/*
 * Reads the node's stream, on a connection of its own because the read blocks: XREADGROUP for as
 * many entries as there are free slots, so that what cannot be started yet stays undelivered and
 * can still go elsewhere. One read at a time, only while the session is open, a slot is free and
 * the node is available: what an unavailable node has not been given, the routers take back.
 */

#include <stdbool.h>

#include "reader.h"

struct worker;

struct feed {
    struct reader reader;
    bool is_stopped;
};

void feed_init(struct worker *w);
void feed_done(struct worker *w);

/* Reads if there is reason to: for whoever frees a slot. */
void feed_read(struct worker *w);

/* For good: this process is about to leave. */
void feed_stop(struct worker *w);

#endif
