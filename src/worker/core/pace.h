#ifndef WORKER_PACE_H
#define WORKER_PACE_H

/*
 * When many answers stream at once, should each piece wake the worker? Pure.
 *
 * A piece that comes alone costs a wake-up, a read, a write and an answer of Redis for itself. So
 * from PACE_STREAMS streams on they are paced: after the first piece, which is never held back, an
 * Ollama's socket wakes nobody, and at each tick what has come on all of them is read together and
 * goes to Redis in one write. A piece then comes up to a tick later. A board that runs a few
 * requests at a time never gets there.
 */

#include <stdbool.h>
#include <stdint.h>

/* Streams of one worker from which on they are paced. With so many at 20 tokens a second each tick
 * of 25 ms finds several pieces. */
#define PACE_STREAMS 9

/* Are so many streams to be paced? Not if pieces are asked for more often than every other tick:
 * whoever sets chunk_interval that low wants them at once. All milliseconds; tick_ms >= 1. */
bool pace_is_wanted(unsigned streams, int64_t chunk_interval_ms, int64_t tick_ms);

/* How much before it is due a piece of a paced stream is sent: the nearest tick counts, so that a
 * tick that comes a moment early does not cost the piece a whole one. */
int64_t pace_early_ms(bool is_paced, int64_t tick_ms);

#endif
