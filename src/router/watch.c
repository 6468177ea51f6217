#include "watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "base.h"
#include "router_state.h"
#include "takeback.h"

#define HEALTH_INTERVAL_MIN_MS 100
#define HEALTH_INTERVAL_MAX_MS 2000
#define LENGTHS_INTERVAL_MS    1000 /* a lost event costs at most this */
#define CHANGES_MAX            64
#define HOUSEKEEPING_MS        60000

/* --- what a change means ---------------------------------------------------------------------- */

static void publish(struct router *router, const char *event, const struct node *node,
                    const char *why)
{
    const char *argv[] = {"event", event, "node", node->id, "why", why, "router", router->id};

    (void)redis_command_event(router->commands, &router->keys, 8, argv);
}

static void log_state(const struct fleet_change *change, const struct node *node)
{
    const char *to = node_state_name(change->to), *from = node_state_name(change->from);
    const char *reason = node->health.reason;

    if (change->to == NODE_LOST || change->to == NODE_LATE) {
        /* events: node_late node_lost */
        log_warn("event=node_%s node=%s from=%s reason=\"%s\"", to, node->id, from, reason);
    } else {
        /* events: node_up node_unavailable */
        log_info("event=node_%s node=%s from=%s reason=\"%s\"", to, node->id, from, reason);
    }
}

static void apply_change(struct router *router, const struct fleet_change *change)
{
    const struct node *node = fleet_at(&router->fleet, change->node);
    char why[64];

    if (!node)
        return;
    if (change->what & FLEET_STATE) {
        log_state(change, node);
        router->lengths_ms = clock_now_ms();
        (void)snprintf(why, sizeof why, "silent for more than %lld ms",
                       (long long)router->config.node_lost_ms);
        if (change->to == NODE_LOST)
            policy_lost(router->policy, change->node, clock_now_ms());
        if (change->to == NODE_LOST)
            publish(router, "node_down", node, why);
    }
    if (change->what & FLEET_HOT) {
        log_warn("event=node_hot node=%s temp_c=%.1f", node->id, node->health.temp_mc / 1000.0);
        (void)snprintf(why, sizeof why, "%.1f C", node->health.temp_mc / 1000.0);
        publish(router, "node_hot", node, why);
    }
    if (change->what & FLEET_COOL)
        log_info("event=node_cool node=%s temp_c=%.1f", node->id, node->health.temp_mc / 1000.0);
    if (change->what & FLEET_GONE) {
        log_info("event=node_left node=%s", node->id);
        router->lengths_ms = clock_now_ms();
    }
    router_wake(router);
}

static struct fleet_time both_clocks(const struct router *router)
{
    return (struct fleet_time){.now_ms = clock_now_ms(), .redis_ms = router_redis_ms(router)};
}

/* --- P:health and P:drained ------------------------------------------------------------------- */

/* What is refused of a node is news once; of fields that belong to no node there may be any number.
 */
static void tell_refused(struct router *router, const struct fleet_change *change,
                         const struct err *err)
{
    if (change->node == FLEET_NONE) {
        router_trouble(router, "health_refused", err->msg);
    } else {
        log_warn("event=health_refused why=\"%s\"", err->msg);
    }
}

static void feed_health(struct router *router, uint32_t node, struct span json)
{
    if (!policy_feed_health(router->feed, router->policy, &router->fleet, node, json,
                            both_clocks(router)))
        router_trouble(router, "too_many_models", "some models of some nodes are not used");
}

static void take_health(struct router *router, struct span id, struct span json)
{
    struct fleet_change change;
    struct err err;

    if (fleet_health(&router->fleet, id, json, both_clocks(router), &change, &err) == 0) {
        feed_health(router, change.node, json);
    } else if (change.what & FLEET_REFUSED) {
        tell_refused(router, &change, &err);
    }
    apply_change(router, &change);
}

static void apply_changes(struct router *router, const struct fleet_change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        apply_change(router, &changes[i]);
}

/* Who is late, who is lost. */
static void judge(struct router *router)
{
    struct fleet_change changes[CHANGES_MAX];
    size_t n;

    do {
        n = fleet_sweep(&router->fleet, both_clocks(router), changes, CHANGES_MAX);
        apply_changes(router, changes, n);
    } while (n == CHANGES_MAX);
    policy_feed_all(router->policy, &router->fleet, clock_now_ms());
}

static void on_health(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    struct fleet_change changes[CHANGES_MAX];
    size_t n;

    router->health_running = false;
    if (!reply || router_refused(router, reply, "health"))
        return;
    fleet_round_begin(&router->fleet);
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2)
        take_health(router, reply_span(reply_at(reply, i)), reply_span(reply_at(reply, i + 1)));
    do {
        n = fleet_round_end(&router->fleet, changes, CHANGES_MAX);
        apply_changes(router, changes, n);
    } while (n == CHANGES_MAX);
    judge(router);
    router_wake(router);
}

static void on_drained(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply || router_refused(router, reply, "drained"))
        return;
    fleet_drained_none(&router->fleet);
    for (size_t i = 0; i < reply_count(reply); i++)
        (void)fleet_drained(&router->fleet, reply_span(reply_at(reply, i)), true);
    policy_feed_all(router->policy, &router->fleet, clock_now_ms());
    router_wake(router);
}

static void read_health(struct router *router)
{
    const char *health[] = {"HGETALL", router->keys.health};
    const char *drained[] = {"SMEMBERS", router->keys.drained};

    router->health_running = redis_command_send(router->commands, on_health, router, 2, health);
    (void)redis_command_send(router->commands, on_drained, router, 2, drained);
}

void watch_soon(struct router *router)
{
    router->health_ms = clock_now_ms();
    if (!router->health_running && router->redis_ok)
        watch_tick(router);
}

