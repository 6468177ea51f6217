/* What the caller tells: heartbeats, verdicts, requests that come, go and end. */
#include <assert.h>

#include "policy_private.h"

#define HEARD_MARGIN_MS 1000 /* a heartbeat this soon after a change of ours may be older */

/* --- heartbeats
 * ----------------------------------------------------------------------------------- */

static void node_init(struct policy *policy, uint32_t node, const struct policy_heard *heard)
{
    struct policy_node *n = &policy->nodes[node];
    enum policy_verdict verdict = n->verdict;

    assert(!n->is_known);
    *n = (struct policy_node){
        .is_known = true,
        .verdict = verdict,
        .is_fresh = n->is_fresh,
        .fresh_link = n->fresh_link,
        .id_hash = heard->id_hash,
        .in_flight = n->in_flight,
        .pairs = POLICY_NONE,
        .resident_max = 1,
        .loading = POLICY_NONE,
        .changed_ms = INT64_MIN,
        .busy_since_ms = INT64_MIN,
        .ram_permille = HEALTH_UNKNOWN,
    };
    policy_heat_init(&n->heat);
    policy->verdicts[verdict]++;
    policy->nodes_n++;
    if (node >= policy->nodes_high)
        policy->nodes_high = node + 1;
}

/* The pairs of a heartbeat; their residency is looked at afterwards. */
static bool take_installed(struct policy *policy, uint32_t node, const struct policy_heard *heard)
{
    bool all = true;

    for (uint32_t i = policy->nodes[node].pairs; i != POLICY_NONE; i = policy->pairs[i].next)
        policy->pairs[i].is_listed = false;
    for (uint32_t k = 0; k < heard->installed_n; k++) {
        const struct policy_installed *installed = &heard->installed[k];
        uint32_t pair = policy_pair_find(policy, node, installed->model);
        if (pair == POLICY_NONE)
            pair = policy_pair_make(policy, node, installed->model);
        if (pair == POLICY_NONE) {
            all = false;
            continue;
        }
        struct policy_pair *p = &policy->pairs[pair];
        p->is_listed = true;
        p->is_suspect = installed->is_suspect;
        p->place = installed->place;
        policy_learn_pair(policy, pair, installed);
        if (policy->models[p->model].load_s <= 0.0)
            policy_learn_load(policy, p->model);
        if (installed->tokens_out_milli > 0 && policy->models[p->model].output_tokens <= 0.0)
            policy->models[p->model].output_tokens = (double)installed->tokens_out_milli / 1000.0;
    }
    policy_pairs_sweep(policy, node, false);
    return all;
}

/* How many models the node has ever had in memory at once. */
static void learn_resident_max(struct policy_node *n, const struct policy_heard *heard)
{
    uint32_t found = 0;

    for (uint32_t k = 0; k < heard->installed_n; k++)
        found += heard->installed[k].is_resident;
    if (found > n->resident_max)
        n->resident_max = found < POLICY_RESIDENT_MAX ? found : POLICY_RESIDENT_MAX;
}

/* Is the heartbeat older than what we have done since? */
static bool is_outdated(const struct policy_node *n, const struct policy_heard *heard)
{
    return n->in_flight > 0 || n->loading != POLICY_NONE ||
           (n->changed_ms != INT64_MIN && heard->measured_ms <= n->changed_ms + HEARD_MARGIN_MS);
}

static bool says_resident(const struct policy_heard *heard, uint32_t model)
{
    for (uint32_t k = 0; k < heard->installed_n; k++) {
        if (heard->installed[k].model == model)
            return heard->installed[k].is_resident;
    }
    return false;
}

/* The heartbeat tells what is in memory. Few of the models are: only those are looked up. */
static void take_resident(struct policy *policy, uint32_t node, const struct policy_heard *heard)
{
    struct policy_node *n = &policy->nodes[node];

    learn_resident_max(n, heard);
    if (policy->settings.kind != POLICY_FIRST_RESIDENT && is_outdated(n, heard))
        return;
    for (uint32_t i = n->resident_n; i-- > 0;) {
        if (!says_resident(heard, policy->pairs[n->resident[i]].model))
            policy_drop_resident(policy, node, n->resident[i]);
    }
    for (uint32_t k = 0; k < heard->installed_n; k++) {
        if (!heard->installed[k].is_resident)
            continue;
        uint32_t pair = policy_pair_find(policy, node, heard->installed[k].model);
        if (pair != POLICY_NONE)
            policy_make_resident(policy, node, pair);
    }
}

