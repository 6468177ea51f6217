/* Reads P:requests: new entries with a blocking XREADGROUP on a connection of its own, and our own
 * pending entries wherever a reply may have been lost (protocol 4.6).
 *
 * Pending entries are listed with XPENDING and read with XRANGE: XREADGROUP with an id would count
 * a delivery at every look. */

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/reply.h"
#include "common/request.h"

#include "router_state.h"

#define INTAKE_BATCH_BYTES  ((size_t)8 << 20) /* of entries in one reply, about */
#define INTAKE_COUNT_FIRST  16 /* as long as nothing is known about the size of entries */
#define INTAKE_COUNT_MAX    256
#define RECONCILE_PAGE      128
#define RECONCILE_PAGE_TEXT "128"
#define RECONCILE_PAUSE_MS  1000 /* between two looks that something made necessary */

/* --- new entries ---------------------------------------------------------------------------------
 */

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
    if (reply_is_error(reply, "NOGROUP") || reply_is_error(reply, "UNBLOCKED"))
        router_make_groups(router, on_group_made);
}

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    const struct redisReply *entries = reply_at(reply_at(reply, 0), 1);
    size_t largest = 0;

    router->intake_reading = false;
    if (!reply || !router->redis_ok || router->stopping)
        return;
    if (reply_error(reply)) {
        handle_error(router, reply);
        return;
    }
    for (size_t i = 0; i < reply_count(entries); i++) {
        size_t bytes = entry_bytes(reply_at(entries, i));

        largest = bytes > largest ? bytes : largest;
        accept_entry(router, reply_at(entries, i));
    }
    router->intake_count = entries ? next_count(largest) : INTAKE_COUNT_FIRST;
    dispatch_wake(router);
    intake_read(router);
}

/* Room in the window or among the parked. A few more than there is room for do no harm: they stay
 * pending and are found again. */
static bool has_room(const struct router *router)
{
    uint32_t parked_max = router->window.sizes.parked_max;

    return window_room(&router->window) > 0 || window_parked_count(&router->window) < parked_max;
}

void intake_read(struct router *router)
{
    char count[16], block[16];
    const char *argv[] = {"XREADGROUP", "GROUP", GROUP_ROUTERS, router->id, "COUNT",
                          count,        "BLOCK", block,         "STREAMS",  router->keys.requests,
                          ">"};

    if (router->intake_reading || !router->redis_ok || router->stopping ||
        clock_now_ms() < router->intake_retry_ms || !redis_conn_is_ready(router->intake) ||
        redis_conn_pending_bytes(router->commands) > REDIS_CONN_HOLD_BYTES || !has_room(router))
        return;
    (void)snprintf(count, sizeof count, "%u", router->intake_count);
    (void)snprintf(block, sizeof block, "%d", ROUTER_BLOCK_MS);
    router->intake_reading = router_send(router->intake, on_entries, router, 11, argv);
}

/* --- our own pending entries ---------------------------------------------------------------------
 */

static void on_pending_entry(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply || router_refused(router, reply, "pending entry"))
        return;
    if (reply_count(reply) > 0)
        accept_entry(router, reply_at(reply, 0));
    dispatch_wake(router);
}

/* Deleted by somebody else while it was pending: only the acknowledgement is missing. */
struct gone {
    struct router *router;
    char id[STREAM_ID_MAX + 1];
};

static void on_maybe_gone(const struct redisReply *reply, void *arg)
{
    struct gone *gone = arg;
    struct router *router = gone->router;
    const char *argv[] = {"XACK", router->keys.requests, GROUP_ROUTERS, gone->id};

    if (reply && !reply_error(reply) && reply_count(reply) == 0 && router->redis_ok)
        (void)router_send(router->commands, NULL, NULL, 4, argv);
    else
        on_pending_entry(reply, router);
    free(gone);
}

static void read_pending(struct router *router, struct span id)
{
    struct gone *gone = xcalloc(1, sizeof *gone);
    const char *argv[] = {"XRANGE", router->keys.requests, gone->id, gone->id};

    gone->router = router;
    (void)span_copy(id, gone->id, sizeof gone->id);
    if (!router_send(router->commands, on_maybe_gone, gone, 4, argv))
        free(gone);
}

static void ask_pending(struct router *router, const char *from);

static void on_pending(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    size_t n = reply_count(reply);
    char from[STREAM_ID_MAX + 2];

    if (!reply || router_refused(router, reply, "pending")) {
        router->reconcile_running = false;
        router->reconcile_wanted = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct span id = reply_span(reply_at(reply_at(reply, i), 0));

        if (!accept_knows(router, id))
            read_pending(router, id);
    }
    if (n < RECONCILE_PAGE) {
        router->reconcile_running = false;
        return;
    }
    (void)snprintf(from, sizeof from, "(%.*s",
                   SPAN_ARG(reply_span(reply_at(reply_at(reply, n - 1), 0))));
    ask_pending(router, from);
}

static void ask_pending(struct router *router, const char *from)
{
    const char *argv[] = {"XPENDING", router->keys.requests, GROUP_ROUTERS, from,
                          "+",        RECONCILE_PAGE_TEXT,   router->id};

    router->reconcile_running = router_send(router->commands, on_pending, router, 7, argv);
}

void intake_reconcile(struct router *router)
{
    if (router->reconcile_running)
        return;
    router->reconcile_wanted = false;
    router->reconcile_ms = clock_now_ms() + RECONCILE_PAUSE_MS;
    ask_pending(router, "-");
}

/* --- begin and upkeep ----------------------------------------------------------------------------
 */

void intake_start(struct router *router)
{
    router->intake_count = INTAKE_COUNT_FIRST;
    router->intake_retry_ms = 0;
    intake_reconcile(router);
    intake_read(router);
}

void intake_tick(struct router *router)
{
    if (router->reconcile_wanted && clock_now_ms() >= router->reconcile_ms)
        intake_reconcile(router);
    accept_parked(router);
    intake_read(router);
    listen_start(router);
}
