#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

/*
 * The one event loop of a daemon: a libevent base, the signals, one periodic tick, and
 * what the service manager wants to hear of them (notify.h). Not thread-safe.
 */

#include <stdint.h>
#include <sys/time.h>

struct event_base;
struct loop;

struct loop_handlers {
    void (*on_tick)(void *arg); /* every tick_ms, drift allowed; see idle_ms */
    void (*on_stop)(
        void *arg); /* SIGTERM or SIGINT, the first; the second ends loop_run() at once */
    void (*on_reload)(void *arg); /* SIGHUP */
    void *arg;
    /* How long from now the next tick may be, if nothing happens meanwhile; 0: tick_ms; LOOP_NOW.
     * Asked after each iteration of the loop: an idle daemon sleeps through its ticks, and whatever
     * wakes it up brings them back; one with something due sooner gets its tick sooner. NULL:
     * always tick_ms. */
    int64_t (*next_ms)(void *arg);
};

#define LOOP_NOW (-1) /* without sleeping before: it must not say so again after that tick */

/* Creates base and signals and ignores SIGPIPE. Stops the process if it cannot (no descriptors). */
struct loop *loop_new(const struct loop_handlers *handlers, int64_t tick_ms);
void loop_free(struct loop *loop);

struct event_base *loop_base(struct loop *loop);

/* Runs until loop_quit() or a second SIGTERM. Returns 0 in the first case, 1 in the second. */
int loop_run(struct loop *loop);

/* Ends loop_run() after the callbacks that are due now. */
void loop_quit(struct loop *loop);

/* Milliseconds as libevent wants them. */
struct timeval loop_tv(int64_t ms);

#endif
