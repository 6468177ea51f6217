/*
 * A slot is free: which waiting request is worth most there. Those that have just come are left to
 * policy_late_match(), which compares all nodes for them.
 */
#include <assert.h>

#include "policy_private.h"

/* The best so far: class before index. */
struct pull {
    struct policy_want want;
    uint32_t pair; /* POLICY_NONE: none yet */
    struct policy_cost cost;
    double index;
    int class;
    uint32_t position; /* so many wait before it */
    uint32_t considered;
};

static bool pull_enter(struct pull *pull, const struct policy_want *want, uint32_t pair,
                       const struct policy_cost *cost, double index, int class)
{
    pull->considered++;
    if (pull->pair != POLICY_NONE &&
        (class > pull->class || (class == pull->class && index <= pull->index)))
        return false;
    pull->want = *want;
    pull->pair = pair;
    pull->cost = *cost;
    pull->index = index;
    pull->class = class;
    return true;
}

/* The first requests of a model in the window's order, at most PULL_HITS_MAX, of one class. */
uint32_t policy_queue_front(struct policy *policy, uint32_t model, uint32_t max, uint32_t *out)
{
    uint32_t n = 0, request;

    names_set_add(policy->open, model);
    window_scan(policy->window);
    while (n < max && (request = window_next(policy->window, policy->open)) != WINDOW_NONE) {
        if (n > 0 &&
            window_at(policy->window, request)->class != window_at(policy->window, out[0])->class)
            break;
        out[n++] = request;
    }
    names_set_remove(policy->open, model);
    return n;
}

/* --- hits: the model is in memory here
 * ---------------------------------------------------------------- */

/* Its own home is busy, but worth waiting for more than this slot is. */
static bool prefers_home(struct policy *policy, const struct policy_want *want, uint32_t node,
                         double here_s, int64_t now_ms)
{
    struct policy_cost cost = {0};

    return want->home != POLICY_NONE && want->home != node &&
           policy_home_pays(policy, want, here_s, now_ms, &cost);
}

/* Index = age over service: of equal ages the shorter first, and nobody waits for ever. For the age
 * a request is taken to be as old as the oldest behind it, so that the window's order between
 * clients is not undone by the age of those who have sent too much. */
static void pull_hits(struct policy *policy, uint32_t pair, int64_t now_ms, struct pull *pull)
{
    struct policy_want wants[PULL_HITS_MAX];
    uint32_t requests[PULL_HITS_MAX];
    const struct policy_pair *p = &policy->pairs[pair];
    uint32_t n = policy_queue_front(policy, p->model, PULL_HITS_MAX, requests);
    double age_s = 0.0;

    for (uint32_t i = 0; i < n; i++)
        policy_want_fill(policy, requests[i], now_ms, &wants[i]);
    for (uint32_t i = n; i-- > 0;) {
        age_s = policy_max(age_s, wants[i].age_s);
        wants[i].rank_age_s = age_s;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct policy_cost cost = {0};
        double s = policy_service(policy, &wants[i], pair, &cost);
        if (policy->requests[requests[i]].is_fresh ||
            policy_is_barred(policy, &wants[i], p->node) ||
            prefers_home(policy, &wants[i], p->node, s, now_ms) ||
            policy_faster_pays(policy, &wants[i], pair, i, s, now_ms))
            continue;
        if (pull_enter(pull, &wants[i], pair, &cost, (wants[i].rank_age_s + PULL_AGE_S) / s,
                       (int)window_at(policy->window, requests[i])->class))
            pull->position = i;
    }
}

/* --- misses: it would have to be loaded
 * --------------------------------------------------------------- */

static bool may_load(const struct policy *policy, uint32_t pair)
{
    const struct policy_pair *p = pair == POLICY_NONE ? NULL : &policy->pairs[pair];

    return p && !p->is_in[PAIRS_RESIDENT] && policy_pair_usable(policy, p) &&
           policy_pair_fits(policy, p);
}

/* The same test as on arrival: a swap must cost less than waiting and what those behind gain.
 * But nobody waits for ever: after some loads' time a request gets its load, and before others. */
