#ifndef WORKER_COUNTERS_H
#define WORKER_COUNTERS_H

/*
 * What this worker has counted since it started, for `counters` in its health; the routers export
 * it, because a worker opens no port.
 */

#include <stddef.h>
#include <stdint.h>

#include "ps.h"

struct worker;

#define COUNTERS_SWAP_MS 60000

struct counters {
    int64_t refused_ends; /* ends that Redis did not take: the work was somebody else's by then */
    int64_t swaps;        /* times that a model took the place of another one in memory */
    int64_t preloads;     /* models loaded before anybody asked */
    uint64_t resident[PS_RESIDENT_MAX]; /* span_hash() of what was in memory last */
    size_t resident_n;
    int64_t came_ms; /* monotonic: when a model last came into memory; 0: counted, or never */
};

/* /api/ps has answered. */
void counters_on_resident(struct worker *w);

#endif
