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

/* Lengths are compared first: most events are a router's own, and it reads them all. */
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct {
    struct span name;
    enum event_kind kind;
} event_names[] = {
    {NAME("queued"), EVENT_QUEUED},
    {NAME("routed"), EVENT_ROUTED},
    {NAME("done"), EVENT_ENDED},
    {NAME("failed"), EVENT_ENDED},
    {NAME("cancelled"), EVENT_ENDED},
    {NAME("requeued"), EVENT_REQUEUED},
    {NAME("node_up"), EVENT_NODE},
    {NAME("node_down"), EVENT_NODE},
    {NAME("node_hot"), EVENT_NODE},
    {NAME("node_available"), EVENT_NODE},
    {NAME("node_unavailable"), EVENT_NODE},
    {NAME("drain"), EVENT_DRAINED},
    {NAME("undrain"), EVENT_DRAINED},
    {NAME("preloaded"), EVENT_PRELOADED},
};

/* The fields of an event that a router looks at, found in one walk. */
enum { EVENT, NODE, ROUTER, MODEL, CODE, ROUTED_BY, ERROR, FIELDS };

static const struct span field_names[FIELDS] = {
    [EVENT] = NAME("event"), [NODE] = NAME("node"), [ROUTER] = NAME("router"),
    [MODEL] = NAME("model"), [CODE] = NAME("code"), [ROUTED_BY] = NAME("routed_by"),
    [ERROR] = NAME("error"),
};

static void fields_find(const struct redisReply *entry, struct span ret[FIELDS])
{
    const struct redisReply *pairs = reply_at(entry, 1);

    for (size_t at = 0; at + 1 < reply_count(pairs); at += 2) {
        struct span name = reply_span(reply_at(pairs, at));
        size_t i = 0;

        while (i < FIELDS && !span_eq(name, field_names[i]))
            i++;
        if (i < FIELDS && !ret[i].ptr) /* the first of a name counts */
            ret[i] = reply_span(reply_at(pairs, at + 1));
    }
}

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

static enum event_kind kind_of(struct span name)
{
    size_t i = 0, n = sizeof event_names / sizeof event_names[0];

    while (i < n && !span_eq(name, event_names[i].name))
        i++;
    return i < n ? event_names[i].kind : EVENT_OTHER;
}

void event_decode(const struct redisReply *entry, struct event_entry *ret)
{
    struct span found[FIELDS] = {{NULL, 0}};

    fields_find(entry, found);
    *ret = (struct event_entry){
        .kind = kind_of(found[EVENT]),
        .node = found[NODE],
        .router = found[ROUTER],
        .model = found[MODEL],
        .code = found[CODE],
        .routed_by = found[ROUTED_BY],
        .run_ms = -1,
    };
    ret->is_failure = ret->kind == EVENT_REQUEUED && !ret->router.ptr;
    ret->is_loaded = ret->kind == EVENT_PRELOADED && !found[ERROR].ptr;
    if (span_is(found[EVENT], "done")) {
        run_decode(entry, &ret->run);
        ret->run_ms = ret->run.run_ms;
    }
}
