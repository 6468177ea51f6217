#include "policy.h"

#include <assert.h>
#include <string.h>

#include "policy_private.h"

#define FRESH_SORT_MAX 64 /* requests that came together and are served by class */

/* --- settings
 * ------------------------------------------------------------------------------------- */

static const char *const kinds[POLICY_KIND_COUNT] = {
    [POLICY_LATE] = "late",
    [POLICY_CHWBL] = "chwbl",
    [POLICY_CHWBL_PREFIX] = "chwbl_prefix",
    [POLICY_LEAST_IN_FLIGHT] = "least_in_flight",
    [POLICY_FIRST_RESIDENT] = "first_resident",
};

const char *policy_kind_name(enum policy_kind kind)
{
    assert(kind < POLICY_KIND_COUNT);
    return kinds[kind];
}

bool policy_kind_parse(struct span name, enum policy_kind *ret)
{
    for (int i = 0; i < POLICY_KIND_COUNT; i++) {
        if (span_is(name, kinds[i])) {
            *ret = (enum policy_kind)i;
            return true;
        }
    }
    return false;
}

void policy_settings_default(struct policy_settings *ret)
{
    *ret = (struct policy_settings){
        .kind = POLICY_LATE,
        .placement = true,
        .homes = true,
        .lambda_t_permille = 1200,
        .swap_margin_ms = 40000,
        .swap_factor_pct = 100,
        .home_wait_pct = 100,
        .chwbl_load_pct = 125,
    };
}

void policy_settings_set(struct policy *policy, const struct policy_settings *settings)
{
    policy->settings = *settings;
    policy->lambda_t = (double)settings->lambda_t_permille / 1000.0;
    policy->swap_factor = (double)settings->swap_factor_pct / 100.0;
    policy->swap_margin_s = (double)settings->swap_margin_ms / 1000.0;
    policy->home_share = (double)settings->home_wait_pct / 100.0;
    policy->is_dirty = true;
    policy_tap_settings(policy);
}

void policy_clock(struct policy *policy, int64_t redis_ahead_ms)
{
    if (policy->redis_ahead_ms != redis_ahead_ms)
        policy_tap_call(policy, "clock", 0, redis_ahead_ms, 0);
    policy->redis_ahead_ms = redis_ahead_ms;
}

/* --- memory
 * --------------------------------------------------------------------------------------- */

static size_t model_words(const struct window *window)
{
    return NAMES_SET_WORDS(window->models->pool.capacity);
}

size_t policy_bytes(struct policy_sizes sizes, const struct window *window)
{
    return carve_bytes(sizeof(struct policy)) +
           carve_bytes(sizes.nodes * sizeof(struct policy_node)) +
           carve_bytes(sizes.pairs * sizeof(struct policy_pair)) + index_pool_bytes(sizes.pairs) +
           index_table_bytes(sizes.pairs) +
           carve_bytes(sizes.sessions * sizeof(struct policy_home)) +
           index_pool_bytes(sizes.sessions) + index_table_bytes(sizes.sessions) +
           carve_bytes(window->models->pool.capacity * sizeof(struct policy_model)) +
           carve_bytes(model_words(window) * sizeof(uint64_t)) +
           carve_bytes(window->sizes.capacity * sizeof(struct policy_request));
}

static void policy_carve(struct policy *policy, char *at)
{
    const struct policy_sizes *sizes = &policy->sizes;
    const struct window *window = policy->window;

    policy->nodes = carve(&at, sizes->nodes * sizeof(struct policy_node));
    policy->pairs = carve(&at, sizes->pairs * sizeof(struct policy_pair));
    index_pool_init(&policy->pair_pool, &at, sizes->pairs);
    index_table_init(&policy->pair_table, &at, sizes->pairs);
    policy->homes = carve(&at, sizes->sessions * sizeof(struct policy_home));
    index_pool_init(&policy->home_pool, &at, sizes->sessions);
    index_table_init(&policy->home_table, &at, sizes->sessions);
    policy->models = carve(&at, window->models->pool.capacity * sizeof(struct policy_model));
    policy->open = carve(&at, model_words(window) * sizeof(uint64_t));
    policy->requests = carve(&at, window->sizes.capacity * sizeof(struct policy_request));
}

