#include "reconcile.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"
#include "common/scripts.h"

#include "worker.h"

#define ROOM_RETRY_MS  200
#define ERROR_RETRY_MS 1000

_Static_assert(RECONCILE_OUTLINE_MAX_BYTES >= REQUEST_METADATA_MAX &&
                   RECONCILE_OUTLINE_MAX_BYTES >= REQUEST_TRIED_MAX &&
                   RECONCILE_OUTLINE_MAX_BYTES >= CALLBACK_MAX,
               "an outline holds all but what is asked");

static void ask_page(struct worker *w);
static void next_entry(struct worker *w);

/* The answer is there: is it of use? Otherwise the look ends here; a later one finds the rest. */
static bool goes_on(struct worker *w, const struct redisReply *reply, const char *what)
{
    struct reconcile *reconcile = &w->reconcile;

    if (!reply) {
        reconcile->is_busy = false;
        return false;
    }
    if (reconcile->again) {
        reconcile->is_busy = false;
        reconcile_start(w);
        return false;
    }
    if (!reply_error(reply))
        return true;
    session_refused(w, what, reply);
    reconcile->is_busy = false;
    reconcile->next_ms = clock_now_ms() + ERROR_RETRY_MS;
    return false;
}

static void finish_look(struct worker *w)
{
    w->reconcile.is_busy = false;
    w->reconcile.has_buried_past = true;
    w->reconcile.next_ms = clock_now_ms() + RECONCILE_INTERVAL_MS;
    session_on_reconciled(w);
}

/* --- one entry -------------------------------------------------------------------------------- */

static void on_acked(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;

    if (goes_on(w, reply, "xack"))
        next_entry(w);
}

static void acknowledge(struct worker *w, const char *id)
{
    const char *argv[] = {"XACK", w->stream_key, GROUP_WORKERS, id};

    if (!redis_command_send(w->session.commands, on_acked, w, 4, argv))
        w->reconcile.is_busy = false;
}

/* Has an entry been asked for too often in vain? */
static bool is_unreadable(const struct reconcile *reconcile, const char *id)
{
    return reconcile->unread_times >= RECONCILE_READS_MAX && strcmp(reconcile->unread, id) == 0;
}

static bool take_entry(struct worker *w, const struct redisReply *entry)
{
    static const struct jobs_give_back past = {
        .was_delivered = true,
        .is_counted = true,
        .why = "the worker restarted while it had the request",
    };
    static const struct jobs_give_back unreadable = {
        .was_delivered = true,
        .is_counted = true,
        .is_blamed = true,
        .why = "the worker has no memory for the request, or its connection broke at each reading",
    };

    if (w->reconcile.gives_up)
        return jobs_give_back(w, entry, &unreadable);
    if (!w->reconcile.has_buried_past)
        return jobs_give_back(w, entry, &past);
    return jobs_fetch(w, entry);
}

static void on_entry(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct reconcile *reconcile = &w->reconcile;

    if (reply && !reconcile->gives_up)
        reconcile->unread_times = 0; /* it could be read */
    if (!goes_on(w, reply, "xrange"))
        return;
    const char *id = reconcile->page[reconcile->i];
    if (reply_count(reply) == 0 && !jobs_find_entry(w, span_str(id))) {
        reconcile->i++;
        acknowledge(w, id); /* somebody deleted it */
        return;
    }
    if (reply_count(reply) > 0 && !take_entry(w, reply_at(reply, 0))) {
        reconcile->waiting_ms = clock_now_ms() + ROOM_RETRY_MS;
        return;
    }
    reconcile->unread_times = 0;
    reconcile->i++;
    next_entry(w);
}

static bool ask_entry(struct worker *w, const char *id)
{
    const char *argv[] = {"XRANGE", w->stream_key, id, id};

    return redis_command_send(w->session.commands, on_entry, w, 4, argv);
}

static bool ask_outline(struct worker *w, const char *id)
{
    struct script_args args;

    script_args_init(&args);
    script_key(&args, w->stream_key);
    script_arg(&args, id);
    script_arg_i64(&args, RECONCILE_OUTLINE_MAX_BYTES);
    return scripts_call(w->session.commands, SCRIPT_OUTLINE, &args, on_entry, w);
}

