#include "common/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/notify.h"

enum loop_end {
    LOOP_GOING = 0,
    LOOP_QUIT,   /* loop_quit() */
    LOOP_FORCED, /* a second signal */
};

struct loop {
    struct event_base *base;
    struct event *tick, *sigterm, *sigint, *sighup;
    struct event *alive; /* NULL: no service manager listens */
    struct loop_handlers handlers;
    int64_t tick_ms;
    int64_t due_ms; /* monotonic: when the tick comes */
    bool stop_asked;
    enum loop_end end;
};

struct timeval loop_tv(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

static void set_tick(struct loop *loop, int64_t delay_ms)
{
    const struct timeval tv = loop_tv(delay_ms);

    loop->due_ms = clock_now_ms() + delay_ms;
    (void)event_add(loop->tick, &tv);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    alloc_reserve_fill();
    set_tick(loop, loop->tick_ms);
    if (loop->handlers.on_tick)
        loop->handlers.on_tick(loop->handlers.arg);
}

/* After an iteration: the next tick may be later than it would be, or must be sooner. */
static void settle_tick(struct loop *loop)
{
    int64_t next_ms = loop->handlers.next_ms ? loop->handlers.next_ms(loop->handlers.arg) : 0;
    int64_t left_ms = loop->due_ms - clock_now_ms();

    if (next_ms == LOOP_NOW) {
        event_active(loop->tick, EV_TIMEOUT, 0);
    } else if (next_ms > loop->tick_ms ? left_ms != next_ms : left_ms > loop->tick_ms) {
        set_tick(loop, next_ms > 0 ? next_ms : loop->tick_ms);
    } else if (next_ms > 0 && next_ms < left_ms) {
        set_tick(loop, next_ms);
    }
}

/* An event like any other: it comes only if the loop gets round to it. */
static void on_alive(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    notify_alive();
}

static void on_stop_signal(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    if (loop->stop_asked) {
        loop->end = LOOP_FORCED;
        (void)event_base_loopbreak(loop->base);
        return;
    }
    loop->stop_asked = true;
    if (loop->handlers.on_stop)
        loop->handlers.on_stop(loop->handlers.arg);
}

static void on_reload_signal(evutil_socket_t fd, short what, void *arg)
{
    const struct loop *loop = arg;

    (void)fd;
    (void)what;
    notify_reloading();
    if (loop->handlers.on_reload)
        loop->handlers.on_reload(loop->handlers.arg);
    notify_reloaded();
}

static void add_or_die(struct event *event, const struct timeval *timeout)
{
    if (event && event_add(event, timeout) == 0)
        return;
    log_err("event=loop_failed why=\"cannot set up the event loop (too few file descriptors?)\"");
    exit(EXIT_FAILURE);
}

static void add_alive(struct loop *loop)
{
    notify_open();
    const struct timeval interval = loop_tv(notify_alive_interval_ms());

    if (notify_alive_interval_ms() == 0)
        return;
    loop->alive = event_new(loop->base, -1, EV_PERSIST, on_alive, loop);
    add_or_die(loop->alive, &interval);
}

struct loop *loop_new(const struct loop_handlers *handlers, int64_t tick_ms)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    const struct timeval tick = loop_tv(tick_ms);

    alloc_reserve_fill();
    loop->tick_ms = tick_ms;
    loop->handlers = *handlers;
    loop->base = event_base_new();
    if (!loop->base)
        add_or_die(NULL, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* hiredis writes without MSG_NOSIGNAL */

    loop->tick = event_new(loop->base, -1, 0, on_tick, loop);
    loop->sigterm = evsignal_new(loop->base, SIGTERM, on_stop_signal, loop);
    loop->sigint = evsignal_new(loop->base, SIGINT, on_stop_signal, loop);
    loop->sighup = evsignal_new(loop->base, SIGHUP, on_reload_signal, loop);
    add_or_die(loop->tick, &tick);
    loop->due_ms = clock_now_ms() + tick_ms;
    add_or_die(loop->sigterm, NULL);
    add_or_die(loop->sigint, NULL);
    add_or_die(loop->sighup, NULL);
    add_alive(loop);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    event_free(loop->tick);
    event_free(loop->sigterm);
    event_free(loop->sigint);
    event_free(loop->sighup);
    if (loop->alive)
        event_free(loop->alive);
    event_base_free(loop->base);
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

int loop_run(struct loop *loop)
{
    while (loop->end == LOOP_GOING) {
        /* Forgotten before the wait, so the first callback after it reads the clock anew. */
        clock_next_iteration();
        if (event_base_loop(loop->base, EVLOOP_ONCE) != 0) {
            log_err("event=loop_failed why=\"the kernel refused to wait for events\"");
            return 1;
        }
        settle_tick(loop);
    }
    int status = loop->end == LOOP_FORCED ? 1 : 0;
    loop->end = LOOP_GOING;
    return status;
}

void loop_quit(struct loop *loop)
{
    if (loop->end == LOOP_GOING)
        loop->end = LOOP_QUIT;
}
