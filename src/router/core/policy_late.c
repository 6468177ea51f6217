/*
 * LATE: late binding. A request waits here until the node that is best for it is free; a node that
 * comes free takes the request that is worth most there. docs/routing.md has the formulas.
 */
#include <assert.h>

#include "policy_private.h"

/* --- candidates
 * ------------------------------------------------------------------------------------ */

struct candidate {
    uint32_t pair, node;
    uint32_t rank; /* before the cost counts: failing nodes last, then the operator's order */
    struct policy_cost cost;
    double sum, temp_c;
};

#define CANDIDATES_MAX (SAMPLE_OTHERS + 1)
#define RANK_FAILING   UINT32_C(0x80000000)
#define TEMP_UNKNOWN_C 1000.0

/* Candidates in their places, so that none is copied; best and second are NULL or one of them. */
struct contest {
    struct candidate all[CANDIDATES_MAX];
    const struct candidate *best, *second;
    uint32_t n;
};

static void contest_begin(struct contest *contest)
{
    contest->best = contest->second = NULL;
    contest->n = 0;
}

/* The next candidate, to be filled in and entered. */
static struct candidate *contest_next(struct contest *contest, uint32_t pair)
{
    struct candidate *entry = &contest->all[contest->n];

    assert(contest->n < CANDIDATES_MAX);
    entry->pair = pair;
    entry->cost = (struct policy_cost){0};
    return entry;
}

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (!b || a->rank != b->rank)
        return !b || a->rank < b->rank;
    if (a->sum < b->sum || a->sum > b->sum)
        return a->sum < b->sum;
    if (a->temp_c < b->temp_c || a->temp_c > b->temp_c)
        return a->temp_c < b->temp_c;
    return a->node < b->node;
}

static void contest_enter(const struct policy *policy, struct contest *contest,
                          struct candidate *entry)
{
    const struct policy_pair *pair = &policy->pairs[entry->pair];
    const struct policy_node *node = &policy->nodes[pair->node];

    contest->n++;
    entry->node = pair->node;
    entry->rank = (uint32_t)pair->place | (node->is_failing ? RANK_FAILING : 0);
    entry->sum = policy_cost_sum(&entry->cost);
    entry->temp_c = node->heat.now_ms == INT64_MIN ? TEMP_UNKNOWN_C : node->heat.now_c;
    if (is_better(entry, contest->best)) {
        contest->second = contest->best;
        contest->best = entry;
    } else if (is_better(entry, contest->second)) {
        contest->second = entry;
    }
}

/* --- decisions
 * ------------------------------------------------------------------------------------- */

static void decide(const struct contest *contest, struct policy_decision *ret)
{
    ret->considered = contest->n;
    if (!contest->second)
        return;
    ret->runner_up = contest->second->node;
    ret->runner_up_cost = contest->second->cost;
}

static bool move(struct policy *policy, const struct policy_want *want,
                 const struct candidate *chosen, enum policy_reason reason, int64_t now_ms,
                 struct policy_decision *ret)
{
    ret->act = POLICY_MOVE;
    ret->reason = reason;
    ret->request = want->request;
    ret->model = want->model;
    ret->node = chosen->node;
    ret->cost = chosen->cost;
    ret->again = policy_has_failed_it(policy, want, ret->node);
    ret->evict = policy_go(policy, want, chosen->pair, &chosen->cost, now_ms);
    return true;
}

/* Told once for each change of mind. */
static bool keep(struct policy *policy, const struct policy_want *want, uint32_t node,
                 enum policy_reason reason, struct policy_decision *ret)
{
    struct policy_request *r = &policy->requests[want->request];
    bool is_news = !r->is_kept || r->kept_for != reason || r->kept_node != node;

    r->is_kept = true;
    r->kept_for = reason;
    r->kept_node = node;
    ret->act = POLICY_KEEP;
    ret->reason = reason;
    ret->request = want->request;
    ret->model = want->model;
    ret->node = node;
    return is_news;
}

/* --- arrival
 * --------------------------------------------------------------------------------------- */

static void enter_holder(const struct policy *policy, const struct policy_want *want, uint32_t pair,
                         int64_t now_ms, struct contest *contest)
{
    struct candidate *entry = contest_next(contest, pair);
    uint32_t node = policy->pairs[pair].node;
    double service;

    if (policy_is_barred(policy, want, node))
        return;
    service = policy_service(policy, want, pair, &entry->cost);
    if (node != want->home && (!contest->second || service < contest->second->sum))
        entry->cost.harm_s = policy_collision(policy, pair, service, now_ms);
    contest_enter(policy, contest, entry);
}

static void enter_holders(struct policy *policy, const struct policy_want *want, int64_t now_ms,
                          struct contest *contest)
{
    uint32_t sample[SAMPLE_HOLDERS];
    struct policy_list *list = &policy->models[want->model].list[PAIRS_OPEN];
    uint32_t n = policy_sample(policy_pair_links(policy, PAIRS_OPEN), list, SAMPLE_HOLDERS, sample);
    bool home_seen = want->home == POLICY_NONE || !policy->nodes[want->home].is_open;

