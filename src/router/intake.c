#include "intake.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"

#include "accept.h"
#include "base.h"
#include "listen.h"
#include "router_state.h"

/* XREADGROUP counts entries and not bytes: the worst reply is INTAKE_COUNT_MAX entries of
 * request_max. After small ones INTAKE_READS such replies may be on the way; we hold one of them at
 * a time, the others wait in Redis, and what is asked for next is small. */
#define INTAKE_BATCH_BYTES    ((size_t)8 << 20) /* of entries in one reply, about */
#define INTAKE_COUNT_MAX      16
#define INTAKE_READS          4 /* on the way while replies are full: Redis need not wait for us */
#define RECONCILE_PAGE_TEXT   "128"
#define RECONCILE_READS       4     /* entries being read at a time: each may be large */
#define RECONCILE_PAUSE_MS    1000  /* between two looks that something made necessary */
#define RECONCILE_INTERVAL_MS 10000 /* at most, without a reason: see reconcile() */

_Static_assert(RECONCILE_PAGE == 128, "RECONCILE_PAGE_TEXT says the same");

/* --- new entries ------------------------------------------------------------------------------ */

/* So many that a reply of entries like the largest of the last one stays within the limit. */
static unsigned next_count(size_t largest_bytes)
{
    size_t count = INTAKE_BATCH_BYTES / (largest_bytes + 1);

    if (count > INTAKE_COUNT_MAX)
        return INTAKE_COUNT_MAX;
    return count > 0 ? (unsigned)count : 1;
}

static size_t entry_bytes(const struct redisReply *entry)
{
    const struct redisReply *pairs = reply_at(entry, 1);
    size_t bytes = 0;

    for (size_t i = 0; i < reply_count(pairs); i++)
        bytes += reply_span(reply_at(pairs, i)).len;
    return bytes;
}

static void on_group_made(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    (void)reply;
    router->reconcile_wanted = true;
    router->intake_retry_ms = clock_now_ms() + RECONCILE_PAUSE_MS;
}

/* The stream or its group is gone (DEL, FLUSHALL, XGROUP DESTROY): the group is made anew from the
 * beginning, which loses nothing, because only unfinished entries are on the stream. */
static void handle_error(struct router *router, const struct redisReply *reply)
{
    router->intake_retry_ms = clock_now_ms() + RECONCILE_PAUSE_MS;
    (void)router_refused(router, reply, "intake");
    if (redis_command_lost_group(reply))
        router_make_groups(router, on_group_made);
}

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    const struct redisReply *entries = reply_at(reply_at(reply, 0), 1);
    size_t largest = 0;

    router->intake_flows = reply_count(entries) >= router->intake_count;
    if (router->intake_reads > 0)
        router->intake_reads--;
    if (!reply || !router->redis_ok || router->stopping)
        return;
    if (reply_error(reply)) {
        handle_error(router, reply);
        return;
    }
    for (size_t i = 0; i < reply_count(entries); i++) {
        size_t bytes = entry_bytes(reply_at(entries, i));

        largest = bytes > largest ? bytes : largest;
        accept_entry(router, reply_at(entries, i), false);
    }
    router->intake_count = next_count(largest);
    router_wake(router); /* moves first, then the next read: see has_room() */
}

/* Room in the window for one reply more than are on the way; or among the parked, of which a few
 * too many do no harm: they stay pending and are found again. What is parked is read a second time,
 * and with it all that its client sends later, so as long as moves are under way, which make room,
 * it may as well stay unread. */
static bool has_room(const struct router *router)
{
    uint32_t parked_max = router->window.sizes.parked_max;
    uint32_t awaited = router->fetching + (router->intake_reads + 1) * router->intake_count;

    return window_room(&router->window) >= awaited ||
           (router->moving == 0 && window_parked_count(&router->window) < parked_max);
}

void intake_read(struct router *router)
{
    char count[16], block[16];
    const char *argv[] = {"XREADGROUP", "GROUP", GROUP_ROUTERS, router->id, "COUNT",
                          count,        "BLOCK", block,         "STREAMS",  router->keys.requests,
                          ">"};

    if (!router->redis_ok || router->stopping || clock_now_ms() < router->intake_retry_ms ||
        redis_conn_pending_bytes(router->commands) > REDIS_CONN_HOLD_BYTES)
        return;
    (void)snprintf(count, sizeof count, "%u", router->intake_count);
    (void)snprintf(
        block, sizeof block, "%lld",
        (long long)redis_command_block_ms(router->presence_ms - clock_now_ms(), ROUTER_BLOCK_MS));
    while (router->intake_reads < (router->intake_flows ? INTAKE_READS : 1) && has_room(router) &&
           redis_conn_is_ready(router->intake) &&
           redis_command_send(router->intake, on_entries, router, 11, argv))
        router->intake_reads++;
    if (router->intake_reads > 0)
        listen_behind_intake(router);
}

