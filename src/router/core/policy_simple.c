/*
 * The simple policies, to compare with. Requests in the window's order; each goes to the node that
 * the rule names among those that may work, have the model and have credit left. O(nodes) per
 * request, consistent hashing O(nodes * points).
 */
#include <assert.h>
#include <string.h>

#include "policy_private.h"

#define SIMPLE_SCAN_MAX 1024 /* requests looked at between two moves */
#define RING_POINTS     256  /* per node; as KubeAI */
#define RING_POINTS_FEW 64   /* ... in a fleet of more than RING_NODES */
#define RING_NODES      64

static bool may_take(const struct policy *policy, const struct policy_want *want, uint32_t pair)
{
    const struct policy_pair *p = &policy->pairs[pair];

    return policy_pair_usable(policy, p) && policy->nodes[p->node].is_open &&
           !policy_is_barred(policy, want, p->node);
}

/* --- least_in_flight
 * ----------------------------------------------------------------------------------- */

/* Of equal ones any, by chance. in_flight/slots are compared by cross-multiplying. */
static uint32_t least_in_flight(struct policy *policy, const struct policy_want *want)
{
    const struct policy_links links = policy_pair_links(policy, PAIRS_HOLDING);
    uint32_t best = POLICY_NONE, equal = 0;

    for (uint32_t i = policy->models[want->model].list[PAIRS_HOLDING].head; i != POLICY_NONE;
         i = policy_list_next(links, i)) {
        if (!may_take(policy, want, i))
            continue;
        const struct policy_node *a = &policy->nodes[policy->pairs[i].node];
        const struct policy_node *b =
            best == POLICY_NONE ? NULL : &policy->nodes[policy->pairs[best].node];
        uint64_t load_a = b ? (uint64_t)a->in_flight * b->slots : 0;
        uint64_t load_b = b ? (uint64_t)b->in_flight * a->slots : 0;
        if (!b || load_a < load_b) {
            best = i;
            equal = 1;
        } else if (load_a == load_b && policy_roll(policy, ++equal) == 0) {
            best = i;
        }
    }
    return best;
}

/* --- first_resident
 * ------------------------------------------------------------------------------------ */

static bool is_before(const struct policy *policy, uint32_t a, uint32_t b)
{
    const struct policy_pair *pa = &policy->pairs[a], *pb = &policy->pairs[b];
    bool ra = pa->is_in[PAIRS_RESIDENT], rb = pb->is_in[PAIRS_RESIDENT];
    int32_t ram_a = policy->nodes[pa->node].ram_permille;
    int32_t ram_b = policy->nodes[pb->node].ram_permille;

    if (ra != rb)
        return ra;
    if (!ra && ram_a != ram_b)
        return ram_a < ram_b;
    return pa->node < pb->node;
}

static uint32_t first_resident(const struct policy *policy, const struct policy_want *want)
{
    const struct policy_links links = policy_pair_links(policy, PAIRS_HOLDING);
    uint32_t best = POLICY_NONE;

    for (uint32_t i = policy->models[want->model].list[PAIRS_HOLDING].head; i != POLICY_NONE;
         i = policy_list_next(links, i)) {
        if (may_take(policy, want, i) && (best == POLICY_NONE || is_before(policy, i, best)))
            best = i;
    }
    return best;
}

/* --- consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016)
 * ------------------- */

/* The finalizer of splitmix64 (Steele, Lea and Flood). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* How far clockwise from the key the node's nearest point is. */
static uint64_t ring_distance(uint64_t key, uint64_t id_hash, uint32_t points)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t v = 0; v < points; v++) {
        uint64_t distance = mix(id_hash + v * UINT64_C(0xd1342543de82ef95)) - key;
        if (distance < least)
            least = distance;
    }
    return least;
}

/* The first node clockwise whose load is within load_pct of the mean; if there is none, the first
 * of all. The ring is not kept: all nodes are asked how far they are, in one pass. */
