#include "listen.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"
#include "common/scripts.h"

#include "accept.h"
#include "base.h"
#include "cancels.h"
#include "control_entry.h"
#include "counting.h"
#include "ending.h"
#include "router_state.h"
#include "watch.h"

#define LISTEN_COUNT      256
#define LISTEN_COUNT_TEXT "256" /* entries of each stream in one reply */
#define LISTEN_RETRY_MS   1000  /* after an error reply */
#define RUN_MEAN_SHARE    8     /* a new figure counts one eighth in the moving average */
#define EVENT_OLD_MS      10000 /* older ones are counted, but tell nothing of what is now */

/* Each request is four events, and Redis would answer after each. After some that were all there
 * were nobody is woken by further ones for so long, unless requests wait for a node. */
#define LISTEN_REST_MS 10

static uint32_t model_of(const struct router *router, struct span name)
{
    return name.len > 0 ? names_find(&router->names, name) : POLICY_NONE;
}

/* --- P:control -------------------------------------------------------------------------------- */

/* Without the group there is no mark of what has been applied: it is made again, and everything on
 * the stream is applied once more, which ends in the same state. */
static void remake_group(struct router *router, const struct redisReply *reply)
{
    if (!reply_is_error(reply, "NOGROUP") || !router->listening)
        return; /* or it is being made anew already */
    router_make_groups(router, NULL);
    redis_conn_stop(router->listen);
    router->listening = false;
    redis_conn_start(router->listen);
}

static void on_cancel(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply)
        return;
    if (router_refused(router, reply, "cancel")) {
        remake_group(router, reply);
        return;
    }
    log_debug("event=cancel_applied job=%.*s", SPAN_ARG(reply_span(reply_at(reply, 0))));
    router->lengths_ms = clock_now_ms(); /* it may lie unstarted on a node's stream */
}

static void send_cancel(struct router *router, const struct control_entry *entry)
{
    struct script_args args;
    char job[KEY_MAX];

    script_args_init(&args);
    script_key(&args, router->keys.control);
    script_key(&args, key_job(&router->keys, entry->request_id, job));
    script_key(&args, router->keys.requests);
    script_arg(&args, GROUP_ROUTERS);
    script_arg_span(&args, entry->id);
    script_arg_i64(&args, entry->id_ms);
    script_arg_i64(&args, router->config.response_ttl_ms);
    (void)scripts_call(router->commands, SCRIPT_CANCEL, &args, on_cancel, router);
}

/* If the request waits here it is answered at once; if it is parked it is fetched to be answered. A
 * request that is being moved at this moment is caught by its job, which cancel.lua marks; but if
 * the node does not take it, it waits again, and nobody would ask the job before the next move. */
static void cancel_here(struct router *router, const struct control_entry *entry)
{
    uint32_t index = WINDOW_NONE, next;
    struct stream_id parked;

    next = window_find_request(&router->window, entry->request_id, WINDOW_NONE);
    while ((index = next) != WINDOW_NONE) {
        struct window_request *request = window_at(&router->window, index);

        next = window_find_request(&router->window, entry->request_id, index);
        if (request->submitted_ms > entry->id_ms)
            continue;
        request->is_cancelled = true;
        (void)ending_write_cancelled(router, index);
    }
    while (window_unpark(&router->window, entry->request_id, &parked))
        accept_fetch(router, parked); /* accept_entry() knows what is cancelled */
}

static void on_drain(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply)
        return;
    if (router_refused(router, reply, "drain")) {
        remake_group(router, reply);
    } else {
        watch_soon(router);
    }
}

static void send_drain(struct router *router, const struct control_entry *entry)
{
    const char *op = entry->op == CONTROL_DRAIN     ? "drain"
                     : entry->op == CONTROL_UNDRAIN ? "undrain"
                                                    : "";
    struct script_args args;

    script_args_init(&args);
    script_key(&args, router->keys.control);
    script_key(&args, router->keys.drained);
    script_key(&args, router->keys.events);
    script_arg(&args, GROUP_ROUTERS);
    script_arg_span(&args, entry->id);
    script_arg(&args, op);
    script_arg_span(&args, *op ? entry->node : span_str(""));
    (void)scripts_call(router->commands, SCRIPT_DRAIN, &args, on_drain, router);
}

