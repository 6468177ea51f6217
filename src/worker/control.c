#include "control.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/reply.h"
#include "common/request.h"

#include "worker.h"

static void apply(struct worker *w, struct span id, const struct redisReply *fields)
{
    struct span op = reply_span(reply_field(fields, "op"));
    struct span node = reply_span(reply_field(fields, "node"));

    if (span_is(op, "cancel")) {
        jobs_cancel_request(w, reply_span(reply_field(fields, FIELD_REQUEST_ID)), entry_id_ms(id));
    } else if ((span_is(op, "drain") || span_is(op, "undrain")) &&
               span_is(node, w->config.node_id)) {
        beat_repeat(w); /* a router writes P:drained; it may be about to */
    } else if (span_is(op, "preload") && span_is(node, w->config.node_id)) {
        preload_wish(w, reply_span(reply_field(fields, "model")),
                     reply_span(reply_field(fields, "unload")),
                     clock_now_ms() + w->beat.redis_ahead_ms - entry_id_ms(id));
    }
}

/* Behind an id from the future nothing comes. Once somebody has deleted that stream new entries
 * have ids of the clock: what is last is asked for again. */
static void look_behind_the_future(struct worker *w)
{
    struct control *control = &w->control;
    int64_t ahead_ms = w->beat.redis_ahead_ms;

    if (ahead_ms != 0 && entry_id_is_future(span_str(control->last_id), clock_now_ms() + ahead_ms))
        control->last_id[0] = '\0';
}

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct control *control = &w->control;

    if (!reader_took(&w->control.reader, w, reply))
        return;
    const struct redisReply *entries = reply_at(reply_at(reply, 0), 1);
    if (reply_count(entries) == 0)
        look_behind_the_future(w);
    for (size_t i = 0; i < reply_count(entries); i++) {
        struct span id = reply_span(reply_at(reply_at(entries, i), 0));
        if (id.len == 0 || id.len >= ENTRY_ID_MAX)
            continue;
        (void)span_copy(id, control->last_id, sizeof control->last_id);
        apply(w, id, reply_at(reply_at(entries, i), 1));
    }
    control_tick(w, clock_now_ms());
}

static void on_last_id(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;

    if (!reader_took(&w->control.reader, w, reply))
        return;
    struct span id = reply_span(reply_at(reply_at(reply, 0), 0));
    if (id.len == 0 || id.len >= ENTRY_ID_MAX)
        id = span_str("0-0"); /* the stream is empty or not there yet */
    (void)span_copy(id, w->control.last_id, sizeof w->control.last_id);
    control_tick(w, clock_now_ms());
}

void control_tick(struct worker *w, int64_t now_ms)
{
    struct control *control = &w->control;
    char count[16], block[READER_BLOCK_TEXT_MAX];

    if (!reader_is_free(&control->reader, now_ms))
        return;
    if (!control->last_id[0]) {
        const char *argv[] = {"XREVRANGE", w->keys.control, "+", "-", "COUNT", "1"};
        reader_send(&control->reader, w, on_last_id, 6, argv);
        return;
    }
    (void)snprintf(count, sizeof count, "%d", CONTROL_COUNT);
    const char *argv[] = {
        "XREAD",   "COUNT",         count,           "BLOCK", reader_block(w, block),
        "STREAMS", w->keys.control, control->last_id};
    reader_send(&control->reader, w, on_entries, 8, argv);
}

static void on_ready(void *arg)
{
    struct worker *w = arg;

    session_hurry(w);
    control_tick(w, clock_now_ms());
}

void control_init(struct worker *w)
{
    reader_init(&w->control.reader, w, "control", on_ready);
}

void control_done(struct worker *w)
{
    reader_done(&w->control.reader);
}