    for (uint32_t i = 0; i < n; i++) {
        home_seen = home_seen || policy->pairs[sample[i]].node == want->home;
        enter_holder(policy, want, sample[i], now_ms, contest);
    }
    if (!home_seen) {
        enter_holder(policy, want, policy_pair_find(policy, want->home, want->model), now_ms,
                     contest);
    }
}

/* Is it better to wait for the busy home than to be served elsewhere in `other_s`? Elsewhere a node
 * works longer: the busier the fleet is, the more others lose by that. */
bool policy_home_pays(struct policy *policy, const struct policy_want *want, double other_s,
                      int64_t now_ms, struct policy_cost *ret)
{
    uint32_t pair;
    double service, price;

    if (want->home == POLICY_NONE || policy->nodes[want->home].is_open ||
        policy_is_barred(policy, want, want->home))
        return false;
    pair = policy_pair_find(policy, want->home, want->model);
    if (!policy_pair_usable(policy, &policy->pairs[pair]))
        return false;
    service = policy_service(policy, want, pair, ret);
    ret->wait_s = policy_home_wait(policy, want, want->home, now_ms);
    price = HOME_BUSY_PRICE * (1.0 - (double)policy->idle.n / (double)policy->nodes_n);
    return ret->wait_s + service < policy->home_share * (other_s + (other_s - service) * price);
}

static bool has_patience(const struct policy_want *want)
{
    return want->age_s < (double)HEAT_PATIENCE_MS / 1000.0;
}

/* The firmware throttles the best free node; is another one that has the model free soon enough? */
bool policy_cooler_pays(struct policy *policy, const struct policy_want *want, uint32_t node,
                        uint32_t position, double service, int64_t now_ms)
{
    const struct policy_model *m = &policy->models[want->model];

    return policy->nodes[node].heat.is_throttled && has_patience(want) &&
           policy_wait(policy, want->model, position, node, now_ms) + policy_service_mean(m) <
               service;
}

/* A holder that is busy now, but where the request is done sooner all the same: a faster board, a
 * cooler one. Those that wait before it count; nobody is put off for longer than FASTER_PATIENCE_S.
 * An operator's order of preference is kept. */
bool policy_faster_pays(struct policy *policy, const struct policy_want *want, uint32_t free_pair,
                        uint32_t position, double service, int64_t now_ms)
{
    uint32_t sample[SAMPLE_HOLDERS];
    struct policy_list *list = &policy->models[want->model].list[PAIRS_RESIDENT];
    double mean = policy_service_mean(&policy->models[want->model]);
    double limit = FASTER_SHARE * service - FASTER_MARGIN_S;
    uint32_t n;

    if (want->age_s > FASTER_PATIENCE_S ||
        list->n == policy->models[want->model].list[PAIRS_OPEN].n)
        return false; /* none is busy */
    limit -= (double)position * mean / (double)list->n;
    if (limit <= 0.0)
        return false;
    n = policy_sample(policy_pair_links(policy, PAIRS_RESIDENT), list, SAMPLE_HOLDERS, sample);
    for (uint32_t i = 0; i < n; i++) {
        const struct policy_pair *pair = &policy->pairs[sample[i]];
        const struct policy_node *node = &policy->nodes[pair->node];
        struct policy_cost cost;
        if (node->is_open || node->loading != POLICY_NONE || !policy_pair_usable(policy, pair) ||
            pair->place > policy->pairs[free_pair].place)
            continue;
        double wait = policy_residual(node, now_ms);
        if (wait < limit && wait + policy_service(policy, want, sample[i], &cost) < limit)
            return true;
    }
    return false;
}

static bool match_holder(struct policy *policy, const struct policy_want *want,
                         const struct contest *contest, uint32_t position, int64_t now_ms,
                         struct policy_decision *ret)
{
    const struct candidate *best = contest->best;
    uint32_t node = best->node;
    double service = best->cost.service_s + best->cost.heat_s;

    decide(contest, ret);
    if (policy_home_pays(policy, want, service, now_ms, &ret->cost)) {
        policy_homebound_add(policy, want->request, want->home,
                             policy_work_time(policy, want->home, &ret->cost));
        return keep(policy, want, want->home, POLICY_FOR_HOME, ret);
    }
    if (policy_cooler_pays(policy, want, node, position, service, now_ms))
        return keep(policy, want, node, POLICY_FOR_COOLER, ret);
    if (policy_faster_pays(policy, want, best->pair, position, service, now_ms))
        return keep(policy, want, POLICY_NONE, POLICY_FOR_FASTER, ret);
    return move(policy, want, best, node == want->home ? POLICY_BY_HOME : POLICY_BY_HOLDER, now_ms,
                ret);
}

/* --- loading the model on a node that is free
 * ------------------------------------------------------- */

static bool may_load(const struct policy *policy, const struct policy_want *want, uint32_t node,
                     uint32_t pair)
{
    const struct policy_pair *p;

    if (pair == POLICY_NONE || policy_is_barred(policy, want, node))
        return false;
    p = &policy->pairs[pair];
    return policy->nodes[node].is_idle && !policy->nodes[node].heat.is_resting &&
           !p->is_in[PAIRS_RESIDENT] && policy_pair_usable(policy, p) &&
           policy_pair_fits(policy, p);
}