/* Another router, or somebody with orionctl, has asked a node to load a model. */
static void tell_preload(struct router *router, const struct control_entry *entry)
{
    uint32_t node = fleet_find(&router->fleet, entry->node);
    uint32_t model = model_of(router, entry->model);

    if (node == FLEET_NONE || model == POLICY_NONE || span_is(entry->router, router->id))
        return;
    policy_preload_elsewhere(router->policy, node, model, clock_now_ms());
}

static void apply_control(struct router *router, const struct redisReply *element)
{
    struct control_entry entry;

    control_decode(element, &entry);
    switch (entry.op) {
    case CONTROL_CANCEL:
        log_info("event=cancel request_id=%.*s", SPAN_ARG(entry.request_id));
        cancels_add(router, entry.request_id, entry.id_ms);
        cancel_here(router, &entry);
        send_cancel(router, &entry);
        break;
    case CONTROL_DRAIN:
    case CONTROL_UNDRAIN:
        log_info("event=%s node=%.*s", entry.op == CONTROL_DRAIN ? "drain" : "undrain",
                 SPAN_ARG(entry.node)); /* events: drain undrain */
        send_drain(router, &entry);
        break;
    case CONTROL_PRELOAD:
        tell_preload(router, &entry);
        send_drain(router, &entry);
        break;
    case CONTROL_OTHER:
        router_trouble(router, "bad_control",
                       "write op cancel request_id ID, or op drain or undrain node NODE");
        send_drain(router, &entry);
        break;
    }
    (void)span_copy(entry.id, router->control_id, sizeof router->control_id);
}

/* --- P:events --------------------------------------------------------------------------------- */

static void tell_left(struct router *router, uint32_t node, const struct event_entry *event)
{
    const struct policy_report report = {
        .model = model_of(router, event->model),
        .is_done = event->run_ms >= 0,
        .run_ms = event->run_ms,
        .was_cold = event->run.loaded,
        .prompt_tokens = event->run.prompt_tokens,
        .output_tokens = event->run.tokens,
    };

    policy_left(router->policy, node, &report, clock_now_ms());
}

static void tell_routed(struct router *router, uint32_t node, const struct event_entry *event)
{
    if (node == FLEET_NONE || span_is(event->router, router->id))
        return;
    fleet_routed(&router->fleet, node);
    policy_elsewhere(router->policy, node, model_of(router, event->model), 0, clock_now_ms());
    policy_feed_node(router->policy, &router->fleet, node, clock_now_ms());
}

static void tell_demand(struct router *router, const struct event_entry *event)
{
    uint32_t model;

    if (span_is(event->router, router->id))
        return;
    model = model_of(router, event->model);
    if (model != POLICY_NONE)
        policy_demand(router->policy, model, clock_now_ms());
}

/* A node has loaded a model ahead of need, or could not. Its heartbeat comes soon, too. */
static void tell_preloaded(struct router *router, uint32_t node, const struct event_entry *event)
{
    uint32_t model = model_of(router, event->model);

    if (node == FLEET_NONE || model == POLICY_NONE)
        return;
    policy_preloaded(router->policy, node, model, event->is_loaded, clock_now_ms());
    router_wake(router);
}

static void node_left(struct router *router, uint32_t node, const struct event_entry *event)
{
    if (node == FLEET_NONE)
        return;
    fleet_left(&router->fleet, node);
    tell_left(router, node, event);
    if (event->is_failure) {
        fleet_failed(&router->fleet, node, clock_now_ms());
    } else if (event->run_ms >= 0) {
        fleet_succeeded(&router->fleet, node);
    }
    policy_feed_node(router->policy, &router->fleet, node, clock_now_ms());
    router_wake(router);
}

static void learn_run_time(struct router *router, int64_t run_ms)
{
    if (run_ms >= 0 && run_ms <= REQUEST_TIMEOUT_MAX_MS)
        router->run_mean_ms += (run_ms - router->run_mean_ms) / RUN_MEAN_SHARE;
}

