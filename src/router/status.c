#include "status.h"

#include "common/clock.h"
#include "common/scripts.h"

#include "base.h"
#include "router_state.h"

/* At most this often per request, and only if it moved; with many that wait more rarely, so that
 * looking up their positions (O(waiting) each) does not become the router's main work. */
#define STATUS_INTERVAL_MS 2000
#define STATUS_EACH_MS     4 /* for each request of the window */

/* What is before it, spread over the slots that have its model; each as long as the mean answer. */
static int64_t estimate_ms(const struct router *router, uint32_t position, uint32_t model)
{
    int64_t slots = 0;
    uint32_t cursor = 0, node;

    while ((node = fleet_each(&router->fleet, &cursor)) != FLEET_NONE) {
        const struct node *at = fleet_at(&router->fleet, node);

        if (at->state == NODE_UP && node_has_model(at, model))
            slots += at->health.slots;
    }
    return router->run_mean_ms * ((int64_t)position + 1) / (slots > 0 ? slots : 1);
}

void status_queued(struct router *router, uint32_t index)
{
    struct window_request *request = window_at(&router->window, index);
    struct span request_id = span_str(request->request_id);
    const char *callback = window_callback(&router->window, index);
    uint32_t position;
    int64_t left_ms = request->deadline_ms - router_redis_ms(router);
    char keys[2][KEY_MAX], id[STREAM_ID_MAX + 1];
    struct script_args args;

    if (!request->progress || request->state != WINDOW_WAITING)
        return;
    position = window_position(&router->window, index);
    request->status_due_ms = clock_now_ms() + STATUS_INTERVAL_MS +
                             STATUS_EACH_MS * (int64_t)window_count(&router->window);
    if (request->told_position == position + 1)
        return;
    request->told_position = position + 1;

    script_args_init(&args);
    script_key(&args, router->keys.requests);
    script_key(&args, callback[0] ? callback : key_responses(&router->keys, request_id, keys[0]));
    script_key(&args, key_job(&router->keys, request_id, keys[1]));
    script_arg(&args, GROUP_ROUTERS);
    script_arg(&args, router->id);
    script_arg(&args, stream_id_text(request->id, id));
    script_arg_i64(&args, (left_ms > 0 ? left_ms : 0) + router->config.response_ttl_ms);
    script_arg(&args, "type");
    script_arg(&args, "status");
    script_arg(&args, FIELD_REQUEST_ID);
    script_arg_span(&args, request_id);
    script_arg(&args, FIELD_ATTEMPT);
    script_arg_i64(&args, request->attempt);
    script_arg(&args, "state");
    script_arg(&args, "queued");
    script_arg(&args, "position");
    script_arg_i64(&args, position);
    script_arg(&args, "eta_ms");
    script_arg_i64(&args, estimate_ms(router, position, request->model));
    (void)scripts_call(router->commands, SCRIPT_STATUS, &args, NULL, NULL);
}
