#ifndef TESTS_TEST_WAIT_H
#define TESTS_TEST_WAIT_H

/* Runs an event loop until something is so, or a deadline has passed: tests poll, they never sleep.
 */

#include <event2/event.h>
#include <stdbool.h>
#include <time.h>

#include "common/clock.h"

#define WAIT_POLL_MS 5

static inline double wait_now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void wait_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* True as soon as done(arg); false after timeout_ms. Looks again at each event and every 5 ms. */
static inline bool wait_until(struct event_base *base, bool (*done)(void *arg), void *arg,
                              int timeout_ms)
{
    const struct timeval poll = {.tv_usec = WAIT_POLL_MS * 1000};
    struct event *wake = event_new(base, -1, EV_PERSIST, wait_nothing, NULL);
    double end_s = wait_now_s() + timeout_ms / 1000.0;
    bool is_done = false;

    (void)event_add(wake, &poll);
    while (!(is_done = done(arg)) && wait_now_s() < end_s) {
        clock_next_iteration();
        (void)event_base_loop(base, EVLOOP_ONCE);
    }
    event_free(wake);
    return is_done;
}

#endif