static void enter_other(struct policy *policy, const struct policy_want *want, uint32_t node,
                        double busy_share, int64_t now_ms, struct contest *contest)
{
    uint32_t pair = policy_pair_find(policy, node, want->model);
    struct candidate *entry;
    double load_s, seconds;

    if (!may_load(policy, want, node, pair))
        return;
    entry = contest_next(contest, pair);
    load_s = policy_load_time(policy, &policy->pairs[pair]);
    seconds = load_s + policy_service(policy, want, pair, &entry->cost);
    entry->cost.load_s = policy_load_charge(policy, &policy->pairs[pair]) * (1.0 + busy_share);
    entry->cost.harm_s = policy_harm(policy, node, pair, seconds, now_ms);
    contest_enter(policy, contest, entry);
}

/* Among the idle nodes if most have the file, else among those that have it. */
static void enter_others(struct policy *policy, const struct policy_want *want, int64_t now_ms,
                         struct contest *contest)
{
    uint32_t sample[SAMPLE_OTHERS];
    struct policy_list *holding = &policy->models[want->model].list[PAIRS_HOLDING];
    double busy_share = 1.0 - (double)policy->idle.n / (double)policy->nodes_n;
    bool by_pair = holding->n < policy->idle.n;
    uint32_t n =
        by_pair ? policy_sample(policy_pair_links(policy, PAIRS_HOLDING), holding, SAMPLE_OTHERS,
                                sample)
                : policy_sample(policy_idle_links(policy), &policy->idle, SAMPLE_OTHERS, sample);

    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = by_pair ? policy->pairs[sample[i]].node : sample[i];
        enter_other(policy, want, node, busy_share, now_ms, contest);
    }
}

/* The load is worth it for a request that stands behind others of its model; the one whose turn it
 * is gets the node, unless it had better wait for its home or has failed there. */
static void first_in_turn(struct policy *policy, struct policy_want *want, struct candidate *chosen,
                          int64_t now_ms)
{
    struct policy_want head;
    struct policy_cost cost = chosen->cost, home = {0};
    uint32_t request;

    if (policy_queue_front(policy, want->model, 1, &request) == 0 || request == want->request)
        return;
    policy_want_fill(policy, request, now_ms, &head);
    double service = policy_service(policy, &head, chosen->pair, &cost);
    if (policy_is_barred(policy, &head, chosen->node) ||
        policy_home_pays(policy, &head, cost.load_s + service, now_ms, &home))
        return;
    policy_request_fresh(policy, want->request); /* its turn may come next */
    *want = head;
    chosen->cost = cost;
}

/* A swap must cost less than waiting, by a margin, for the estimates may be wrong. What those
 * behind gain counts, as what others lose does. */
static bool match_swap(struct policy *policy, const struct policy_want *want, uint32_t position,
                       int64_t now_ms, struct policy_decision *ret)
{
    struct policy_cost wait = policy_wait_cost(policy, want, position, now_ms);
    struct policy_cost home = {0};
    struct contest contest;

    contest_begin(&contest);
    if (policy->idle.n > 0)
        enter_others(policy, want, now_ms, &contest);
    decide(&contest, ret);
    if (contest.best &&
        policy_swap_pays(policy, contest.best->sum,
                         policy_load_charge(policy, &policy->pairs[contest.best->pair]),
                         policy_cost_sum(&wait) + policy_relief(policy, want->model, position))) {
        struct policy_want first = *want;
        struct candidate chosen = *contest.best;
        first_in_turn(policy, &first, &chosen, now_ms);
        return move(policy, &first, &chosen, POLICY_BY_SWAP, now_ms, ret);
    }
    if (policy_home_pays(policy, want, 2.0 * WAIT_FOREVER_S, now_ms, &home)) {
        policy_homebound_add(policy, want->request, want->home,
                             policy_work_time(policy, want->home, &home));
    }
    ret->cost = wait;
    return keep(policy, want, POLICY_NONE,
                wait.wait_s < WAIT_FOREVER_S ? POLICY_FOR_HOLDER : POLICY_FOR_NODE, ret);
}

bool policy_late_match(struct policy *policy, uint32_t request, uint32_t position, int64_t now_ms,
                       struct policy_decision *ret)
{
    struct policy_want want;
    struct contest contest;

    *ret = (struct policy_decision){.runner_up = POLICY_NONE, .evict = POLICY_NONE};
    policy_want_fill(policy, request, now_ms, &want);
    if (policy->models[want.model].list[PAIRS_HOLDING].n == 0)
        return keep(policy, &want, POLICY_NONE, POLICY_FOR_NODE, ret);
    contest_begin(&contest);
    enter_holders(policy, &want, now_ms, &contest);
    if (contest.best)
        return match_holder(policy, &want, &contest, position, now_ms, ret);
    return match_swap(policy, &want, position, now_ms, ret);
}