static void load_elsewhere(struct policy *policy, uint32_t node, uint32_t model, int64_t now_ms);
static void load_ended(struct policy *policy, uint32_t node, uint32_t model, bool ok,
                       int64_t now_ms);

/* A load that the node reports, or that it no longer reports although it had the time to. */
static void take_loading(struct policy *policy, uint32_t node, const struct policy_heard *heard,
                         int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];

    if (heard->loading != POLICY_NONE && n->loading == POLICY_NONE) {
        load_elsewhere(policy, node, heard->loading, now_ms);
    } else if (n->loading != POLICY_NONE &&
               (now_ms >= n->loading_until_ms ||
                (heard->tells_loading && heard->loading == POLICY_NONE &&
                 heard->measured_ms > n->loading_since_ms + PRELOAD_BEGIN_MS))) {
        uint32_t model = policy->pairs[n->loading].model;
        load_ended(policy, node, model, says_resident(heard, model), now_ms);
    }
}

bool policy_heard(struct policy *policy, uint32_t node, const struct policy_heard *heard,
                  int64_t now_ms)
{
    policy_tap_heard(policy, node, heard, now_ms);
    struct policy_node *n = &policy->nodes[node];
    bool all;

    assert(node < policy->sizes.nodes);
    if (!n->is_known)
        node_init(policy, node, heard);
    n->slots = heard->slots;
    n->credit = heard->credit;
    n->board = heard->board;
    n->speed = policy_board_speed(heard->board);
    n->ram_bytes = (double)heard->ram_bytes;
    n->ram_permille = heard->ram_permille;
    policy_warm_max_set(n, heard->sessions_max);
    all = take_installed(policy, node, heard);
    if (heard->measured_ms != n->heat.now_ms)
        policy_duty_set(policy, node, policy_heat_read(&n->heat, heard, n->busy_since_ms));
    take_resident(policy, node, heard);
    take_loading(policy, node, heard, now_ms);
    policy_warm_heard(policy, node, heard, now_ms);
    policy_node_refresh(policy, node, now_ms);
    return all;
}

void policy_verdict(struct policy *policy, uint32_t node, enum policy_verdict verdict,
                    bool is_failing, int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];

    assert(node < policy->sizes.nodes);
    if (n->is_failing != is_failing)
        policy_tap_call(policy, is_failing ? "failing" : "not_failing", node, 0, now_ms);
    n->is_failing = is_failing;
    if (n->verdict == verdict)
        return;
    policy_tap_call(policy, "verdict", node, (int64_t)verdict, now_ms);
    if (n->is_known) {
        policy->verdicts[n->verdict]--;
        policy->verdicts[verdict]++;
    }
    n->verdict = verdict;
    if (n->is_known)
        policy_node_refresh(policy, node, now_ms);
}

static void in_flight_set(struct policy *policy, uint32_t node, uint32_t n)
{
    policy->in_flight += n;
    policy->in_flight -= policy->nodes[node].in_flight;
    policy->nodes[node].in_flight = n;
}

/* Nothing of what was there is there any more. */
static void node_clear(struct policy *policy, uint32_t node)
{
    struct policy_node *n = &policy->nodes[node];

    policy_warm_forget(policy, node, POLICY_NONE);
    while (n->resident_n > 0)
        policy_drop_resident(policy, node, n->resident[0]);
    for (uint32_t i = n->pairs; i != POLICY_NONE; i = policy->pairs[i].next)
        policy->pairs[i].is_cached = false;
    n->loading = POLICY_NONE;
    in_flight_set(policy, node, 0);
    n->promises_n = 0;
    n->is_full = false;
}

void policy_lost(struct policy *policy, uint32_t node, int64_t now_ms)
{
    policy_tap_call(policy, "lost", node, 0, now_ms);
    if (!policy->nodes[node].is_known)
        return;
    node_clear(policy, node);
    policy->nodes[node].changed_ms = now_ms;
    policy_node_refresh(policy, node, now_ms);
}

void policy_forget(struct policy *policy, uint32_t node, int64_t now_ms)
{
    policy_tap_call(policy, "forget", node, 0, now_ms);
    struct policy_node *n = &policy->nodes[node];

    if (!n->is_known)
        return;
    node_clear(policy, node);
    policy_pairs_sweep(policy, node, true);
    n->is_known = false;
    policy_node_refresh(policy, node, now_ms);
    policy->verdicts[n->verdict]--;
    policy->nodes_n--;
    n->verdict = POLICY_UNKNOWN;
}