/* --- our own pending entries ------------------------------------------------------------------ */

/* A page of ids is listed, and those that we do not know are read a few at a time; then the next
 * page. */

static void ask_pending(struct router *router, const char *from);
static void read_page(struct router *router);

/* One read of the page is over. */
static void read_over(struct router *router)
{
    if (router->reconcile.reading > 0)
        router->reconcile.reading--;
    if (router->reconcile_running && router->redis_ok && !router->stopping)
        read_page(router);
}

struct pending_read {
    struct router *router;
    char id[STREAM_ID_MAX + 1];
};

static void on_pending_entry(const struct redisReply *reply, void *arg)
{
    struct pending_read *read = arg;
    struct router *router = read->router;
    const char *ack[] = {"XACK", router->keys.requests, GROUP_ROUTERS, read->id};

    if (!reply || router_refused(router, reply, "pending entry")) {
        router->reconcile_wanted = true;
    } else if (reply_count(reply) > 0) {
        accept_entry(router, reply_at(reply, 0), false);
    } else { /* somebody deleted it while it was pending: only the acknowledgement is missing */
        (void)redis_command_send(router->commands, NULL, NULL, 4, ack);
    }
    free(read);
    router_wake(router);
    read_over(router);
}

static void read_pending(struct router *router, struct stream_id id)
{
    struct pending_read *read = xcalloc(1, sizeof *read);
    const char *argv[] = {"XRANGE", router->keys.requests, read->id, read->id};

    read->router = router;
    (void)stream_id_text(id, read->id);
    if (redis_command_send(router->commands, on_pending_entry, read, 4, argv)) {
        router->reconcile.reading++;
        return;
    }
    router->reconcile_wanted = true;
    free(read);
}

static void read_page(struct router *router)
{
    struct reconcile *page = &router->reconcile;
    char from[STREAM_ID_MAX + 2] = "(";

    while (page->next < page->n && page->reading < RECONCILE_READS) {
        struct stream_id id = page->ids[page->next++];

        if (!accept_knows(router, id))
            read_pending(router, id);
    }
    if (page->next < page->n || page->reading > 0)
        return;
    if (page->n < RECONCILE_PAGE) {
        router->reconcile_running = false;
        return;
    }
    (void)stream_id_text(page->ids[page->n - 1], from + 1);
    ask_pending(router, from);
}

static void on_pending(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    struct reconcile *page = &router->reconcile;

    if (!reply || router_refused(router, reply, "pending")) {
        router->reconcile_running = false;
        router->reconcile_wanted = true;
        return;
    }
    *page = (struct reconcile){.n = 0};
    for (size_t i = 0; i < reply_count(reply) && page->n < RECONCILE_PAGE; i++) {
        if (stream_id_parse(reply_span(reply_at(reply_at(reply, i), 0)), &page->ids[page->n]))
            page->n++;
    }
    read_page(router);
}

static void ask_pending(struct router *router, const char *from)
{
    const char *argv[] = {"XPENDING", router->keys.requests, GROUP_ROUTERS, from,
                          "+",        RECONCILE_PAGE_TEXT,   router->id};

    router->reconcile_running = redis_command_send(router->commands, on_pending, router, 7, argv);
}

/* Also when nothing seems to have been lost: a second process with our id may have died, or Redis
 * may have answered a read on a connection that it did not know to be dead. */
static void reconcile(struct router *router)
{
    int64_t interval_ms = router->config.node_lost_ms;

    if (router->reconcile_running)
        return;
    router->reconcile_wanted = false;
    router->reconcile_ms = clock_now_ms() + RECONCILE_PAUSE_MS;
    router->reconcile_due_ms =
        clock_now_ms() +
        (interval_ms < RECONCILE_INTERVAL_MS ? interval_ms : RECONCILE_INTERVAL_MS);
    ask_pending(router, "-");
}

/* --- begin and upkeep ------------------------------------------------------------------------- */

void intake_start(struct router *router)
{
    router->intake_count = next_count(0);
    router->fetch_max = ACCEPT_FETCH_MIN;
    router->intake_retry_ms = 0;
    reconcile(router);
    intake_read(router);
}

void intake_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    if ((router->reconcile_wanted && now_ms >= router->reconcile_ms) ||
        now_ms >= router->reconcile_due_ms)
        reconcile(router);
}
