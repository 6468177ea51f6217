#ifndef WORKER_LEAVE_H
#define WORKER_LEAVE_H

/*
 * The orderly stop, protocol 4.7:
 *
 *   SIGTERM: `stopping` is published, nothing new is read
 *   until drain_timeout: what runs may end; what was not delivered, or delivered and not begun, is
 *       given back, again and again, until the routers send no more
 *   after drain_timeout: what still runs is aborted and given back as a further attempt
 *   the stream is empty: goodbye.lua removes the health entry, and the process ends
 *
 * Ends in any case LEAVE_GRACE_MS after drain_timeout, and after LEAVE_GRACE_MS without Redis and
 * without work: the routers will notice our silence and take everything back.
 */

#include <stdbool.h>
#include <stdint.h>

struct worker;

#define LEAVE_GRACE_MS 5000
#define LEAVE_PAUSE_MS 100 /* between two looks at the stream */

struct leave {
    bool is_stopping;
    bool has_aborted; /* drain_timeout is over */
    bool is_gone;     /* nothing more is written */
    bool is_asking;   /* a command is on its way */
    bool wants_look;  /* there are entries on the stream that nobody here knows */
    int64_t abort_ms, exit_ms, next_ms;
    int64_t alone_ms; /* without Redis and without work it ends then; put off while it has either */
};

/* The first SIGTERM. */
void leave_begin(struct worker *w);

/* While stopping, Redis has turned out to have forgotten us: there is nothing to give back. */
void leave_forgotten(struct worker *w);

void leave_tick(struct worker *w, int64_t now_ms);

#endif
