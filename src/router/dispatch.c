#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "base.h"
#include "counting.h"
#include "ending.h"
#include "policy_words.h"
#include "router_state.h"
#include "watch.h"

#define MOVES_MAX 256  /* move.lua calls on the way at a time */
#define HOLD_MS   1000 /* after a move that Redis refused */

struct move {
    struct router *router;
    struct stream_id id;
    char node[NODE_ID_MAX + 1];
};

/* --- what became of a move -------------------------------------------------------------------- */

static void end_moving(struct router *router, uint32_t index, const char *code, const char *error)
{
    window_put_back(&router->window, index);
    ending_write_window(router, index, code, error);
}

/* Where a `moved` request goes is known from the event too; the log has it once, here. */
static void leave_window(struct router *router, uint32_t index, const struct move *move,
                         struct span result)
{
    const struct window_request *request = window_at(&router->window, index);

    if (span_is(result, "moved")) {
        int64_t queued_ms = router_redis_ms(router) - request->submitted_ms;

        log_info("event=moved request_id=%s node=%s model=%s attempt=%d queued_ms=%lld",
                 request->request_id, move->node, names_text(&router->names, request->model).ptr,
                 (int)request->attempt,
                 (long long)(queued_ms > 0 ? queued_ms : 0)); /* Redis' time is an estimate */
    } else {
        log_info("event=not_moved request_id=%s node=%s why=%.*s", request->request_id, move->node,
                 SPAN_ARG(result));
    }
    window_remove(&router->window, index);
}

/* What the router believed of the node is out of date. Until it knows better the node counts as
 * full, or it would be picked again at once, and refuse again. */
static void node_refuses(struct router *router, const struct move *move, struct span result)
{
    uint32_t node = fleet_find(&router->fleet, span_str(move->node));

    if (node == FLEET_NONE)
        return;
    if (span_is(result, "drained")) {
        (void)fleet_drained(&router->fleet, span_str(move->node), true);
        policy_feed_node(router->policy, &router->fleet, node, clock_now_ms());
        return;
    }
    fleet_full(&router->fleet, node);
    policy_feed_node(router->policy, &router->fleet, node, clock_now_ms());
    if (!span_is(result, "full"))
        watch_soon(router);
}

/* The request did not go there. `index` is WINDOW_NONE if it does not wait again either. */
static void undo(struct router *router, uint32_t index, const struct move *move)
{
    uint32_t node = fleet_find(&router->fleet, span_str(move->node));

    if (node == FLEET_NONE)
        return;
    fleet_left(&router->fleet, node);
    policy_refused(router->policy, index, node, clock_now_ms());
}

static void handle_result(struct router *router, uint32_t index, const struct move *move,
                          struct span result)
{
    bool waits = !span_is(result, "moved") && !span_is(result, "lost") &&
                 !span_is(result, "duplicate") && !span_is(result, "cancelled") &&
                 !span_is(result, "expired") && !span_is(result, "forged");

    counting_moved(router, window_at(&router->window, index), result);
    if (waits)
        window_put_back(&router->window, index);
    if (!span_is(result, "moved"))
        undo(router, waits ? index : WINDOW_NONE, move);
    if (span_is(result, "moved") || span_is(result, "lost") || span_is(result, "duplicate")) {
        leave_window(router, index, move, result);
    } else if (span_is(result, "cancelled")) {
        end_moving(router, index, CODE_CANCELLED, "cancelled while it waited for a node");
    } else if (span_is(result, "expired")) {
        end_moving(router, index, CODE_DEADLINE_EXCEEDED, ENDING_DEADLINE_TEXT);
    } else if (span_is(result, "forged")) {
        end_moving(router, index, CODE_INVALID_REQUEST, "forged");
    } else {
        node_refuses(router, move, result);
    }
}

/* Is it this node's stream that cannot be written (another type, no ids left), and not Redis? */
static bool is_nodes_fault(const struct redisReply *reply)
{
    return reply_is_error(reply, "WRONGTYPE") || reply_is_error(reply, "ERR");
}

/* Nothing has happened, or nobody knows. */
static void handle_refusal(struct router *router, uint32_t index, const struct move *move,
                           const struct redisReply *reply)
{
    uint32_t node = fleet_find(&router->fleet, span_str(move->node));

    window_put_back(&router->window, index);
    undo(router, index, move);
    if (node != FLEET_NONE && is_nodes_fault(reply)) {
        fleet_failed(&router->fleet, node, clock_now_ms());
        policy_feed_node(router->policy, &router->fleet, node, clock_now_ms());
    }
    if (!reply)
        return;
    (void)router_refused(router, reply, "move");
    if (!is_nodes_fault(reply))
        router->hold_until_ms = clock_now_ms() + HOLD_MS;
    if (reply_is_error(reply, "NOGROUP"))
        router->reconcile_wanted = true;
}

static void on_move(const struct redisReply *reply, void *arg)
{
    struct move *move = arg;
    struct router *router = move->router;
    uint32_t index = window_find(&router->window, move->id);

    router->moving--;
    if (index != WINDOW_NONE && (!reply || reply_error(reply))) {
        handle_refusal(router, index, move, reply);
    } else if (index != WINDOW_NONE) {
        (void)router_refused(router, reply, "move");
        if (reply_count(reply) > 2)
            router_trouble(router, "foreign_job", window_at(&router->window, index)->request_id);
        handle_result(router, index, move, reply_span(reply_at(reply, 0)));
    }
    index = window_find(&router->window, move->id);
    if (index != WINDOW_NONE && reply)
        (void)ending_write_cancelled(router, index);
    free(move);
    router_wake(router);
}