static void pull_miss(struct policy *policy, uint32_t node, uint32_t model, int64_t now_ms,
                      struct pull *pull)
{
    uint32_t pair = policy_pair_find(policy, node, model), request;
    struct policy_want want;
    struct policy_cost cost = {0}, wait;

    if (!may_load(policy, pair) || policy_queue_front(policy, model, 1, &request) == 0 ||
        policy->requests[request].is_fresh)
        return;
    policy_want_fill(policy, request, now_ms, &want);
    if (policy_is_barred(policy, &want, node))
        return;
    double service = policy_service(policy, &want, pair, &cost);
    double load_s = policy_load_time(policy, &policy->pairs[pair]);
    cost.load_s = policy_load_charge(policy, &policy->pairs[pair]);
    cost.harm_s = policy_harm(policy, node, pair, load_s + service, now_ms);
    bool starves = want.age_s >
                   STARVE_S + STARVE_LOADS * (load_s + policy_service_mean(&policy->models[model]));
    wait = policy_wait_cost(policy, &want, 0, now_ms);
    if (!starves && !policy_swap_pays(policy, policy_cost_sum(&cost), cost.load_s,
                                      policy_cost_sum(&wait) + policy_relief(policy, model, 0)))
        return;
    (void)pull_enter(pull, &want, pair, &cost,
                     (want.age_s + PULL_AGE_S) / policy_cost_sum(&cost) *
                         (starves ? STARVE_FACTOR : 1.0),
                     (int)window_at(policy->window, request)->class);
}

static void pull_misses(struct policy *policy, uint32_t node, int64_t now_ms, struct pull *pull)
{
    uint32_t model = policy->waiting.head, next;

    for (; model != POLICY_NONE; model = next) {
        next = policy_list_next(policy_waiting_links(policy), model);
        if (window_model_count(policy->window, model) == 0) {
            policy->models[model].is_waiting = false;
            policy_list_drop(policy_waiting_links(policy), &policy->waiting, model);
        } else {
            pull_miss(policy, node, model, now_ms, pull);
        }
    }
}

/* --- both
 * --------------------------------------------------------------------------------------------- */

/* A throttled node takes only what cannot wait for another one. */
static bool is_spared(struct policy *policy, const struct pull *pull, uint32_t node, int64_t now_ms)
{
    return pull->pair != POLICY_NONE &&
           policy_cooler_pays(policy, &pull->want, node, pull->position,
                              pull->cost.service_s + pull->cost.heat_s, now_ms);
}

bool policy_late_pull(struct policy *policy, uint32_t node, int64_t now_ms,
                      struct policy_decision *ret)
{
    const struct policy_node *n = &policy->nodes[node];
    struct pull pull = {.pair = POLICY_NONE};

    *ret = (struct policy_decision){.runner_up = POLICY_NONE, .evict = POLICY_NONE};
    if (!n->is_open)
        return false;
    for (uint32_t i = 0; i < n->resident_n; i++) {
        if (policy->pairs[n->resident[i]].is_in[PAIRS_OPEN] &&
            window_model_count(policy->window, policy->pairs[n->resident[i]].model) > 0)
            pull_hits(policy, n->resident[i], now_ms, &pull);
    }
    if (is_spared(policy, &pull, node, now_ms))
        pull.pair = POLICY_NONE;
    if (n->is_idle && !(n->heat.is_resting && pull.pair == POLICY_NONE))
        pull_misses(policy, node, now_ms, &pull);
    if (pull.pair == POLICY_NONE)
        return false;
    ret->act = POLICY_MOVE;
    ret->reason = !policy->pairs[pull.pair].is_in[PAIRS_RESIDENT] ? POLICY_BY_PULL_SWAP
                  : pull.want.home == node                        ? POLICY_BY_HOME
                                                                  : POLICY_BY_PULL;
    ret->request = pull.want.request;
    ret->model = pull.want.model;
    ret->node = node;
    ret->cost = pull.cost;
    ret->considered = pull.considered;
    ret->again = policy_has_failed_it(policy, &pull.want, node);
    ret->evict = policy_go(policy, &pull.want, pull.pair, &pull.cost, now_ms);
    return true;
}
