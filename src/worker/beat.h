#ifndef WORKER_BEAT_H
#define WORKER_BEAT_H

/*
 * The heartbeat: the health of the node goes out, and what has become of our running entries comes
 * back. Every health_interval, and soon after a change, but not more often than every
 * BEAT_PAUSE_MS. When `available` or `reason` has changed an event calls the routers to look. While
 * Redis is away nothing queues up: the first one afterwards has the newest
 * state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/span.h"

#include "availability.h"
#include "jobs.h"

struct worker;

#define BEAT_PAUSE_MS 200

struct beat {
    struct buf json;
    int64_t next_ms; /* of the regular one */
    int64_t last_ms; /* when one was sent last; 0: the pause does not count */
    int64_t repeat_ms;
    int64_t redis_ahead_ms; /* Redis time - monotonic time, as of the last answer */
    unsigned repeats;       /* how many more follow at short intervals */
    bool is_due;
    bool is_on_its_way;
    struct log_repeat refused;
    enum availability_reason sent; /* in the heartbeat that is on its way */
    enum availability_reason told; /* the last for which routers were called */
    struct {
        struct job *job;
        uint32_t generation;
    } asked[JOBS_MAX]; /* about which it asks, in order */
    size_t n_asked;
};

void beat_init(struct worker *w);
void beat_done(struct worker *w);

/* The health object without its closing brace; borrowed until the next call. */
struct span beat_encode(struct worker *w);

/* Something that the fleet should know has changed. */
void beat_soon(struct worker *w);

/* As beat_soon(), and without the pause. */
void beat_now(struct worker *w);

/* Now and twice again within a second: somebody else may be about to change what it tells. */
void beat_repeat(struct worker *w);

void beat_tick(struct worker *w, int64_t now_ms);

/* Is the regular one due, or so soon that nobody sleeps before? */
bool beat_is_near(const struct worker *w, int64_t now_ms);

/* When the tick has something to do, monotonic: 0 at once, INT64_MAX not before something comes. */
int64_t beat_due_ms(const struct worker *w);

#endif
