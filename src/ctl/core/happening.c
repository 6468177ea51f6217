#include "happening.h"

#include <inttypes.h>

#include "common/model_name.h"
#include "common/reply.h"
#include "common/request.h"

#include "reply_view.h"
#include "text.h"

#define KIND_COLS    16
#define VALUE_MAX    1024 /* bytes of one value that are shown */
#define UNKNOWN_SHOW 12   /* fields that we do not know */

static bool list_has(struct span list, struct span word)
{
    size_t from = 0;

    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.ptr[i] != ',')
            continue;
        if (span_eq(span_trim((struct span){list.ptr + from, i - from}), word))
            return true;
        from = i + 1;
    }
    return false;
}

static bool model_is(struct span model, struct span wanted)
{
    char a[MODEL_NAME_MAX + 1], b[MODEL_NAME_MAX + 1];

    if (span_eq(model, wanted))
        return true;
    return model_name_canonical(model, a) && model_name_canonical(wanted, b) &&
           span_is(span_str(a), b);
}

bool happening_wanted(const struct redisReply *fields, const struct happening_filter *filter)
{
    if (filter->kinds.ptr && !list_has(filter->kinds, view_field(fields, "event")))
        return false;
    if (filter->node.ptr && !span_eq(filter->node, view_field(fields, "node")))
        return false;
    if (filter->request_id.ptr && !span_eq(filter->request_id, view_field(fields, "request_id")))
        return false;
    return !filter->model.ptr || model_is(view_field(fields, "model"), filter->model);
}

static struct span shown(struct span value)
{
    if (value.len > VALUE_MAX)
        value.len = VALUE_MAX;
    return value;
}

/* `before` and the value, if it is there and not empty. */
static void add(struct buf *out, const char *before, struct span value)
{
    if (value.len == 0)
        return;
    (void)buf_add_str(out, before);
    (void)text_add(out, shown(value), TEXT_NO_LIMIT);
}

static void add_duration(struct buf *out, const char *before, const struct redisReply *fields,
                         const char *name)
{
    int64_t ms = view_number(fields, name, -1);
    char text[TEXT_NUMBER_SIZE];

    if (ms >= 0)
        (void)buf_add_fmt(out, "%s%s", before, text_duration(ms, text));
}

static bool is_known(struct span name)
{
    static const char *const known[] = {
        "event",  "request_id", "node",     "router",    "attempt",       "model",
        "code",   "error",      "why",      "run_ms",    "epoch",         "loaded",
        "cached", "tokens",     "first_ms", "queued_ms", "prompt_tokens", "routed_by"};

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (span_is(name, known[i]))
            return true;
    }
    return false;
}

static void add_unknown(const struct redisReply *fields, struct buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i + 1 < reply_count(fields) && n < UNKNOWN_SHOW; i += 2) {
        struct span name = reply_span(reply_at(fields, i));
        if (is_known(name))
            continue;
        (void)buf_add_str(out, out->len ? " " : "");
        (void)text_add(out, shown(name), 40);
        add(out, "=", reply_span(reply_at(fields, i + 1)));
        n++;
    }
}

/* What the last event of a request tells of its run. */
static void add_run(const struct redisReply *fields, struct buf *out)
{
    int64_t tokens = view_number(fields, "tokens", 0);

    add_duration(out, out->len ? ", ran " : "ran ", fields, "run_ms");
    add_duration(out, ", waited ", fields, "queued_ms");
    if (tokens > 0) {
        (void)buf_add_fmt(out, ", %" PRId64 " tokens", tokens);
        add_duration(out, ", the first after ", fields, "first_ms");
    }
    if (span_is(view_field(fields, "loaded"), "1"))
        (void)buf_add_str(out, ", model loaded");
    if (span_is(view_field(fields, "cached"), "1"))
        (void)buf_add_str(out, ", prompt cached");
}

void happening_words(const struct redisReply *fields, struct buf *out)
{
    struct span kind = view_field(fields, "event"), attempt = view_field(fields, "attempt");
    bool to_node = span_is(kind, "routed"), from_node = span_is(kind, "requeued");
    bool is_first = attempt.len == 0 || span_is(attempt, "1");

    add(out, to_node ? "to " : from_node ? "from " : "on ", view_field(fields, "node"));
    add(out, out->len ? ", attempt " : "attempt ", is_first ? (struct span){NULL, 0} : attempt);
    add_run(fields, out);
    add(out, out->len ? ", " : "", view_field(fields, "code"));
    add(out, out->len ? ": " : "", view_field(fields, "error"));
    add(out, out->len ? ": " : "", view_field(fields, "why"));
    add_unknown(fields, out);
}

static enum text_style style_of(struct span kind)
{
    static const struct {
        const char *kind;
        enum text_style style;
    } rows[] = {{"done", TEXT_GOOD},     {"node_up", TEXT_GOOD},   {"node_available", TEXT_GOOD},
                {"failed", TEXT_BAD},    {"dead", TEXT_BAD},       {"node_down", TEXT_BAD},
                {"rejected", TEXT_WARN}, {"requeued", TEXT_WARN},  {"cancelled", TEXT_WARN},
                {"node_hot", TEXT_WARN}, {"duplicate", TEXT_WARN}, {"node_unavailable", TEXT_WARN}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (span_is(kind, rows[i].kind))
            return rows[i].style;
    }
    return TEXT_PLAIN;
}

void happening_line(struct span id, const struct redisReply *fields, size_t width, bool color,
                    struct buf *out)
{
    struct span kind = view_field(fields, "event"), request = view_field(fields, "request_id");
    char bytes[4 * VALUE_MAX], moment[32];
    struct buf line;

    (void)buf_add_str(out, text_moment(entry_id_ms(id), false, moment));
    (void)buf_add_str(out, " ");
    text_style(out, color, style_of(kind));
    size_t cols = text_add(out, kind, KIND_COLS);
    text_style(out, color, TEXT_PLAIN);
    text_pad(out, KIND_COLS - cols);
    text_fixed(&line, bytes, sizeof bytes);
    add(&line, " ", request);
    add(&line, " ", view_field(fields, "model"));
    struct buf words;
    char more[3 * VALUE_MAX];
    text_fixed(&words, more, sizeof more);
    happening_words(fields, &words);
    (void)buf_add_str(&line, words.len > 0 ? " " : "");
    (void)buf_add_span(&line, buf_span(&words));
    size_t room = width == TEXT_NO_LIMIT ? TEXT_NO_LIMIT : width > 29 ? width - 29 : 1;
    (void)text_add(out, buf_span(&line), room);
    (void)buf_add_str(out, "\n");
}
