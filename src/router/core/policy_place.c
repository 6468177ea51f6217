/* The placement controller: which model is loaded where ahead of need. */
#include <assert.h>

#include "policy_private.h"

/* --- what the next minute brings
 * ------------------------------------------------------------------- */

#define SOON_TIMES 3
static const double soon_times_s[SOON_TIMES] = {5.0, 20.0, 50.0};

/* Holders that may work, and requests that are served there or wait. A node that loads the model is
 * free soon. */
static uint32_t holders_of(const struct policy *policy, uint32_t model, uint32_t *ret_busy)
{
    const struct policy_links links = policy_pair_links(policy, PAIRS_RESIDENT);
    uint32_t holders = 0, i = policy->models[model].list[PAIRS_RESIDENT].head;

    *ret_busy = window_model_count(policy->window, model);
    for (; i != POLICY_NONE; i = policy_list_next(links, i)) {
        const struct policy_pair *pair = &policy->pairs[i];
        if (!policy_pair_usable(policy, pair))
            continue;
        holders++;
        *ret_busy += !pair->is_in[PAIRS_OPEN] && policy->nodes[pair->node].loading != i;
    }
    return holders;
}

/* Whoever comes back finds its home busy although another holder is free: it waits there, behind
 * others that do, or is computed again elsewhere. */
static double home_busy_wait(const struct policy *policy, const struct policy_model *m,
                             double holders, double offered)
{
    if (holders < 1.0)
        return 0.0;
    return policy->home_weight * m->home_share * policy_service_mean(m) *
           policy_min(1.0, offered / holders);
}

/* Of a few holders seldom one is free, and who is busy now says it all; of many always one is,
 * however busy they are, and then this is all that one more holder saves. */
static double home_weight(const struct policy *policy)
{
    double models = 0.0, holders = 0.0, others;

    for (uint32_t i = policy->known.head; i != POLICY_NONE;
         i = policy_list_next(policy_known_links(policy), i)) {
        uint32_t n = policy->models[i].list[PAIRS_RESIDENT].n;
        models += n > 0 ? 1.0 : 0.0;
        holders += (double)n;
    }
    others = models > 0.0 ? holders / models - 1.0 : 0.0;
    return others / (others + HOME_BUSY_HOLDERS);
}

/* The mean wait of a long time. */
static void waits_of_many(struct policy *policy, uint32_t model, double offered, int64_t now_ms)
{
    struct policy_model *m = &policy->models[model];

    for (uint32_t i = 0; i < 3; i++) {
        double replicas = policy_replicas(m) + (double)i - 1.0;
        m->wait_s[i] = policy_queue_wait(policy, model, replicas, now_ms) +
                       home_busy_wait(policy, m, replicas, offered);
    }
}

/* The mean wait of a long time knows nothing of who is busy now. Up to PLACE_SOON_HOLDERS the wait
 * of the next minute counts instead: whether those who come next will find a holder free. */
static void waits_fill(struct policy *policy, uint32_t model, int64_t now_ms)
{
    struct policy_model *m = &policy->models[model];
    double service_s = policy_service_mean(m), waits[3] = {0.0, 0.0, 0.0};
    double offered = policy_demand_now(policy, m, now_ms) * service_s;
    uint32_t busy, holders;

    if (m->list[PAIRS_RESIDENT].n > PLACE_SOON_HOLDERS) {
        waits_of_many(policy, model, offered, now_ms);
        return;
    }
    holders = holders_of(policy, model, &busy);
    for (uint32_t i = 0; i < SOON_TIMES; i++) {
        double stay = policy_exp_neg(soon_times_s[i] / service_s);
        policy_soon_waits(holders, busy, stay, offered * (1.0 - stay), waits);
    }
    for (uint32_t i = 0; i < 3; i++) {
        m->wait_s[i] = holders + i > 1 ? waits[i] * service_s / (double)SOON_TIMES
                                       : policy_queue_wait(policy, model, 0.0, now_ms);
        m->wait_s[i] += home_busy_wait(policy, m, (double)(holders + i) - 1.0, offered);
    }
}

