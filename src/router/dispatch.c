#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "base.h"
#include "ending.h"
#include "pick.h"
#include "router_state.h"
#include "watch.h"

#define MOVES_MAX 256  /* move.lua calls on the way at a time */
#define SCAN_MAX  1024 /* requests looked at in one pass */
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
        log_info("event=moved request_id=%s node=%s model=%s attempt=%d queued_ms=%lld",
                 request->request_id, move->node, names_text(&router->names, request->model).ptr,
                 (int)request->attempt,
                 (long long)(router_redis_ms(router) - request->submitted_ms));
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
        return;
    }
    fleet_full(&router->fleet, node);
    if (!span_is(result, "full"))
        watch_soon(router);
}

static void handle_result(struct router *router, uint32_t index, const struct move *move,
                          struct span result)
{
    uint32_t node = fleet_find(&router->fleet, span_str(move->node));

    if (!span_is(result, "moved") && node != FLEET_NONE)
        fleet_left(&router->fleet, node);
    if (span_is(result, "moved") || span_is(result, "lost") || span_is(result, "duplicate")) {
        leave_window(router, index, move, result);
    } else if (span_is(result, "cancelled")) {
        end_moving(router, index, CODE_CANCELLED, "cancelled while it waited for a node");
    } else if (span_is(result, "expired")) {
        end_moving(router, index, CODE_DEADLINE_EXCEEDED, ENDING_DEADLINE_TEXT);
    } else if (span_is(result, "forged")) {
        end_moving(router, index, CODE_INVALID_REQUEST, "forged");
    } else {
        window_put_back(&router->window, index);
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
    if (node != FLEET_NONE) {
        fleet_left(&router->fleet, node);
        if (is_nodes_fault(reply))
            fleet_failed(&router->fleet, node, clock_now_ms());
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

/* Picks a node for the request and sends the move. False if no node can take it now. */
static bool place(struct router *router, uint32_t index)
{
    const struct window_request *request = window_at(&router->window, index);
    const struct pick_request wish = {
        .model = request->model,
        .tried = span_str(window_tried(&router->window, index)),
        .session_hash = request->session_hash,
    };
    struct pick_result result = pick_node(&router->fleet, &wish, clock_now_ms(), router->verdicts);
    char why[PICK_WHY_MAX + 1];

    if (result.node == FLEET_NONE)
        return false;
    pick_why(&router->fleet, &wish, &result, router->verdicts, why, sizeof why);
    log_debug("event=decided request_id=%s node=%s why=\"%s\"", request->request_id,
              fleet_at(&router->fleet, result.node)->id, why);
    send_move(router, index, result.node, why);
    return true;
}

/* A model that no node can take more of is passed over for the rest of the pass; a request that
 * only its own past keeps from its nodes is passed over alone. */
static void pass(struct router *router)
{
    uint32_t index;

    pick_open_models(&router->fleet, clock_now_ms(), router->open);
    window_scan(&router->window);
    for (unsigned seen = 0; seen < SCAN_MAX && router->moving < MOVES_MAX; seen++) {
        if (redis_conn_pending_bytes(router->commands) > REDIS_CONN_HOLD_BYTES)
            return;
        index = window_next(&router->window, router->open);
        if (index == WINDOW_NONE)
            return;

        uint32_t model = window_at(&router->window, index)->model;

        if (!place(router, index) && window_tried(&router->window, index)[0] == '\0')
            names_set_remove(router->open, model);
    }
}

void dispatch_pass(struct router *router)
{
    if (clock_now_ms() >= router->hold_until_ms &&
        window_state_count(&router->window, WINDOW_WAITING) > 0)
        pass(router);
}