struct policy *policy_init(void *mem, struct policy_sizes sizes, struct window *window,
                           const struct policy_settings *settings, uint64_t seed, int64_t now_ms)
{
    char *at = mem;
    struct policy *policy = carve(&at, sizeof *policy);

    assert(sizes.nodes > 0 && sizes.nodes <= 1U << 16 && sizes.pairs > 0 && sizes.sessions > 0);
    *policy = (struct policy){
        .sizes = sizes,
        .window = window,
        .start_ms = now_ms,
        .random = seed | 1,
        .retry_ms = now_ms + POLICY_TICK_MS,
        .place_ms = now_ms + PLACE_TICK_MS,
    };
    policy_carve(policy, at);
    policy_list_clear(&policy->idle);
    policy_list_clear(&policy->fresh_nodes);
    policy_list_clear(&policy->fresh_requests);
    policy_list_clear(&policy->homebound);
    policy_list_clear(&policy->homes_by_age);
    policy_list_clear(&policy->known);
    policy_list_clear(&policy->waiting);
    policy_settings_set(policy, settings);
    return policy;
}

/* xorshift64 (Marsaglia 2003) */
uint32_t policy_roll(struct policy *policy, uint32_t n)
{
    policy->random ^= policy->random << 13;
    policy->random ^= policy->random >> 7;
    policy->random ^= policy->random << 17;
    return (uint32_t)((policy->random >> 32) * n >> 32);
}

/* --- what has failed a request
 * ----------------------------------------------------------------------- */

static bool list_has_hash(const char *list, uint64_t hash)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        if (span_hash((struct span){list, len}) == hash)
            return true;
        list += len + (list[len] == ',');
    }
    return false;
}

bool policy_has_failed_it(const struct policy *policy, const struct policy_want *want,
                          uint32_t node)
{
    return want->tried[0] != '\0' && list_has_hash(want->tried, policy->nodes[node].id_hash);
}

bool policy_is_barred(const struct policy *policy, const struct policy_want *want, uint32_t node)
{
    return want->tried[0] != '\0' && !want->again && policy_has_failed_it(policy, want, node);
}

bool policy_all_failed_it(const struct policy *policy, const struct policy_want *want)
{
    const struct policy_links links = policy_pair_links(policy, PAIRS_HOLDING);
    uint32_t i = policy->models[want->model].list[PAIRS_HOLDING].head;

    for (; i != POLICY_NONE; i = policy_list_next(links, i)) {
        const struct policy_pair *pair = &policy->pairs[i];
        enum policy_verdict verdict = policy->nodes[pair->node].verdict;
        if ((verdict == POLICY_MAY_WORK || verdict == POLICY_ON_HOLD) && !pair->is_suspect &&
            pair->place >= 0 && !policy_has_failed_it(policy, want, pair->node))
            return false;
    }
    return true;
}

/* --- who waits for its home
 * -------------------------------------------------------------------------- */

static struct policy_links homebound_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->requests[0].home_link,
                                 sizeof policy->requests[0]};
}

void policy_homebound_drop(struct policy *policy, uint32_t request)
{
    struct policy_request *r = &policy->requests[request];

    if (!r->is_homebound)
        return;
    r->is_homebound = false;
    policy_list_drop(homebound_links(policy), &policy->homebound, request);
    struct policy_node *node = &policy->nodes[r->home];
    node->home_wait_s = policy_max(0.0, node->home_wait_s - r->home_service_s);
}

void policy_homebound_add(struct policy *policy, uint32_t request, uint32_t node, double service_s)
{
    struct policy_request *r = &policy->requests[request];

    policy_homebound_drop(policy, request);
    r->is_homebound = true;
    r->home = node;
    r->home_service_s = service_s;
    policy->nodes[node].home_wait_s += service_s;
    policy_list_push(homebound_links(policy), &policy->homebound, request);
}

/* Is what we keep of the request still about the one that is in the window there? */
static bool is_waiting(const struct policy *policy, uint32_t request)
{
    const struct window_request *w = window_at(policy->window, request);

    return w && w->state == WINDOW_WAITING &&
           stream_id_compare(w->id, policy->requests[request].id) == 0;
}

/* Requests end without a word to the policy (deadline, cancel); what they held up is released. */
static void homebound_sweep(struct policy *policy)
{
    uint32_t next, i = policy->homebound.head;

    for (; i != POLICY_NONE; i = next) {
        next = policy_list_next(homebound_links(policy), i);
        if (!is_waiting(policy, i))
            policy_homebound_drop(policy, i);
    }
}

/* --- decisions
 * ---------------------------------------------------------------------------------------- */

static bool next_pull(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    while (policy->fresh_nodes.n > 0) {
        uint32_t node = policy->fresh_nodes.head;
        policy_list_drop(policy_fresh_node_links(policy), &policy->fresh_nodes, node);
        policy->nodes[node].is_fresh = false;
        if (!policy_late_pull(policy, node, now_ms, ret))
            continue;
        if (policy->nodes[node].is_open) /* it has another slot */
            policy_slot_freed(policy, node);
        return true;
    }
    return false;
}