/* Two reads may have brought it: see listen_behind_intake(). */
static bool is_new(const struct router *router, struct span id_text)
{
    struct stream_id id, read_id;

    return stream_id_parse(id_text, &id) &&
           (!stream_id_parse(span_str(router->events_id), &read_id) ||
            stream_id_compare(id, read_id) > 0);
}

static void apply_event(struct router *router, const struct redisReply *element)
{
    struct span id = reply_span(reply_at(element, 0));
    struct event_entry event;
    uint32_t node;

    if (!is_new(router, id))
        return;
    event_decode(element, &event);
    counting_event(router, &event);
    (void)span_copy(id, router->events_id, sizeof router->events_id);
    if (router_redis_ms(router) - entry_id_ms(id) > EVENT_OLD_MS)
        return;
    node = fleet_find(&router->fleet, event.node);
    switch (event.kind) {
    case EVENT_ROUTED:
        tell_routed(router, node, &event);
        break;
    case EVENT_QUEUED:
        tell_demand(router, &event);
        break;
    case EVENT_PRELOADED:
        tell_preloaded(router, node, &event);
        break;
    case EVENT_ENDED:
        learn_run_time(router, event.run_ms);
        node_left(router, node, &event);
        break;
    case EVENT_REQUEUED:
        node_left(router, node, &event);
        break;
    case EVENT_NODE:
    case EVENT_DRAINED:
        watch_soon(router);
        break;
    case EVENT_OTHER:
        break;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static void on_read(const struct redisReply *reply, void *arg);

static void read_on(struct router *router)
{
    int64_t block_ms =
        router->events_rest
            ? LISTEN_REST_MS
            : redis_command_block_ms(router->presence_ms - clock_now_ms(), ROUTER_BLOCK_MS);
    char block[SPAN_NUMBER_MAX];
    const char *both[] = {"XREAD",
                          "COUNT",
                          LISTEN_COUNT_TEXT,
                          "BLOCK",
                          block,
                          "STREAMS",
                          router->keys.control,
                          router->keys.events,
                          router->control_id,
                          router->events_id};
    const char *control[] = {"XREAD", "COUNT",   LISTEN_COUNT_TEXT,    "BLOCK",
                             block,   "STREAMS", router->keys.control, router->control_id};

    (void)span_i64_text(block_ms, block);
    router->listening = router->events_ok && !router->events_rest
                            ? redis_command_send(router->listen, on_read, router, 10, both)
                            : redis_command_send(router->listen, on_read, router, 8, control);
}

static void apply_control_stream(struct router *router, const struct redisReply *stream)
{
    const struct redisReply *entries = reply_at(stream, 1);

    for (size_t i = 0; i < reply_count(entries); i++)
        apply_control(router, reply_at(entries, i));
}

static void apply_events_stream(struct router *router, const struct redisReply *stream)
{
    const struct redisReply *entries = reply_at(stream, 1);
    size_t n = reply_count(entries);

    for (size_t i = 0; i < n; i++)
        apply_event(router, reply_at(entries, i));
    if (n > 0)
        router->events_known_ms = n < LISTEN_COUNT ? clock_now_ms() : 0; /* there are more */
}

/* Behind such an id no entry comes as long as its stream lives; once somebody has deleted that, new
 * entries have ids of the clock, and one that waited on behind the old id would never see them. */
static bool is_behind_the_future(const struct router *router)
{
    int64_t redis_ms = router_redis_ms(router);

    return entry_id_is_future(span_str(router->control_id), redis_ms) ||
           entry_id_is_future(span_str(router->events_id), redis_ms);
}

/* An error is no reason to read again at once, and without events, or behind an id from the future,
 * there is something to look at again: listen_start() begins anew at a tick. */
static void on_read(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    router->listening = false;
    if (!reply || !router->redis_ok)
        return;
    if (router_refused(router, reply, "listen")) {
        router->listen_retry_ms = clock_now_ms() + LISTEN_RETRY_MS;
        return;
    }
    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct redisReply *stream = reply_at(reply, i);

        if (span_is(reply_span(reply_at(stream, 0)), router->keys.control)) {
            apply_control_stream(router, stream);
        } else {
            apply_events_stream(router, stream);
        }
    }
    router->events_rest =
        !router->starved && clock_now_ms() - router->events_known_ms < LISTEN_REST_MS;
    if (router->events_ok && (reply_count(reply) > 0 || !is_behind_the_future(router)))
        read_on(router);
}

/* --- reading between -------------------------------------------------------------------------- */

static void take_events(struct router *router, const struct redisReply *reply)
{
    if (reply && router->redis_ok && !router_refused(router, reply, "events"))
        apply_events_stream(router, reply_at(reply, 0));
}

static void on_events_behind(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    router->events_behind = false;
    take_events(router, reply);
}

static void on_events_asked(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    router->events_asked = false;
    take_events(router, reply);
}

/* What there is now. */
static bool ask_events(struct router *router, struct redis_conn *conn,
                       redis_conn_callback *callback)
{
    const char *argv[] = {
        "XREAD", "COUNT", LISTEN_COUNT_TEXT, "STREAMS", router->keys.events, router->events_id};

    return router->events_ok && router->redis_ok &&
           redis_command_send(conn, callback, router, 6, argv);
}

void listen_behind_intake(struct router *router)
{
    if (!router->events_behind && !router->starved)
        router->events_behind = ask_events(router, router->intake, on_events_behind);
}

void listen_hurry(struct router *router)
{
    if (router->starved && router->events_rest && router->listening && !router->events_asked)
        router->events_asked = ask_events(router, router->commands, on_events_asked);
}

/* --- begin ------------------------------------------------------------------------------------ */

/* Cancels that were applied while we were not listening concern our window all the same. */
static void on_old_control(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply)
        return;
    (void)router_refused(router, reply, "control");
    for (size_t i = reply_count(reply); i > 0; i--) {
        struct control_entry entry;

        control_decode(reply_at(reply, i - 1), &entry);
        if (entry.op != CONTROL_CANCEL || cancels_have(router, entry.request_id, entry.id_ms))
            continue;
        cancels_add(router, entry.request_id, entry.id_ms);
        cancel_here(router, &entry);
    }
    read_on(router);
}

