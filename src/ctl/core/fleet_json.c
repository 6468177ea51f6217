#include "fleet_view.h"
#include "json_out.h"

static void add_queue(const struct seen_queue *queue, struct buf *out)
{
    static const char *const priorities[REQUEST_PRIORITY_COUNT] = {
        [REQUEST_HIGH] = "high", [REQUEST_NORMAL] = "normal", [REQUEST_LOW] = "low"};

    json_out_open(out, "queue", '{');
    json_out_i64(out, "length", queue->length);
    json_out_count(out, "oldest_ms", queue->oldest_ms);
    json_out_i64(out, "looked_at", queue->looked_at);
    json_out_open(out, "groups", '[');
    for (size_t i = 0; i < queue->n_groups; i++) {
        json_out_open(out, NULL, '{');
        json_out_str(out, "priority", priorities[queue->groups[i].priority]);
        json_out_text(out, "model", queue->groups[i].model);
        json_out_i64(out, "count", queue->groups[i].count);
        json_out_i64(out, "oldest_ms", queue->groups[i].oldest_ms);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_i64(out, "others", queue->n_others);
    json_out_close(out, '}');
}

static void add_node(const struct seen_node *node, struct buf *out)
{
    json_out_open(out, NULL, '{');
    json_out_text(out, "node", node->id);
    json_out_str(out, "state", seen_state_name(node->state));
    json_out_str(out, "reason", node->reason);
    json_out_bool(out, "takes_work", seen_takes_work(node));
    json_out_bool(out, "drained", node->drained);
    json_out_count(out, "age_ms", node->age_ms);
    json_out_count(out, "on_stream", node->length);
    json_out_raw(out, "health", node->json);
    json_out_close(out, '}');
}

static void add_router(const struct seen_router *router, struct buf *out)
{
    json_out_open(out, NULL, '{');
    json_out_text(out, "router", router->id);
    json_out_bool(out, "alive", router->alive);
    json_out_count(out, "age_ms", router->age_ms);
    json_out_raw(out, "presence", router->json);
    json_out_close(out, '}');
}

void fleet_status_json(const struct fleet_seen *fleet, const char *where, const char *prefix,
                       struct buf *out)
{
    json_out_open(out, NULL, '{');
    json_out_str(out, "redis", where);
    json_out_str(out, "prefix", prefix);
    json_out_i64(out, "redis_ms", fleet->redis_ms);
    json_out_bool(out, "serves", fleet_serves(fleet));
    json_out_i64(out, "on_nodes", seen_running(fleet));
    add_queue(&fleet->queue, out);
    json_out_open(out, "nodes", '[');
    for (size_t i = 0; i < fleet->n_nodes; i++)
        add_node(&fleet->nodes[i], out);
    json_out_close(out, ']');
    json_out_i64(out, "nodes_left_out", (int64_t)fleet->nodes_left_out);
    json_out_open(out, "routers", '[');
    for (size_t i = 0; i < fleet->n_routers; i++)
        add_router(&fleet->routers[i], out);
    json_out_close(out, ']');
    json_out_close(out, '}');
    (void)buf_add_str(out, "\n");
}
