#include "control.h"

#include <stdio.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/reply.h"
#include "common/request.h"

#include "command.h"
#include "worker.h"

#define CONTROL_GRACE_MS 5000

/* True if the answer is one to read. */
static bool is_good(struct worker *w, const struct redisReply *reply)
{
    struct control *control = &w->control;
    int64_t now_ms = clock_now_ms();

    control->is_asking = false;
    if (!reply)
        return false;
    if (!reply_error(reply)) {
        control->failures = 0;
        if (log_repeat_end(&control->refused))
            log_info("event=control_obeys after=%u", control->refused.repeats);
        return true;
    }
    if (log_repeat_begin(&control->refused, now_ms)) {
        log_warn("event=control_refused why=\"%s\" repeats=%u", reply_error(reply),
                 control->refused.repeats);
    }
    control->retry_ms = now_ms + backoff_ms(control->failures++, (uint32_t)now_ms);
    session_mend(w, reply);
    return false;
}

static void apply(struct worker *w, struct span id, const struct redisReply *fields)
{
    struct span op = reply_span(reply_field(fields, "op"));
    struct span node = reply_span(reply_field(fields, "node"));

    if (span_is(op, "cancel")) {
        jobs_cancel_request(w, reply_span(reply_field(fields, FIELD_REQUEST_ID)), entry_id_ms(id));
    } else if ((span_is(op, "drain") || span_is(op, "undrain")) &&
               span_is(node, w->config.node_id)) {
        beat_repeat(w); /* a router writes P:drained; it may be about to */
    }
}

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct control *control = &w->control;

    if (!is_good(w, reply))
        return;
    const struct redisReply *entries = reply_at(reply_at(reply, 0), 1);
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

    if (!is_good(w, reply))
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
    char count[16], block[16];

    if (control->is_asking || !redis_conn_is_ready(control->conn) || now_ms < control->retry_ms)
        return;
    if (!control->last_id[0]) {
        const char *argv[] = {"XREVRANGE", w->keys.control, "+", "-", "COUNT", "1"};
        control->is_asking = command_send(control->conn, on_last_id, w, 6, argv);
        return;
    }
    (void)snprintf(count, sizeof count, "%d", CONTROL_COUNT);
    (void)snprintf(block, sizeof block, "%d", CONTROL_BLOCK_MS);
    const char *argv[] = {"XREAD", "COUNT",   count,           "BLOCK",
                          block,   "STREAMS", w->keys.control, control->last_id};
    control->is_asking = command_send(control->conn, on_entries, w, 8, argv);
}

static void on_ready(void *arg)
{
    struct worker *w = arg;

    session_hurry(w);
    control_tick(w, clock_now_ms());
}

void control_init(struct worker *w)
{
    struct control *control = &w->control;

    (void)snprintf(control->name, sizeof control->name, "%s:control", w->config.node_id);
    control->conn = redis_conn_new(&(struct redis_conn_config){
        .base = loop_base(w->loop),
        .url = &w->redis_url,
        .name = control->name,
        .command_timeout_ms = CONTROL_BLOCK_MS + CONTROL_GRACE_MS,
        .on_ready = on_ready,
        .arg = w,
    });
    redis_conn_start(control->conn);
}

void control_done(struct worker *w)
{
    redis_conn_free(w->control.conn);
    w->control.conn = NULL;
}