static uint32_t bounded_load(struct policy *policy, const struct policy_want *want)
{
    const struct policy_links links = policy_pair_links(policy, PAIRS_HOLDING);
    uint64_t key = mix(policy->models[want->model].name_hash), total = policy->in_flight;
    uint64_t workers = policy->verdicts[POLICY_MAY_WORK], least = UINT64_MAX, least_any = least;
    uint32_t best = POLICY_NONE, any = POLICY_NONE;
    uint32_t points = policy->nodes_n > RING_NODES ? RING_POINTS_FEW : RING_POINTS;

    if (policy->settings.kind == POLICY_CHWBL_PREFIX)
        key = mix(key ^ want->session);
    for (uint32_t i = policy->models[want->model].list[PAIRS_HOLDING].head; i != POLICY_NONE;
         i = policy_list_next(links, i)) {
        const struct policy_node *node = &policy->nodes[policy->pairs[i].node];
        if (!may_take(policy, want, i))
            continue;
        uint64_t distance = ring_distance(key, node->id_hash, points);
        if (any == POLICY_NONE || distance < least_any) {
            any = i;
            least_any = distance;
        }
        bool fits = total == 0 || (uint64_t)node->in_flight * workers * 100 <=
                                      (uint64_t)policy->settings.chwbl_load_pct * (total + 1);
        if (fits && (best == POLICY_NONE || distance < least)) {
            best = i;
            least = distance;
        }
    }
    return best != POLICY_NONE ? best : any;
}

/* --- all of them
 * ------------------------------------------------------------------------------------------ */

static uint32_t choose(struct policy *policy, const struct policy_want *want)
{
    switch (policy->settings.kind) {
    case POLICY_CHWBL:
    case POLICY_CHWBL_PREFIX:
        return bounded_load(policy, want);
    case POLICY_LEAST_IN_FLIGHT:
        return least_in_flight(policy, want);
    case POLICY_FIRST_RESIDENT:
    case POLICY_LATE:
    case POLICY_KIND_COUNT:
        break;
    }
    return first_resident(policy, want);
}

static void open_waiting(struct policy *policy)
{
    const struct policy_links links = policy_waiting_links(policy);
    uint32_t next, model = policy->waiting.head;

    for (; model != POLICY_NONE; model = next) {
        next = policy_list_next(links, model);
        if (window_model_count(policy->window, model) > 0) {
            names_set_add(policy->open, model);
        } else {
            policy->models[model].is_waiting = false;
            policy_list_drop(links, &policy->waiting, model);
        }
    }
}

static void close_waiting(struct policy *policy)
{
    const struct policy_links links = policy_waiting_links(policy);
    uint32_t model = policy->waiting.head;

    for (; model != POLICY_NONE; model = policy_list_next(links, model))
        names_set_remove(policy->open, model);
}

static void move(struct policy *policy, const struct policy_want *want, uint32_t pair,
                 int64_t now_ms, struct policy_decision *ret)
{
    *ret = (struct policy_decision){
        .act = POLICY_MOVE,
        .reason = POLICY_BY_RULE,
        .request = want->request,
        .model = want->model,
        .node = policy->pairs[pair].node,
        .evict = POLICY_NONE,
        .runner_up = POLICY_NONE,
        .again = policy_has_failed_it(policy, want, policy->pairs[pair].node),
    };
    ret->cost.load_s = policy_load_time(policy, &policy->pairs[pair]);
    (void)policy_service(policy, want, pair, &ret->cost);
    ret->evict = policy_go(policy, want, pair, &ret->cost, now_ms);
}

/* A model that no node can take more of is passed over for the rest of the pass; a request that
 * only its own past keeps from its nodes is passed over alone. */
static bool pass(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    struct policy_want want;

    window_scan(policy->window);
    for (unsigned seen = 0; seen < SIMPLE_SCAN_MAX; seen++) {
        uint32_t request = window_next(policy->window, policy->open);
        if (request == WINDOW_NONE)
            return false;
        policy_want_fill(policy, request, now_ms, &want);
        uint32_t pair = choose(policy, &want);
        if (pair != POLICY_NONE) {
            move(policy, &want, pair, now_ms, ret);
            return true;
        }
        if (want.tried[0] == '\0')
            names_set_remove(policy->open, want.model);
    }
    return false;
}

static void forget_fresh(struct policy *policy)
{
    while (policy->fresh_requests.n > 0) {
        uint32_t request = policy->fresh_requests.head;
        policy_list_drop(policy_fresh_request_links(policy), &policy->fresh_requests, request);
        policy->requests[request].is_fresh = false;
    }
    while (policy->fresh_nodes.n > 0) {
        uint32_t node = policy->fresh_nodes.head;
        policy_list_drop(policy_fresh_node_links(policy), &policy->fresh_nodes, node);
        policy->nodes[node].is_fresh = false;
    }
}

bool policy_simple_next(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    bool found;

    forget_fresh(policy);
    if (!policy->is_dirty && now_ms < policy->retry_ms)
        return false;
    policy->retry_ms = now_ms + POLICY_TICK_MS;
    open_waiting(policy);
    found = pass(policy, now_ms, ret);
    close_waiting(policy);
    policy->is_dirty = found;
    return found;
}