static uint32_t fresh_take(struct policy *policy, uint32_t request)
{
    policy_list_drop(policy_fresh_request_links(policy), &policy->fresh_requests, request);
    policy->requests[request].is_fresh = false;
    return request;
}

/* Of several that have just come the one whose turn it is. */
static uint32_t fresh_first(struct policy *policy)
{
    uint32_t best = policy->fresh_requests.head, i = best;
    const struct policy_links links = policy_fresh_request_links(policy);

    for (uint32_t seen = 0; seen < FRESH_SORT_MAX && i != POLICY_NONE; seen++) {
        if (is_waiting(policy, i) && is_waiting(policy, best) &&
            window_at(policy->window, i)->class < window_at(policy->window, best)->class)
            best = i;
        i = policy_list_next(links, i);
    }
    return best;
}

static bool next_arrival(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    while (policy->fresh_requests.n > 0) {
        uint32_t request = fresh_take(policy, fresh_first(policy));
        if (!is_waiting(policy, request))
            continue;
        uint32_t waiting =
            window_model_count(policy->window, window_at(policy->window, request)->model);
        if (policy_late_match(policy, request, waiting - 1, now_ms, ret))
            return true;
    }
    return false;
}

/* The first requests of the model at the front of the waiting list are looked at again, each once
 * in a round: what it waits for may be another node at each look, and all of them worth a word. */
static bool retry_model(struct policy *policy, uint32_t model, int64_t now_ms,
                        struct policy_decision *ret)
{
    uint32_t heads[RETRY_HEADS];
    uint32_t n = policy_queue_front(policy, model, RETRY_HEADS, heads);

    while (policy->retry_head < n) {
        uint32_t i = policy->retry_head++;
        if (!policy_late_match(policy, heads[i], i, now_ms, ret))
            continue;
        if (ret->act == POLICY_MOVE) /* it leaves the queue: the next one takes its place */
            policy->retry_head = i;
        return true;
    }
    policy->retry_head = 0;
    return false;
}

static bool next_retry(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    const struct policy_links links = policy_waiting_links(policy);

    if (now_ms >= policy->retry_ms) {
        policy->retry_ms = now_ms + POLICY_TICK_MS;
        homebound_sweep(policy);
        policy->retry_left = policy->waiting.n;
    }
    for (; policy->retry_left > 0 && policy->waiting.n > 0; policy->retry_left--) {
        uint32_t model = policy->waiting.head;
        if (window_model_count(policy->window, model) == 0) {
            policy_list_drop(links, &policy->waiting, model);
            policy->models[model].is_waiting = false;
            policy->retry_head = 0;
            continue;
        }
        if (policy->idle.n + policy->models[model].list[PAIRS_OPEN].n > 0 &&
            retry_model(policy, model, now_ms, ret))
            return true; /* it is at the front still: there may be more */
        policy->retry_head = 0;
        policy_list_rotate(links, &policy->waiting, model);
    }
    return false;
}

bool policy_kept(const struct policy *policy, uint32_t request, struct policy_decision *ret)
{
    const struct policy_request *r = &policy->requests[request];

    if (!r->is_kept || !is_waiting(policy, request))
        return false;
    *ret = (struct policy_decision){
        .act = POLICY_KEEP,
        .reason = r->kept_for,
        .request = request,
        .node = r->kept_node,
        .model = window_at(policy->window, request)->model,
        .evict = POLICY_NONE,
        .runner_up = POLICY_NONE,
    };
    return true;
}

static bool next_preload(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    if (now_ms >= policy->place_ms + policy->settings.place_phase_ms) {
        policy->place_ms = now_ms + PLACE_TICK_MS;
        if (policy->settings.placement)
            policy_place_begin(policy, now_ms);
    }
    return policy_place(policy, now_ms, ret);
}

static bool next(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    if (policy->settings.kind != POLICY_LATE)
        return policy_simple_next(policy, now_ms, ret);
    return next_pull(policy, now_ms, ret) || next_arrival(policy, now_ms, ret) ||
           next_retry(policy, now_ms, ret) || next_preload(policy, now_ms, ret);
}

bool policy_next(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    bool found = next(policy, now_ms, ret);

    policy_tap_next(policy, found ? ret : NULL, now_ms);
    return found;
}

/* Both lists may still lead through requests that have left the window. */
bool policy_rest(struct policy *policy, index_idle *idle, void *arg)
{
    if (policy->fresh_requests.n > 0 || policy->homebound.n > 0)
        return false;
    index_pool_idle(&policy->window->request_pool, policy->requests, sizeof policy->requests[0],
                    idle, arg);
    window_rest(policy->window, idle, arg);
    return true;
}
