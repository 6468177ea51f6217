#include <inttypes.h>

#include "common/model_name.h"
#include "common/reply.h"

#include "fleet_seen.h"
#include "happening.h"
#include "json_out.h"
#include "life.h"
#include "preload_choice.h"
#include "reply_view.h"
#include "text.h"

#define TIME_COLS  12 /* 20:18:37.042 */
#define AFTER_COLS 8
#define WHAT_COLS  13
#define WORDS_COL  (2 + TIME_COLS + AFTER_COLS + 2 + WHAT_COLS)
#define WORDS_MAX  4096

static const char *const source_names[] = {
    [LIFE_QUEUE] = "queue", [LIFE_EVENT] = "events", [LIFE_REPLY] = "reply", [LIFE_DEAD] = "dead"};

/* --- one step --------------------------------------------------------------------------------- */

static struct span what_of(const struct life_step *step)
{
    if (step->source == LIFE_EVENT)
        return view_field(step->fields, "event");
    if (step->source == LIFE_DEAD)
        return span_str("dead letter");
    if (step->source == LIFE_QUEUE)
        return span_str("waits");
    if (step->n_pieces > 0)
        return span_str("first token");
    if (span_is(view_field(step->fields, "type"), "status"))
        return span_str("status");
    return span_str("last entry");
}

static void add_pieces(const struct life_step *step, struct buf *out)
{
    char text[TEXT_NUMBER_SIZE];

    (void)buf_add_fmt(out, "of attempt %" PRId64 "; %zu piece%s",
                      view_number(step->fields, "attempt", 1), step->n_pieces,
                      step->n_pieces == 1 ? "" : "s");
    (void)buf_add_fmt(out, " in %s", text_duration(step->last_ms - step->at_ms, text));
}

static void add_error(const struct redisReply *fields, struct buf *out)
{
    (void)text_add(out, view_field(fields, "code"), 64);
    (void)buf_add_str(out, ": ");
    (void)text_add(out, view_field(fields, "error"), 600);
}

static void add_reply(const struct life_step *step, struct buf *out)
{
    struct span type = view_field(step->fields, "type");
    char text[TEXT_NUMBER_SIZE];

    if (step->n_pieces > 0) {
        add_pieces(step, out);
    } else if (span_is(type, "status")) {
        view_progress(step->fields, out);
    } else if (span_is(type, "done")) {
        view_stats(step->fields, out);
        (void)buf_add_fmt(out, "; %s",
                          text_bytes((int64_t)view_field(step->fields, "response").len, text));
    } else {
        add_error(step->fields, out);
    }
}

/* Bytes up to the next "; " that stands in no parentheses. */
static size_t reason_len(struct span why)
{
    int depth = 0;

    for (size_t i = 0; i < why.len; i++) {
        depth += (why.ptr[i] == '(') - (why.ptr[i] == ')' && depth > 0);
        if (depth == 0 && why.ptr[i] == ';' && i + 1 < why.len && why.ptr[i + 1] == ' ')
            return i;
    }
    return why.len;
}

/* The reasons of a decision stand on lines of their own: "a; b; others: c". */
static void add_reasons(struct span why, size_t width, struct buf *out)
{
    while (why.len > 0) {
        size_t end = reason_len(why);
        (void)buf_add_str(out, "\n");
        text_pad(out, WORDS_COL + 2);
        text_wrap(out, (struct span){why.ptr, end}, WORDS_COL + 2, WORDS_COL + 4, width);
        size_t skip = end + 2 < why.len ? end + 2 : why.len;
        why = (struct span){why.ptr + skip, why.len - skip};
    }
}

