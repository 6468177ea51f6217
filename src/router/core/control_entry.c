#include "control_entry.h"

#include "common/keys.h"
#include "common/node_id.h"
#include "common/reply.h"
#include "common/request.h"

/* A year in ms; more than any token count. What is larger is nonsense: anybody may write events. */
#define EVENT_NUMBER_MAX INT64_C(31536000000)

static struct span field(const struct redisReply *entry, const char *name)
{
    return reply_span(reply_field(reply_at(entry, 1), name));
}

void control_decode(const struct redisReply *entry, struct control_entry *ret)
{
    struct span op = field(entry, "op");

    *ret = (struct control_entry){.id = reply_span(reply_at(entry, 0))};
    ret->id_ms = entry_id_ms(ret->id);
    ret->request_id = field(entry, FIELD_REQUEST_ID);
    ret->node = field(entry, "node");

    if (span_is(op, "cancel") && request_id_valid(ret->request_id)) {
        ret->op = CONTROL_CANCEL;
    } else if (span_is(op, "drain") && node_id_valid(ret->node)) {
        ret->op = CONTROL_DRAIN;
    } else if (span_is(op, "undrain") && node_id_valid(ret->node)) {
        ret->op = CONTROL_UNDRAIN;
    } else if (span_is(op, "preload") && node_id_valid(ret->node)) {
        ret->op = CONTROL_PRELOAD;
        ret->model = field(entry, "model");
        ret->router = field(entry, "router");
    }
}

static const struct {
    const char *name;
    enum event_kind kind;
} event_names[] = {
    {"routed", EVENT_ROUTED},       {"done", EVENT_ENDED},
    {"failed", EVENT_ENDED},        {"cancelled", EVENT_ENDED},
    {"requeued", EVENT_REQUEUED},   {"node_up", EVENT_NODE},
    {"node_down", EVENT_NODE},      {"node_hot", EVENT_NODE},
    {"node_available", EVENT_NODE}, {"node_unavailable", EVENT_NODE},
    {"drain", EVENT_DRAINED},       {"undrain", EVENT_DRAINED},
    {"queued", EVENT_QUEUED},       {"preloaded", EVENT_PRELOADED},
};

static int64_t number(const struct redisReply *entry, const char *name)
{
    int64_t n = -1;

    return span_to_i64(field(entry, name), &n) && n >= 0 && n <= EVENT_NUMBER_MAX ? n : -1;
}

static void run_decode(const struct redisReply *entry, struct metric_run *ret)
{
    *ret = (struct metric_run){
        .queued_ms = number(entry, "queued_ms"),
        .first_ms = number(entry, "first_ms"),
        .run_ms = number(entry, "run_ms"),
        .prompt_tokens = number(entry, "prompt_tokens"),
        .tokens = number(entry, "tokens"),
        .loaded = span_is(field(entry, "loaded"), "1"),
        .cached = span_is(field(entry, "cached"), "1"),
    };
}

void event_decode(const struct redisReply *entry, struct event_entry *ret)
{
    struct span name = field(entry, "event");

    *ret = (struct event_entry){
        .node = field(entry, "node"),
        .router = field(entry, "router"),
        .model = field(entry, "model"),
        .code = field(entry, "code"),
        .routed_by = field(entry, "routed_by"),
        .run_ms = -1,
    };
    for (size_t i = 0; i < sizeof event_names / sizeof event_names[0]; i++) {
        if (span_is(name, event_names[i].name))
            ret->kind = event_names[i].kind;
    }
    ret->is_failure = ret->kind == EVENT_REQUEUED && !ret->router.ptr;
    ret->is_loaded = ret->kind == EVENT_PRELOADED && !field(entry, "error").ptr;
    if (span_is(name, "done")) {
        run_decode(entry, &ret->run);
        ret->run_ms = ret->run.run_ms;
    }
}