void policy_load(struct policy *policy, uint32_t node, uint32_t in_flight, bool is_full,
                 int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];

    if (n->in_flight == in_flight && n->is_full == is_full)
        return;
    policy_tap_call(policy, is_full ? "full" : "load", node, in_flight, now_ms);
    in_flight_set(policy, node, in_flight);
    n->is_full = is_full;
    if (n->promises_n > in_flight)
        n->promises_n = in_flight;
    if (n->is_known)
        policy_node_refresh(policy, node, now_ms);
}

/* --- requests
 * -------------------------------------------------------------------------------------- */

static void waits(struct policy *policy, uint32_t model)
{
    if (policy->models[model].is_waiting)
        return;
    policy->models[model].is_waiting = true;
    policy_list_push(policy_waiting_links(policy), &policy->waiting, model);
}

void policy_request_fresh(struct policy *policy, uint32_t request)
{
    struct policy_request *r = &policy->requests[request];

    if (r->is_fresh)
        return;
    r->is_fresh = true;
    policy_list_push(policy_fresh_request_links(policy), &policy->fresh_requests, request);
}

void policy_arrived(struct policy *policy, uint32_t request, int64_t now_ms)
{
    policy_tap_call(policy, "arrived", request, 0, now_ms);
    const struct window_request *w = window_at(policy->window, request);
    struct policy_request *r = &policy->requests[request];
    struct policy_model *m;

    assert(w);
    policy_homebound_drop(policy, request);
    bool is_new = stream_id_compare(r->id, w->id) != 0;
    r->id = w->id;
    r->is_kept = false;
    m = &policy->models[w->model];
    if (m->list[PAIRS_HOLDING].n == 0)
        policy_model_check(policy, w->model);
    if (is_new && w->attempt <= 1)
        policy_demand_add(m, now_ms);
    waits(policy, w->model);
    policy_request_fresh(policy, request);
    policy->is_dirty = true;
}

void policy_demand(struct policy *policy, uint32_t model, int64_t now_ms)
{
    policy_tap_model(policy, "demand", 0, model, 0, now_ms);
    policy_demand_add(&policy->models[model], now_ms);
}

static void learn_home(struct policy *policy, const struct policy_want *want)
{
    double *share = &policy->models[want->model].home_share;

    *share += HOME_SHARE * ((want->home != POLICY_NONE ? 1.0 : 0.0) - *share);
}

uint32_t policy_go(struct policy *policy, const struct policy_want *want, uint32_t pair,
                   const struct policy_cost *cost, int64_t now_ms)
{
    const struct policy_pair *p = &policy->pairs[pair];
    struct policy_node *n = &policy->nodes[p->node];
    double seconds = policy_load_time(policy, p) + policy_work_time(policy, p->node, cost);
    double output_s = policy_min(seconds, want->output_tokens / p->gen_tps);
    uint32_t evicted[POLICY_RESIDENT_MAX] = {POLICY_NONE};
    bool loads = !p->is_in[PAIRS_RESIDENT];
    bool evicts = loads && policy_would_evict(policy, p->node, pair, evicted) > 0;

    policy_homebound_drop(policy, want->request);
    learn_home(policy, want);
    if (n->promises_n < POLICY_ENDS_MAX) {
        n->promises[n->promises_n++] =
            (struct policy_promise){now_ms, seconds - output_s, output_s};
    }
    in_flight_set(policy, p->node, n->in_flight + 1);
    if (n->in_flight == 1)
        n->busy_since_ms = now_ms;
    n->changed_ms = now_ms;
    if (policy->settings.kind != POLICY_FIRST_RESIDENT)
        policy_make_resident(policy, p->node, pair);
    policy_warm_touch(policy, p->node,
                      &(struct policy_talk){want->session, want->prefix, want->model,
                                            want->prompt_tokens + want->output_tokens},
                      now_ms);
    policy_node_refresh(policy, p->node, now_ms);
    return evicts ? policy->pairs[evicted[0]].model : POLICY_NONE;
}

void policy_elsewhere(struct policy *policy, uint32_t node, uint32_t model, uint64_t session,
                      int64_t now_ms)
{
    policy_tap_model(policy, "elsewhere", node, model, (int64_t)session, now_ms);
    struct policy_node *n = &policy->nodes[node];
    uint32_t pair = model == POLICY_NONE ? POLICY_NONE : policy_pair_find(policy, node, model);
    double load_s, service_s;

    if (!n->is_known)
        return;
    in_flight_set(policy, node, n->in_flight + 1);
    if (n->in_flight == 1)
        n->busy_since_ms = now_ms;
    n->changed_ms = now_ms;
    if (pair != POLICY_NONE) {
        load_s = policy_load_time(policy, &policy->pairs[pair]);
        service_s = policy_service_mean(&policy->models[model]);
        if (n->promises_n < POLICY_ENDS_MAX)
            n->promises[n->promises_n++] = (struct policy_promise){now_ms, load_s, service_s};
        policy_make_resident(policy, node, pair);
        policy_warm_touch(policy, node, &(struct policy_talk){session, 0, model, -1.0}, now_ms);
    }
    policy_node_refresh(policy, node, now_ms);
}