static int64_t health_interval_ms(const struct router *router)
{
    int64_t fifth = router->config.node_late_ms / 5;

    if (fifth < HEALTH_INTERVAL_MIN_MS)
        return HEALTH_INTERVAL_MIN_MS;
    return fifth < HEALTH_INTERVAL_MAX_MS ? fifth : HEALTH_INTERVAL_MAX_MS;
}

/* --- lengths of the nodes' streams ------------------------------------------------------------ */

struct length {
    struct router *router;
    char node[NODE_ID_MAX + 1];
};

/* After a reconnect nobody is judged lost before a whole node_lost has passed: not even who was. */
static bool may_judge(const struct router *router)
{
    return clock_now_ms() >= router->redis_ok_ms + router->config.node_lost_ms;
}

static void on_length(const struct redisReply *reply, void *arg)
{
    struct length *length = arg;
    struct router *router = length->router;
    uint32_t index = fleet_find(&router->fleet, span_str(length->node));
    const struct node *node = index == FLEET_NONE ? NULL : fleet_at(&router->fleet, index);
    int64_t n;

    if (node && reply_i64(reply, &n) && n >= 0) {
        fleet_length(&router->fleet, index, (uint64_t)n);
        policy_feed_node(router->policy, &router->fleet, index, clock_now_ms());
        if (n > 0 && node->state == NODE_LOST && may_judge(router)) {
            takeback_node(router, span_str(length->node), TAKEBACK_LOST);
        } else if (n > 0 && (node->state == NODE_UNAVAILABLE || node->drained)) {
            takeback_node(router, span_str(length->node), TAKEBACK_UNSTARTED);
        } else if (n > node->health.slots) { /* prefetched: it may be too late for some */
            takeback_node(router, span_str(length->node), TAKEBACK_OVERDUE);
        } else if (n == 0 && node->is_gone) { /* it left in order, or was forgotten */
            policy_forget(router->policy, index, clock_now_ms());
            router->feed->fed_ms[index] = 0;
            fleet_remove(&router->fleet, index, clock_now_ms());
        }
        router_wake(router);
    }
    free(length);
}

static void ask_length(struct router *router, const struct node *node)
{
    struct length *length = xcalloc(1, sizeof *length);
    char key[KEY_MAX];
    const char *argv[] = {"XLEN", key};

    length->router = router;
    (void)span_copy(span_str(node->id), length->node, sizeof length->node);
    (void)key_node_requests(&router->keys, span_str(node->id), key);
    if (!redis_command_send(router->commands, on_length, length, 2, argv))
        free(length);
}

static bool wants_length(const struct node *node)
{
    return node->in_flight > 0 || node->is_full || node->state != NODE_UP || node->drained;
}

static void ask_lengths(struct router *router)
{
    uint32_t cursor = 0, index;

    router->lengths_wanted = false;
    while ((index = fleet_each(&router->fleet, &cursor)) != FLEET_NONE) {
        const struct node *node = fleet_at(&router->fleet, index);

        if (!wants_length(node))
            continue;
        ask_length(router, node);
        router->lengths_wanted = true;
    }
}

/* --- rarely ----------------------------------------------------------------------------------- */

static void on_forget(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (reply && !router_refused(router, reply, "forget") &&
        span_is(reply_span(reply_at(reply, 0)), "forgotten"))
        log_info("event=node_forgotten");
}

static void forget(struct router *router, const struct node *node)
{
    char epoch[KEY_MAX], stream[KEY_MAX];
    struct script_args args;

    script_args_init(&args);
    script_key(&args, router->keys.health);
    script_key(&args, key_epoch(&router->keys, span_str(node->id), epoch));
    script_key(&args, key_node_requests(&router->keys, span_str(node->id), stream));
    script_arg(&args, node->id);
    script_arg_i64(&args, router->config.node_forget_ms);
    (void)scripts_call(router->commands, SCRIPT_FORGET, &args, on_forget, router);
}

static void housekeeping(struct router *router)
{
    const char *trim[] = {"XTRIM", router->keys.control, "MAXLEN", "~", STREAM_KEEP_TEXT};
    uint32_t cursor = 0, index;

    (void)redis_command_send(router->commands, NULL, NULL, 5, trim);
    while ((index = fleet_each(&router->fleet, &cursor)) != FLEET_NONE) {
        const struct node *node = fleet_at(&router->fleet, index);

        if (node->state == NODE_LOST && !node->is_gone &&
            router_redis_ms(router) - node->health.last_seen_ms > router->config.node_forget_ms)
            forget(router, node);
    }
}

static int64_t housekeeping_interval_ms(const struct router *router)
{
    return router->config.node_forget_ms < HOUSEKEEPING_MS ? router->config.node_forget_ms
                                                           : HOUSEKEEPING_MS;
}

int64_t watch_due_ms(const struct router *router)
{
    if (!router->lengths_wanted)
        return INT64_MAX; /* nobody has anything that could be lost */
    return router->health_ms < router->lengths_ms ? router->health_ms : router->lengths_ms;
}

void watch_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms >= router->health_ms && !router->health_running) {
        router->health_ms = now_ms + health_interval_ms(router);
        read_health(router);
    } else if (!router->health_running) {
        judge(router); /* or by what is about to be read: after a sleep the old is no measure */
    }
    if (now_ms >= router->lengths_ms) {
        router->lengths_ms = now_ms + LENGTHS_INTERVAL_MS;
        ask_lengths(router);
    }
    if (now_ms >= router->housekeeping_ms) {
        router->housekeeping_ms = now_ms + housekeeping_interval_ms(router);
        housekeeping(router);
    }
}