/* --- gain and loss
 * --------------------------------------------------------------------------------- */

/* Seconds of waiting saved per second by one more holder. */
static double gain_of(const struct policy *policy, uint32_t model, int64_t now_ms)
{
    const struct policy_model *m = &policy->models[model];

    return policy_demand_now(policy, m, now_ms) * (m->wait_s[1] - m->wait_s[2]);
}

/* Seconds of waiting per second if there is one holder less. */
static double loss_of_one(const struct policy *policy, uint32_t model, int64_t now_ms)
{
    const struct policy_model *m = &policy->models[model];

    return policy_demand_now(policy, m, now_ms) * policy_max(0.0, m->wait_s[0] - m->wait_s[1]);
}

static void model_round(struct policy *policy, uint32_t model, int64_t now_ms)
{
    struct policy_model *m = &policy->models[model];

    policy_learn_load(policy, model);
    policy_queue_fill(policy, model, policy_replicas(m), now_ms);
    waits_fill(policy, model, now_ms);
    m->gain = gain_of(policy, model, now_ms);
}

void policy_place_begin(struct policy *policy, int64_t now_ms)
{
    uint32_t nodes = policy->nodes_n;

    policy->home_weight = home_weight(policy);
    for (uint32_t i = policy->known.head; i != POLICY_NONE;
         i = policy_list_next(policy_known_links(policy), i))
        model_round(policy, i, now_ms);
    policy->place_left = nodes / PLACE_SHARE > 0 ? nodes / PLACE_SHARE : 1;
}

/* The model that gains most, among those that the list of known models holds. */
static uint32_t neediest(const struct policy *policy)
{
    uint32_t best = POLICY_NONE;

    for (uint32_t i = policy->known.head; i != POLICY_NONE;
         i = policy_list_next(policy_known_links(policy), i)) {
        if (policy->models[i].gain > 0.0 &&
            (best == POLICY_NONE || policy->models[i].gain > policy->models[best].gain))
            best = i;
    }
    return best;
}

/* Without a holder each request waits for a load. (The difference of the queues may be nothing: an
 * overloaded holder has a longer one.) */
static double last_holder_loss(struct policy *policy, uint32_t model, int64_t now_ms)
{
    return policy_demand_now(policy, &policy->models[model], now_ms) *
           policy_queue_wait(policy, model, 0.0, now_ms);
}

/* What others lose per second if this node loads the pair. */
static double loss_of(struct policy *policy, uint32_t node, uint32_t pair, double gain,
                      int64_t now_ms)
{
    uint32_t evicted[POLICY_RESIDENT_MAX];
    uint32_t n = policy_would_evict(policy, node, pair, evicted);
    double loss = 0.0, warm = 0.0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t model = policy->pairs[evicted[i]].model;
        double l = loss_of_one(policy, model, now_ms);
        if (policy->models[model].list[PAIRS_RESIDENT].n <= 1) {
            l = policy_max(PLACE_LAST_GUARD * l,
                           PLACE_LAST_SHARE * last_holder_loss(policy, model, now_ms));
        }
        loss += l;
        warm += policy_warm_value(policy, evicted[i], now_ms);
    }
    return loss + gain * (1.0 - policy->nodes[node].heat.duty) * PLACE_DUTY_SHARE +
           PLACE_LOAD_SHARE * policy_load_time(policy, &policy->pairs[pair]) +
           PLACE_WARM * warm / PLACE_HORIZON_S;
}

/* --- where
 * --------------------------------------------------------------------------------------- */

struct place {
    uint32_t pair;
    double loss;
};