/* A router that has just started begins at the end. After a reconnect it goes on where it was, or
 * ends that it was not told of would not be counted; unless the stream is another one by now. */
static void on_last_event(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    struct span last = reply_span(reply_at(reply_at(reply, 0), 0));
    struct stream_id last_id = {0}, read_id;

    if (!reply)
        return;
    router->events_ok = !router_refused(router, reply, "events");
    (void)stream_id_parse(last, &last_id);
    if (!stream_id_parse(span_str(router->events_id), &read_id) ||
        stream_id_compare(last_id, read_id) < 0) {
        (void)span_copy(last.len ? last : span_str("0-0"), router->events_id,
                        sizeof router->events_id);
    }
    router->events_rest = false;
}

static void on_control_group(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply)
        return;
    (void)span_copy(span_str("0-0"), router->control_id, sizeof router->control_id);
    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct redisReply *group = reply_at(reply, i);

        if (span_is(reply_span(reply_field(group, "name")), GROUP_ROUTERS)) {
            (void)span_copy(reply_span(reply_field(group, "last-delivered-id")), router->control_id,
                            sizeof router->control_id);
        }
    }
}

void listen_start(struct router *router)
{
    const char *last_event[] = {"XREVRANGE", router->keys.events, "+", "-", "COUNT", "1"};
    const char *groups[] = {"XINFO", "GROUPS", router->keys.control};
    const char *control[] = {"XREVRANGE", router->keys.control, "+", "-",
                             "COUNT",     CANCELS_KEPT_TEXT};

    if (router->listening || !router->redis_ok || !redis_conn_is_ready(router->listen) ||
        clock_now_ms() < router->listen_retry_ms)
        return;
    router->listening = redis_command_send(router->listen, on_last_event, router, 6, last_event) &&
                        redis_command_send(router->listen, on_control_group, router, 3, groups) &&
                        redis_command_send(router->listen, on_old_control, router, 6, control);
}