/* --- sending one ------------------------------------------------------------------------------ */

/* The arguments of move.lua and what they borrow. */
struct move_args {
    struct script_args args;
    char node_requests[KEY_MAX], job[KEY_MAX], responses[KEY_MAX];
    char id[STREAM_ID_MAX + 1];
};

static void fill_args(struct router *router, uint32_t index, uint32_t node, const char *why,
                      struct move_args *ret)
{
    struct script_args *args = &ret->args;
    const struct window_request *request = window_at(&router->window, index);
    struct span node_id = span_str(fleet_at(&router->fleet, node)->id);
    struct span request_id = span_str(request->request_id);
    const char *callback = window_callback(&router->window, index);

    script_args_init(args);
    script_key(args, router->keys.requests);
    script_key(args, key_node_requests(&router->keys, node_id, ret->node_requests));
    script_key(args, key_job(&router->keys, request_id, ret->job));
    script_key(args,
               callback[0] ? callback : key_responses(&router->keys, request_id, ret->responses));
    script_key(args, router->keys.events);
    script_key(args, router->keys.drained);
    script_key(args, router->keys.health);
    script_arg(args, GROUP_ROUTERS);
    script_arg(args, router->id);
    script_arg(args, stream_id_text(request->id, ret->id));
    script_arg_span(args, node_id);
    script_arg_i64(args, fleet_credit(&router->fleet, node));
    script_arg_span(args, request_id);
    script_arg_i64(args, request->attempt);
    script_arg_i64(args, request->submitted_ms);
    script_arg_i64(args, request->deadline_ms);
    script_arg(args, window_tried(&router->window, index));
    script_arg(args, request->came_back ? "1" : "0");
    script_arg_i64(args, router->config.response_ttl_ms);
    script_arg(args, why);
    script_arg(args, request->progress ? "1" : "0");
    script_arg_span(args, names_text(&router->names, request->model));
    script_arg(args, window_last_error(&router->window, index));
}

static void send_move(struct router *router, uint32_t index, uint32_t node, const char *why)
{
    struct move *move = xcalloc(1, sizeof *move);
    struct move_args args;

    move->router = router;
    move->id = window_at(&router->window, index)->id;
    (void)span_copy(span_str(fleet_at(&router->fleet, node)->id), move->node, sizeof move->node);
    fill_args(router, index, node, why, &args);
    window_take(&router->window, index);
    fleet_routed(&router->fleet, node);
    router->moving++;
    if (!scripts_call(router->commands, SCRIPT_MOVE, &args.args, on_move, move))
        on_move(NULL, move);
}

/* --- preloads --------------------------------------------------------------------------------- */

/* The wish is read by the node and by the other routers; it is void a few seconds later, so that a
 * node that was away does not load what nobody wants any more. */
static void send_preload(struct router *router, const struct policy_decision *decision,
                         const char *why)
{
    const char *node = fleet_at(&router->fleet, decision->node)->id;
    const char *model = names_text(&router->names, decision->model).ptr;
    const char *unload =
        decision->evict == POLICY_NONE ? "" : names_text(&router->names, decision->evict).ptr;
    const char *argv[] = {"XADD",    router->keys.control,
                          "*",       "op",
                          "preload", "node",
                          node,      "model",
                          model,     "unload",
                          unload,    "router",
                          router->id};

    log_info("event=preload node=%s model=%s unload=%s why=\"%s\"", node, model, unload, why);
    if (!redis_command_send(router->commands, NULL, NULL, 13, argv))
        policy_preloaded(router->policy, decision->node, decision->model, false, clock_now_ms());
}

/* --- the pass --------------------------------------------------------------------------------- */

static void carry_out(struct router *router, const struct policy_decision *decision)
{
    char why[POLICY_WHY_MAX + 1] = "";

    if (decision->act != POLICY_KEEP || log_enabled(LOG_LEVEL_DEBUG))
        policy_words_say(router, decision, why, sizeof why);
    counting_decided(router, policy_reason_name(decision->reason));
    switch (decision->act) {
    case POLICY_MOVE:
        log_debug("event=decided request_id=%s node=%s why=\"%s\"",
                  window_at(&router->window, decision->request)->request_id,
                  fleet_at(&router->fleet, decision->node)->id, why);
        send_move(router, decision->request, decision->node, why);
        break;
    case POLICY_KEEP:
        log_debug("event=kept request_id=%s why=\"%s\"",
                  window_at(&router->window, decision->request)->request_id, why);
        break;
    case POLICY_PRELOAD:
        send_preload(router, decision, why);
        break;
    case POLICY_NOTHING:
        break;
    }
}

void dispatch_pass(struct router *router)
{
    struct policy_decision decision;
    int64_t now_ms = clock_now_ms();
    bool has_more = true;

    if (now_ms < router->hold_until_ms)
        return;
    policy_clock(router->policy, router_redis_ms(router) - now_ms);
    /* A connection that is lost in the middle takes nothing any more: what it refused waits again,
     * and would be decided again without end. */
    while (redis_conn_is_ready(router->commands) && router->moving < MOVES_MAX &&
           redis_conn_pending_bytes(router->commands) <= REDIS_CONN_HOLD_BYTES &&
           (has_more = policy_next(router->policy, now_ms, &decision)))
        carry_out(router, &decision);
    router->starved = !has_more && window_state_count(&router->window, WINDOW_WAITING) > 0;
}
