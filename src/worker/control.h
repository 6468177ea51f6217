#ifndef WORKER_CONTROL_H
#define WORKER_CONTROL_H

/*
 * Follows P:control, on a connection of its own: a `cancel` of a request that runs here ends it at
 * once; a `drain` or `undrain` of this node brings the next heartbeat forward; a `preload` for it
 * loads a model. Everything else on the stream is the routers'. Nothing depends on it: what is
 * missed here comes with a heartbeat.
 */

#include <stdint.h>

#include "reader.h"
#include "reconcile.h"

struct worker;

#define CONTROL_COUNT 100 /* entries per read */

struct control {
    struct reader reader;
    char last_id[ENTRY_ID_MAX]; /* "": not known yet; asked for when the connection is there */
};

void control_init(struct worker *w);
void control_done(struct worker *w);
void control_tick(struct worker *w, int64_t now_ms);

#endif
