#include "redis_events.h"

#include <event2/event.h>
#include <hiredis/async.h>
#include <stdlib.h>

#include "common/alloc.h"

struct redis_events {
    redisAsyncContext *ac;
    struct event *read, *write; /* they stay until they are taken away */
    struct event *flush;        /* never waits: made active, it comes in this turn of the loop */
    bool is_writing;            /* hiredis has been told to write, and has not said how it went */
};

static void on_read(evutil_socket_t fd, short what, void *arg)
{
    const struct redis_events *events = arg;

    (void)fd;
    (void)what;
    redisAsyncHandleRead(events->ac); /* may free everything */
}

/* Of `write` and `flush`. */
static void on_write(evutil_socket_t fd, short what, void *arg)
{
    struct redis_events *events = arg;

    (void)fd;
    (void)what;
    events->is_writing = true;
    redisAsyncHandleWrite(events->ac); /* may free everything */
}

/* A socket that is not watched would be silent for ever. */
static void watch(struct event *event)
{
    if (event_add(event, NULL) != 0 && (!alloc_reserve_lend() || event_add(event, NULL) != 0))
        alloc_give_up("libevent");
    alloc_reserve_fill(); /* as xcalloc() does: the next tick may be far */
}

static void add_read(void *arg)
{
    const struct redis_events *events = arg;

    watch(events->read);
}

static void del_read(void *arg)
{
    const struct redis_events *events = arg;

    (void)event_del(events->read);
}

/* While it connects only the loop knows when it has; and after a write something was left over. */
static void add_write(void *arg)
{
    struct redis_events *events = arg;

    if (events->is_writing || !(events->ac->c.flags & REDIS_CONNECTED)) {
        watch(events->write);
    } else {
        event_active(events->flush, EV_WRITE, 0);
    }
    events->is_writing = false;
}

/* All has been written. */
static void del_write(void *arg)
{
    struct redis_events *events = arg;

    events->is_writing = false;
    (void)event_del(events->write);
}

static void event_drop(struct event *event)
{
    if (event)
        event_free(event);
}

static void cleanup(void *arg)
{
    struct redis_events *events = arg;

    event_drop(events->read);
    event_drop(events->write);
    event_drop(events->flush);
    free(events);
}

bool redis_events_attach(struct redisAsyncContext *ac, struct event_base *base)
{
    struct redis_events *events = xcalloc(1, sizeof *events);

    events->ac = ac;
    events->read = event_new(base, ac->c.fd, EV_READ | EV_PERSIST, on_read, events);
    events->write = event_new(base, ac->c.fd, EV_WRITE | EV_PERSIST, on_write, events);
    events->flush = event_new(base, -1, 0, on_write, events);
    if (!events->read || !events->write || !events->flush) {
        cleanup(events);
        return false;
    }
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    ac->ev.data = events;
    return true;
}