static bool may_preload(const struct policy *policy, uint32_t node, uint32_t pair)
{
    return pair != POLICY_NONE && !policy->pairs[pair].is_in[PAIRS_RESIDENT] &&
           !policy->nodes[node].heat.is_resting && !policy->nodes[node].is_failing &&
           policy_pair_usable(policy, &policy->pairs[pair]) &&
           policy_pair_fits(policy, &policy->pairs[pair]);
}

/* Others that have the model are so much faster that requests had better wait for them. */
static bool is_slow(const struct policy *policy, uint32_t node, uint32_t model)
{
    return policy->models[model].speed > PLACE_SLOW_SPEED * policy->nodes[node].speed;
}

/* Slow boards count only if no fast one is free and the wait is long. An operator's order of
 * preference counts before the loss. */
static struct place cheapest(struct policy *policy, uint32_t model, double gain, int64_t now_ms)
{
    uint32_t sample[PLACE_SAMPLE];
    uint32_t n = policy_sample(policy_idle_links(policy), &policy->idle, PLACE_SAMPLE, sample);
    const struct policy_model *m = &policy->models[model];
    bool takes_slow = policy_queue_wait(policy, model, policy_replicas(m), now_ms) >
                      PLACE_SLOW_WAIT * policy_service_mean(m);
    struct place best[2] = {{POLICY_NONE, 0.0}, {POLICY_NONE, 0.0}}; /* fast, slow */

    for (uint32_t i = 0; i < n; i++) {
        uint32_t pair = policy_pair_find(policy, sample[i], model);
        if (!may_preload(policy, sample[i], pair))
            continue;
        struct place *b = &best[is_slow(policy, sample[i], model)];
        double loss = loss_of(policy, sample[i], pair, gain, now_ms);
        int32_t place = policy->pairs[pair].place;
        if (b->pair == POLICY_NONE || place < policy->pairs[b->pair].place ||
            (place == policy->pairs[b->pair].place && loss < b->loss))
            *b = (struct place){pair, loss};
    }
    return best[0].pair == POLICY_NONE && takes_slow ? best[1] : best[0];
}

static void preload(struct policy *policy, struct place place, double gain, int64_t now_ms,
                    struct policy_decision *ret)
{
    const struct policy_pair *p = &policy->pairs[place.pair];
    uint32_t evicted[POLICY_RESIDENT_MAX];
    uint32_t n = policy_would_evict(policy, p->node, place.pair, evicted);

    *ret = (struct policy_decision){
        .act = POLICY_PRELOAD,
        .reason = POLICY_BY_DEMAND,
        .request = POLICY_NONE,
        .node = p->node,
        .model = p->model,
        .evict = n > 0 ? policy->pairs[evicted[0]].model : POLICY_NONE,
        .runner_up = POLICY_NONE,
        .cost.load_s = policy_load_time(policy, p),
        .gain_s = gain,
        .loss_s = place.loss,
    };
    policy_loading_set(policy, place.pair, now_ms);
    model_round(policy, p->model, now_ms);
    for (uint32_t i = 0; i < n; i++)
        model_round(policy, policy->pairs[evicted[i]].model, now_ms);
}

bool policy_place(struct policy *policy, int64_t now_ms, struct policy_decision *ret)
{
    uint32_t model;

    if (policy->place_left == 0 || policy->idle.n == 0)
        return false;
    policy->place_left--;
    model = neediest(policy);
    if (model == POLICY_NONE) {
        policy->place_left = 0;
        return false;
    }
    double gain = policy->models[model].gain;
    struct place place = cheapest(policy, model, gain, now_ms);
    if (place.pair == POLICY_NONE ||
        (gain - place.loss) * PLACE_HORIZON_S <
            PLACE_LOADS * policy_load_time(policy, &policy->pairs[place.pair]) ||
        gain < PLACE_RATIO * place.loss) {
        policy->place_left = 0;
        return false;
    }
    preload(policy, place, gain, now_ms, ret);
    return true;
}