/* Counts a read of the whole as lost until its answer is there. */
static void read_entry(struct worker *w, const char *id)
{
    struct reconcile *reconcile = &w->reconcile;

    reconcile->gives_up = is_unreadable(reconcile, id);
    bool wants_outline = !reconcile->has_buried_past || reconcile->gives_up;
    if (!(wants_outline ? ask_outline(w, id) : ask_entry(w, id))) {
        reconcile->is_busy = false;
        return;
    }
    if (wants_outline)
        return;
    if (strcmp(reconcile->unread, id) != 0) {
        (void)span_copy(span_str(id), reconcile->unread, sizeof reconcile->unread);
        reconcile->unread_times = 0;
    }
    if (reconcile->unread_times < RECONCILE_READS_MAX)
        reconcile->unread_times++;
}

static void next_entry(struct worker *w)
{
    struct reconcile *reconcile = &w->reconcile;

    while (reconcile->i < reconcile->n &&
           jobs_find_entry(w, span_str(reconcile->page[reconcile->i])))
        reconcile->i++;
    if (reconcile->i < reconcile->n) {
        read_entry(w, reconcile->page[reconcile->i]);
    } else if (reconcile->is_last_page) {
        finish_look(w);
    } else {
        ask_page(w);
    }
}

/* --- pages ------------------------------------------------------------------------------------ */

static void on_page(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct reconcile *reconcile = &w->reconcile;

    if (!goes_on(w, reply, "xpending"))
        return;
    size_t count = reply_count(reply);
    reconcile->is_last_page = count < RECONCILE_PAGE;
    reconcile->n = 0;
    reconcile->i = 0;
    for (size_t i = 0; i < count; i++) {
        struct span id = reply_span(reply_at(reply_at(reply, i), 0));
        if (id.len == 0 || id.len >= ENTRY_ID_MAX)
            continue;
        (void)snprintf(reconcile->from, sizeof reconcile->from, "(%.*s", SPAN_ARG(id));
        if (!jobs_find_entry(w, id) && reconcile->n < RECONCILE_PAGE)
            (void)span_copy(id, reconcile->page[reconcile->n++], ENTRY_ID_MAX);
    }
    next_entry(w);
}

static void ask_page(struct worker *w)
{
    char count[16];
    const char *argv[] = {"XPENDING", w->stream_key, GROUP_WORKERS,    w->reconcile.from,
                          "+",        count,         w->config.node_id};

    (void)snprintf(count, sizeof count, "%d", RECONCILE_PAGE);
    if (!redis_command_send(w->session.commands, on_page, w, 7, argv))
        w->reconcile.is_busy = false;
}

void reconcile_start(struct worker *w)
{
    struct reconcile *reconcile = &w->reconcile;

    if (reconcile->is_busy && reconcile->waiting_ms == 0) {
        reconcile->again = true;
        return;
    }
    if (!session_can_write(w))
        return;
    reconcile->is_busy = true;
    reconcile->again = false;
    reconcile->waiting_ms = 0;
    (void)snprintf(reconcile->from, sizeof reconcile->from, "-");
    ask_page(w);
}

void reconcile_tick(struct worker *w, int64_t now_ms)
{
    struct reconcile *reconcile = &w->reconcile;

    if (!session_can_write(w)) {
        if (reconcile->waiting_ms != 0) {
            reconcile->waiting_ms = 0;
            reconcile->is_busy = false;
        }
    } else if (reconcile->waiting_ms != 0) {
        if (now_ms >= reconcile->waiting_ms) {
            reconcile->waiting_ms = 0;
            next_entry(w);
        }
    } else if (!reconcile->is_busy && now_ms >= reconcile->next_ms) {
        reconcile->next_ms = now_ms + RECONCILE_INTERVAL_MS;
        reconcile_start(w);
    }
}

int64_t reconcile_due_ms(const struct worker *w)
{
    const struct reconcile *reconcile = &w->reconcile;

    if (reconcile->waiting_ms != 0)
        return reconcile->waiting_ms;
    return INT64_MAX;
}