static void add_words(const struct life_step *step, size_t width, struct buf *out)
{
    char bytes[WORDS_MAX];
    struct buf words;

    text_fixed(&words, bytes, sizeof bytes);
    bool is_routed = step->source == LIFE_EVENT && span_is(what_of(step), "routed");
    bool is_wait = step->source == LIFE_EVENT && span_is(what_of(step), "waits");
    if (is_wait) {
        (void)buf_add_str(&words, "by ");
        (void)text_add(&words, view_field(step->fields, "router"), NODE_ID_MAX);
    } else if (is_routed) {
        (void)buf_add_str(&words, "to ");
        (void)text_add(&words, view_field(step->fields, "node"), NODE_ID_MAX);
        (void)buf_add_fmt(&words, ", attempt %" PRId64 ", by ",
                          view_number(step->fields, "attempt", 1));
        (void)text_add(&words, view_field(step->fields, "router"), NODE_ID_MAX);
    } else if (step->source == LIFE_EVENT) {
        happening_words(step->fields, &words);
        if (words.len == 0) {
            (void)buf_add_str(&words, "by ");
            (void)text_add(&words, view_field(step->fields, "router"), NODE_ID_MAX);
        }
    } else if (step->source == LIFE_REPLY) {
        add_reply(step, &words);
    } else {
        (void)text_add(&words, step->id, 64);
        (void)buf_add_str(&words, ": ");
        add_error(step->fields, &words);
    }
    text_wrap(out, buf_span(&words), WORDS_COL, WORDS_COL, width);
    if (is_routed || is_wait)
        add_reasons(view_field(step->fields, "why"), width, out);
}

static void add_step(const struct life_step *step, int64_t first_ms, size_t width, bool color,
                     struct buf *out)
{
    char moment[32], text[TEXT_NUMBER_SIZE];
    const char *after = text_duration(step->at_ms - first_ms, text);

    (void)buf_add_fmt(out, "  %s%*s  ", text_moment(step->at_ms, false, moment), AFTER_COLS, after);
    text_style(out, color, TEXT_BOLD);
    size_t cols = text_add(out, what_of(step), WHAT_COLS - 1);
    text_style(out, color, TEXT_PLAIN);
    text_pad(out, WHAT_COLS - cols);
    add_words(step, width, out);
    (void)buf_add_str(out, "\n");
}

/* --- the head --------------------------------------------------------------------------------- */

static struct span model_of(const struct life *life)
{
    for (size_t i = 0; i < life->n; i++) {
        struct span model = view_field(life->steps[i].fields, "model");
        if (model.len == 0)
            model = view_field(life->steps[i].fields, "request.model");
        if (model.len > 0)
            return model;
    }
    for (size_t i = 3; i + 1 < reply_count(life->queued); i += 2) {
        if (span_is(reply_span(reply_at(life->queued, i)), FIELD_MODEL))
            return reply_span(reply_at(life->queued, i + 1));
    }
    return (struct span){NULL, 0};
}

static struct span state_of(const struct life *life)
{
    struct span state = view_field(life->job, "state"), code = view_field(life->job, "code");

    if (span_is(state, "done") && code.len > 0)
        return code;
    if (state.len > 0)
        return state;
    return reply_count(life->queued) > 0 ? span_str("queued") : span_str("no longer known");
}

static void add_head(const struct life *life, bool color, struct buf *out)
{
    struct span node = view_field(life->job, "node"), attempt = view_field(life->job, "attempt");

    text_style(out, color, TEXT_BOLD);
    (void)text_add(out, span_str(life->request_id), TEXT_NO_LIMIT);
    text_style(out, color, TEXT_PLAIN);
    (void)buf_add_str(out, ": ");
    (void)text_add(out, state_of(life), 64);
    if (node.len > 0) {
        (void)buf_add_str(out, ", ");
        (void)text_add(out, node, NODE_ID_MAX);
    }
    if (attempt.len > 0) {
        (void)buf_add_str(out, ", attempt ");
        (void)text_add(out, attempt, 8);
    }
    if (model_of(life).len > 0) {
        (void)buf_add_str(out, ", ");
        (void)text_add(out, model_of(life), MODEL_NAME_MAX);
    }
    (void)buf_add_str(out, "\n\n");
}

