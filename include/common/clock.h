#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

/*
 * The only code that asks the kernel for the time, and it asks for one clock only: monotonic
 * milliseconds (`now_ms`), for ages and timeouts inside this process. Times that cross machines are
 * Redis time and come from Redis (a Pi has no battery clock); they are called `redis_ms`.
 *
 * The clock is read at most once per iteration of the event loop, on first use, so everything that
 * happens in one iteration happens at one time. Not thread-safe: one event loop per process.
 */

#include <stdint.h>

/* Forgets the time. loop.c calls this when it has woken up; nobody else does. */
void clock_next_iteration(void);

/* Monotonic milliseconds since some fixed moment; > 0. */
int64_t clock_now_ms(void);

/* Monotonic microseconds at this very moment, for who compares them with CLOCK_MONOTONIC itself
 * (systemd, a round trip). Not remembered. */
int64_t clock_monotonic_us(void);

/* Wall-clock seconds, for the time stamp of a log line outside systemd. Never for a decision. */
int64_t clock_wall_s(void);

#endif