static double promise_end(const struct policy_promise *promise)
{
    return (double)promise->start_ms / 1000.0 + promise->until_output_s + promise->output_s;
}

/* The promise that was to be kept first is taken for the one that was. */
static void slot_leave(struct policy *policy, uint32_t node, int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];
    uint32_t first = 0;

    if (n->in_flight > 0)
        in_flight_set(policy, node, n->in_flight - 1);
    n->is_full = false;
    n->changed_ms = now_ms;
    for (uint32_t i = 1; i < n->promises_n; i++) {
        if (promise_end(&n->promises[i]) < promise_end(&n->promises[first]))
            first = i;
    }
    if (n->promises_n > 0)
        n->promises[first] = n->promises[--n->promises_n];
    policy_slot_freed(policy, node);
    policy_node_refresh(policy, node, now_ms);
}

void policy_refused(struct policy *policy, uint32_t request, uint32_t node, int64_t now_ms)
{
    policy_tap_call(policy, "refused", node, request, now_ms);
    if (policy->nodes[node].is_known)
        slot_leave(policy, node, now_ms);
    if (request == POLICY_NONE)
        return;
    waits(policy, window_at(policy->window, request)->model);
    policy->requests[request].id = window_at(policy->window, request)->id;
    policy_request_fresh(policy, request);
}

void policy_left(struct policy *policy, uint32_t node, const struct policy_report *report,
                 int64_t now_ms)
{
    policy_tap_left(policy, node, report, now_ms);
    if (!policy->nodes[node].is_known)
        return;
    if (report->is_done && report->model != POLICY_NONE) {
        policy_learn_done(policy, report);
        policy_warm_done(policy, node, report, now_ms);
    }
    slot_leave(policy, node, now_ms);
}

/* --- preloads
 * -------------------------------------------------------------------------------------- */

void policy_loading_set(struct policy *policy, uint32_t pair, int64_t now_ms)
{
    struct policy_pair *p = &policy->pairs[pair];
    struct policy_node *n = &policy->nodes[p->node];
    double seconds = policy_load_time(policy, p);

    n->loading = pair;
    n->loading_since_ms = now_ms;
    n->loading_until_ms = now_ms + PRELOAD_SLACK_MS + (int64_t)(seconds * PRELOAD_SLACK * 1000.0);
    n->changed_ms = n->busy_since_ms = now_ms;
    n->promises_n = 0;
    n->promises[n->promises_n++] = (struct policy_promise){now_ms, seconds, 0.0};
    policy_make_resident(policy, p->node, pair);
    policy_node_refresh(policy, p->node, now_ms);
}

static void load_elsewhere(struct policy *policy, uint32_t node, uint32_t model, int64_t now_ms)
{
    uint32_t pair = policy_pair_find(policy, node, model);

    if (pair != POLICY_NONE && policy->nodes[node].loading == POLICY_NONE)
        policy_loading_set(policy, pair, now_ms);
}

static void load_ended(struct policy *policy, uint32_t node, uint32_t model, bool ok,
                       int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];

    if (!n->is_known || n->loading == POLICY_NONE || policy->pairs[n->loading].model != model)
        return;
    if (!ok)
        policy_drop_resident(policy, node, n->loading);
    n->loading = POLICY_NONE;
    n->promises_n = 0;
    n->changed_ms = now_ms;
    policy_slot_freed(policy, node);
    policy_node_refresh(policy, node, now_ms);
}

void policy_preload_elsewhere(struct policy *policy, uint32_t node, uint32_t model, int64_t now_ms)
{
    policy_tap_model(policy, "loads_elsewhere", node, model, 0, now_ms);
    load_elsewhere(policy, node, model, now_ms);
}

void policy_preloaded(struct policy *policy, uint32_t node, uint32_t model, bool ok, int64_t now_ms)
{
    policy_tap_model(policy, "loaded", node, model, ok, now_ms);
    load_ended(policy, node, model, ok, now_ms);
}
