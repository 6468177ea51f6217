#ifndef WORKER_PACING_H
#define WORKER_PACING_H

/* Part of struct worker: paces the streams when there are many (core/pace.h). */

#include <stdbool.h>

struct worker;

struct pacing {
    bool is_on;
};

/* At each tick: decides about all streams, and reads what has come on those that are paced. */
void pacing_tick(struct worker *w);

#endif