/* --- what it waits for ------------------------------------------------------------------------ */

static void add_node(const struct seen_node *node, bool has_it, struct buf *out)
{
    (void)buf_add_str(out, "  ");
    (void)text_add(out, node->id, NODE_ID_MAX);
    (void)buf_add_str(out, ": ");
    (void)text_add(out, span_str(seen_state_text(node)), 64);
    if (!has_it)
        (void)buf_add_str(out, ", without the model");
    if (node->slots >= 0 && node->length >= 0) {
        (void)buf_add_fmt(out, ", %" PRId64 " of %" PRId64 " slots busy", node->length,
                          node->slots);
    }
    (void)buf_add_str(out, "\n");
}

static void add_waiting(const struct life *life, const struct fleet_seen *fleet, struct buf *out)
{
    char model[MODEL_NAME_MAX + 1];
    int64_t before = 0;
    bool known = model_name_canonical(model_of(life), model);

    (void)reply_i64(reply_at(life->queued, 1), &before);
    (void)buf_add_fmt(out, "\nIt waits; %" PRId64 " on the queue before it", before);
    struct span router = reply_span(reply_at(life->queued, 2));
    if (router.len > 0) {
        (void)buf_add_str(out, "; read by ");
        (void)text_add(out, router, NODE_ID_MAX);
    } else {
        (void)buf_add_str(out, "; no router has read it");
    }
    (void)buf_add_str(out, ". The nodes now:\n");
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        add_node(&fleet->nodes[i], known && seen_has_model(&fleet->nodes[i], "installed", model),
                 out);
    }
    if (seen_routers_alive(fleet) == 0)
        (void)buf_add_str(out, "  No router is alive: start orion-router.\n");
}

void life_text(const struct life *life, const struct fleet_seen *fleet, size_t width, bool color,
               struct buf *out)
{
    size_t columns = width == TEXT_NO_LIMIT ? 120 : width > WORDS_COL + 24 ? width : WORDS_COL + 24;

    add_head(life, color, out);
    for (size_t i = 0; i < life->n; i++)
        add_step(&life->steps[i], life->steps[0].at_ms, columns, color, out);
    if (life->n == 0)
        (void)buf_add_str(out, "  (its events are no longer kept)\n");
    if (life->left_out > 0)
        (void)buf_add_fmt(out, "  (and %zu more)\n", life->left_out);
    if (fleet && reply_count(life->queued) > 0)
        add_waiting(life, fleet, out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

void life_json(const struct life *life, struct buf *out)
{
    json_out_open(out, NULL, '{');
    json_out_str(out, "request_id", life->request_id);
    json_out_text(out, "state", state_of(life));
    json_out_bool(out, "open", life_is_open(life));
    json_out_text(out, "node", view_field(life->job, "node"));
    json_out_count(out, "attempt", view_number(life->job, "attempt", -1));
    json_out_text(out, "model", model_of(life));
    json_out_open(out, "steps", '[');
    for (size_t i = 0; i < life->n; i++) {
        const struct life_step *step = &life->steps[i];
        json_out_open(out, NULL, '{');
        json_out_str(out, "source", source_names[step->source]);
        json_out_text(out, "what", what_of(step));
        json_out_i64(out, "at_ms", step->at_ms);
        json_out_i64(out, "after_ms", step->at_ms - life->steps[0].at_ms);
        if (step->n_pieces > 0)
            json_out_i64(out, "pieces", (int64_t)step->n_pieces);
        (void)buf_add_str(out, ",\"entry\":");
        struct buf entry;
        buf_init(&entry, out->max_bytes);
        view_entry_json(step->id, step->fields, &entry);
        (void)buf_add_span(out, buf_span(&entry));
        out->failed = out->failed || entry.failed;
        buf_done(&entry);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_i64(out, "left_out", (int64_t)life->left_out);
    json_out_close(out, '}');
    (void)buf_add_str(out, "\n");
}
