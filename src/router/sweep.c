#include "sweep.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/redis_command.h"

#include "accept.h"
#include "base.h"
#include "ending.h"
#include "policy_words.h"
#include "router_state.h"
#include "status.h"

#define EXPIRED_BATCH     64
#define UNPLACED_LOG_MS   10000 /* a request that waits this long is explained in the log */
#define EXPLAINED_BATCH   16    /* in one sweep: a long queue must not be one long stall */
#define SWEEP_INTERVAL_MS 500

static bool may_send_more(const struct router *router)
{
    return redis_conn_is_ready(router->commands) &&
           redis_conn_pending_bytes(router->commands) <= REDIS_CONN_HOLD_BYTES;
}

static void sweep_deadlines(struct router *router, int64_t redis_ms)
{
    uint32_t expired[EXPIRED_BATCH];
    size_t n = EXPIRED_BATCH;

    while (n == EXPIRED_BATCH && may_send_more(router)) {
        n = window_expired(&router->window, redis_ms, expired, EXPIRED_BATCH);
        for (size_t i = 0; i < n; i++)
            ending_write_window(router, expired[i], CODE_DEADLINE_EXCEEDED, ENDING_DEADLINE_TEXT);
    }
}

static void sweep_parked(struct router *router, int64_t redis_ms)
{
    struct stream_id parked[ACCEPT_FETCH_MAX];
    size_t n;

    if (window_parked_count(&router->window) == 0 || router->fetching >= router->fetch_max)
        return;
    n = window_parked_expired(&router->window, redis_ms, parked,
                              router->fetch_max - router->fetching);
    for (size_t i = 0; i < n; i++)
        accept_fetch(router, parked[i]); /* accept_entry() knows what is late */
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A booting fleet is no error: the model must have been missing for model_wait while the request
 * waited and while Redis was there to tell us. True if the request was ended. */
static bool end_unknown(struct router *router, uint32_t index, int64_t now_ms)
{
    const struct window_request *request = window_at(&router->window, index);
    int64_t waited_ms = now_ms - request->first_seen_ms;
    char error[MODEL_NAME_MAX + 96];

    waited_ms = smaller(waited_ms, now_ms - router->redis_ok_ms);
    waited_ms = smaller(waited_ms, fleet_model_absent_ms(&router->fleet, request->model, now_ms));
    if (waited_ms < router->config.model_wait_ms)
        return false;
    (void)snprintf(error, sizeof error, "no node of the fleet has the model '%s' installed",
                   names_text(&router->names, request->model).ptr);
    ending_write_window(router, index, CODE_UNKNOWN_MODEL, error);
    return true;
}

/* For `orionctl explain`: once for each request, as the line in the log. */
static void publish_wait(struct router *router, const struct window_request *request,
                         const char *why)
{
    const char *model = names_text(&router->names, request->model).ptr;
    const char *argv[] = {"event", "waits", "request_id", request->request_id,
                          "model", model,   "router",     router->id,
                          "why",   why};

    (void)redis_command_event(router->commands, &router->keys, 10, argv);
}

/* Why it waits, if it waits for a node and not for its turn. True if it was told now. */
static bool explain_wait(struct router *router, uint32_t index, int64_t now_ms)
{
    struct window_request *request = window_at(&router->window, index);
    struct policy_decision decision;
    char why[POLICY_WHY_MAX + 1];

    if (request->told_no_node || now_ms - request->first_seen_ms < UNPLACED_LOG_MS)
        return false;
    if (!policy_kept(router->policy, index, &decision))
        return false;
    request->told_no_node = true;
    policy_words_say(router, &decision, why, sizeof why);
    log_info("event=waits_for_node request_id=%s model=%s waited_ms=%lld why=\"%s\"",
             request->request_id, names_text(&router->names, request->model).ptr,
             (long long)(now_ms - request->first_seen_ms), why);
    publish_wait(router, request, why);
    return true;
}

static void sweep_requests(struct router *router, int64_t now_ms)
{
    uint32_t cursor = 0, index, explained = 0;

    while ((index = window_each(&router->window, &cursor)) != WINDOW_NONE) {
        const struct window_request *request = window_at(&router->window, index);

        if (request->state != WINDOW_WAITING || ending_write_cancelled(router, index) ||
            end_unknown(router, index, now_ms))
            continue;
        explained += explained < EXPLAINED_BATCH && explain_wait(router, index, now_ms);
        if (request->progress && now_ms >= request->status_due_ms)
            status_queued(router, index);
    }
}

void sweep_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    sweep_deadlines(router, router_redis_ms(router));
    sweep_parked(router, router_redis_ms(router));
    if (now_ms >= router->sweep_ms) {
        router->sweep_ms = now_ms + SWEEP_INTERVAL_MS;
        (void)window_age(&router->window, router_redis_ms(router), router->config.priority_age_ms);
        sweep_requests(router, now_ms);
    }
    router_wake(router);
}
