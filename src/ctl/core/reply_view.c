#include "reply_view.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/keys.h"
#include "common/node_id.h"
#include "common/reply.h"
#include "common/request.h"

#include "json_out.h"
#include "text.h"

struct span view_field(const struct redisReply *fields, const char *name)
{
    return reply_span(reply_field(fields, name));
}

int64_t view_number(const struct redisReply *fields, const char *name, int64_t otherwise)
{
    int64_t value;

    return span_to_i64(view_field(fields, name), &value) ? value : otherwise;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static bool is_one_of(struct span name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (span_is(name, names[i]))
            return true;
    }
    return false;
}

static void add_field(struct span name, struct span value, struct buf *out)
{
    static const char *const numbers[] = {"attempt",  "seq",    "position",     "eta_ms",
                                          "run_ms",   "epoch",  "load_ms",      "queued_ms",
                                          "first_ms", "tokens", "prompt_tokens"};
    char text[64];
    int64_t number;

    if (is_one_of(name, numbers, sizeof numbers / sizeof numbers[0]) &&
        span_copy(name, text, sizeof text) && span_to_i64(value, &number)) {
        json_out_i64(out, text, number);
    } else if (span_is(name, "response")) {
        json_out_json_or_text(out, "response", value);
    } else if (span_is(name, "retryable")) {
        json_out_bool(out, "retryable", span_is(value, "1"));
    } else {
        json_out_text_named(out, name, value);
    }
}

void view_entry_json(struct span id, const struct redisReply *fields, struct buf *out)
{
    size_t n = reply_count(fields);

    json_out_open(out, NULL, '{');
    json_out_text(out, "id", id);
    json_out_count(out, "at_ms", entry_id_ms(id));
    for (size_t i = 0; i + 1 < n && i < 2 * VIEW_FIELDS_MAX; i += 2)
        add_field(reply_span(reply_at(fields, i)), reply_span(reply_at(fields, i + 1)), out);
    json_out_close(out, '}');
}

/* --- progress --------------------------------------------------------------------------------- */

void view_progress(const struct redisReply *fields, struct buf *out)
{
    struct span state = view_field(fields, "state"), node = view_field(fields, "node");
    int64_t before = view_number(fields, "position", -1), eta = view_number(fields, "eta_ms", -1);
    char text[TEXT_NUMBER_SIZE];

    if (span_is(state, "queued")) {
        (void)buf_add_str(out, "queued");
        if (before >= 0)
            (void)buf_add_fmt(out, ", %" PRId64 " before it", before);
        if (eta > 0)
            (void)buf_add_fmt(out, ", about %s", text_duration(eta, text));
        return;
    }
    (void)text_add(out, node.len ? node : span_str("a node"), NODE_ID_MAX);
    if (span_is(state, "routed")) {
        (void)buf_add_str(out, " gets it");
    } else if (span_is(state, "loading")) {
        (void)buf_add_str(out, " loads the model");
    } else if (span_is(state, "running")) {
        (void)buf_add_str(out, " is at it");
    } else if (span_is(state, "retrying")) {
        (void)buf_add_str(out, " failed, it goes elsewhere");
    } else {
        (void)buf_add_str(out, ": ");
        (void)text_add(out, state, 40);
    }
}

/* --- the answer ------------------------------------------------------------------------------- */

/* Appends a raw JSON string decoded; nothing if it is none. */
static void add_string(struct span value, struct buf *out)
{
    size_t before = out->len;

    if (json_type(value) != JSON_STRING)
        return;
    /* Decoded it is never longer than it was; the copy makes the room. */
    if (!buf_add_span(out, value))
        return;
    out->len = before;
    if (json_string_decode(value, out->ptr + before, value.len)) {
        out->len = before + strlen(out->ptr + before);
    } else { /* \u0000 in it */
        (void)buf_add_span(out, json_string_raw(value));
    }
}

static void add_calls(struct span calls, struct buf *out)
{
    if (json_type(calls) != JSON_ARRAY || calls.len <= 2)
        return;
    if (out->len > 0 && out->ptr[out->len - 1] != '\n')
        (void)buf_add_str(out, "\n");
    (void)buf_add_span(out, calls);
}

void view_content(struct span response, struct buf *out)
{
    struct err err;

    if (json_type(response) != JSON_OBJECT || json_check(response, &err) < 0) {
        (void)buf_add_span(out, response);
        return;
    }
    struct span message = json_get(response, "message");
    struct span embeddings = json_get(response, "embeddings");
    if (embeddings.ptr) {
        (void)buf_add_span(out, embeddings);
    } else if (message.ptr) {
        add_string(json_get(message, "content"), out);
        add_calls(json_get(message, "tool_calls"), out);
    } else {
        add_string(json_get(response, "response"), out);
    }
}

int64_t view_tokens(struct span response)
{
    int64_t n;
    struct err err;

    if (json_check(response, &err) < 0 || !json_to_i64(json_get(response, "eval_count"), &n))
        return 0;
    return n > 0 ? n : 0;
}

static void add_speed(struct span response, struct buf *out)
{
    int64_t tokens = view_tokens(response), ns = 0;

    if (tokens == 0)
        return;
    (void)buf_add_fmt(out, ": %" PRId64 " token%s", tokens, tokens == 1 ? "" : "s");
    if (json_to_i64(json_get(response, "eval_duration"), &ns) && ns > 0)
        (void)buf_add_fmt(out, ", %.1f tok/s", (double)tokens * 1e9 / (double)ns);
}

void view_stats(const struct redisReply *fields, struct buf *out)
{
    int64_t attempt = view_number(fields, "attempt", 1);
    struct span dropped = view_field(fields, "dropped");
    char text[TEXT_NUMBER_SIZE];

    (void)text_add(out, view_field(fields, "node"), NODE_ID_MAX);
    add_speed(view_field(fields, "response"), out);
    (void)buf_add_fmt(out, "; waited %s",
                      text_duration(view_number(fields, "queued_ms", -1), text));
    (void)buf_add_fmt(out, ", ran %s", text_duration(view_number(fields, "run_ms", -1), text));
    if (attempt > 1)
        (void)buf_add_fmt(out, "; attempt %" PRId64, attempt);
    if (dropped.len > 0) {
        (void)buf_add_str(out, "; not passed on: ");
        (void)text_add(out, dropped, 100);
    }
}
