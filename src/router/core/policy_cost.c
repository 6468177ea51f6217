/* The estimates: what a request costs on a node, in seconds. Formulas: docs/routing.md. */
#include "policy_private.h"

double policy_cost_sum(const struct policy_cost *cost)
{
    return cost->wait_s + cost->load_s + cost->service_s + cost->heat_s + cost->harm_s;
}

void policy_want_fill(struct policy *policy, uint32_t request, int64_t now_ms,
                      struct policy_want *ret)
{
    const struct window_request *r = window_at(policy->window, request);
    const struct policy_model *model = &policy->models[r->model];
    int64_t age_ms = now_ms + policy->redis_ahead_ms - r->submitted_ms;
    double ratio = model->token_ratio;

    *ret = (struct policy_want){
        .request = request,
        .model = r->model,
        .home = policy_home_of(policy, r->session_hash, r->model),
        .session = r->session_hash,
        .prefix = r->prefix_hash,
        .prompt_tokens = policy_max(1.0, (double)r->prompt_tokens * ratio),
        .prefix_tokens = (double)r->prefix_tokens * ratio,
        .output_tokens = model->output_tokens > 0.0 ? model->output_tokens : TOKENS_PRIOR,
        .age_s = age_ms > 0 ? (double)age_ms / 1000.0 : 0.0,
        .tried = window_tried(policy->window, request),
    };
    ret->again = ret->tried[0] != '\0' && policy_all_failed_it(policy, ret);
    if (r->output_tokens_max > 0)
        ret->output_tokens = policy_min(ret->output_tokens, (double)r->output_tokens_max);
}

/* --- S and Theta
 * ---------------------------------------------------------------------------------- */

/* Most of what is warm is neither, so that is asked first. No conversation is number 0. */
static double cached_tokens(const struct policy *policy, const struct policy_want *want,
                            const struct policy_pair *pair)
{
    const struct policy_node *node = &policy->nodes[pair->node];
    const struct policy_warm *end = node->warm + node->warm_n;
    double shared = 0.0;

    if (!policy->settings.homes || !pair->is_in[PAIRS_RESIDENT])
        return 0.0;
    for (const struct policy_warm *warm = node->warm; warm < end; warm++) {
        if (warm->session == want->session && warm->model == pair->model) {
            double tokens =
                warm->tokens >= 0.0 ? warm->tokens : WARM_UNKNOWN_SHARE * want->prompt_tokens;
            return policy_min(want->prompt_tokens - 1.0, tokens);
        }
        if (warm->prefix == want->prefix && want->prefix != 0 && warm->model == pair->model)
            shared = want->prefix_tokens;
    }
    return policy_min(want->prompt_tokens - 1.0, shared);
}

double policy_service(const struct policy *policy, const struct policy_want *want, uint32_t pair,
                      struct policy_cost *cost)
{
    const struct policy_pair *p = &policy->pairs[pair];
    const struct policy_node *node = &policy->nodes[p->node];
    double cached = cached_tokens(policy, want, p);
    double s = (want->prompt_tokens - cached) / p->prompt_tps + want->output_tokens / p->gen_tps;

    if (node->slots > 1 && node->in_flight > 0) {
        s *= 1.0 + SHARED_SLOT *
                       (double)(node->in_flight < node->slots ? node->in_flight : node->slots - 1);
    }
    cost->service_s = s;
    cost->heat_s = s * (policy_heat_factor(node, policy->lambda_t, s) - 1.0);
    cost->saved_s = cached / p->prompt_tps;
    return cost->service_s + cost->heat_s;
}

double policy_work_time(const struct policy *policy, uint32_t node, const struct policy_cost *cost)
{
    if (cost->heat_s <= 0.0)
        return cost->service_s;
    return cost->service_s * policy_heat_factor(&policy->nodes[node], 0.0, cost->service_s);
}

/* --- L and R
 * --------------------------------------------------------------------------------------- */

double policy_load_time(const struct policy *policy, const struct policy_pair *pair)
{
    const struct policy_node *node = &policy->nodes[pair->node];

    if (pair->is_in[PAIRS_RESIDENT])
        return 0.0;
    if (pair->is_cached)
        return INIT_S / node->speed + pair->bytes / PAGE_CACHE_BPS;
    return pair->load_s;
}

double policy_load_charge(const struct policy *policy, const struct policy_pair *pair)
{
    const struct policy_node *node = &policy->nodes[pair->node];
    double load_s = policy_load_time(policy, pair);
    uint32_t next = node->resident_n > 0 ? node->resident[0] : POLICY_NONE;

    if (pair->is_cached || next == POLICY_NONE || policy->known.n < policy->nodes_n ||
        pair->bytes > policy_cache_room(policy, next))
        return load_s;
    return READ_SHARE * load_s;
}

static double promise_left(const struct policy_promise *promise, int64_t now_ms)
{
    double elapsed_s = (double)(now_ms - promise->start_ms) / 1000.0;

    if (elapsed_s < promise->until_output_s)
        return promise->until_output_s - elapsed_s + promise->output_s;
    elapsed_s -= promise->until_output_s;
    return policy_max(promise->output_s - elapsed_s, RESIDUAL_SHARE * promise->output_s);
}

double policy_residual(const struct policy_node *node, int64_t now_ms)
{
    double least = 0.0;

    if (node->is_open)
        return 0.0;
    for (uint32_t i = 0; i < node->promises_n; i++) {
        double left = promise_left(&node->promises[i], now_ms);
        if (i == 0 || left < least)
            least = left;
    }
    return least;
}

/* --- waiting for a holder
 * --------------------------------------------------------------------------- */

/* Until one of the model's holders is free. A free one that is throttled does not count: it is
 * there only for those who cannot wait. */
static double first_free(struct policy *policy, uint32_t model, uint32_t except, int64_t now_ms)
{
    uint32_t sample[SAMPLE_HOLDERS];
    uint32_t n = policy_sample(policy_pair_links(policy, PAIRS_RESIDENT),
                               &policy->models[model].list[PAIRS_RESIDENT], SAMPLE_HOLDERS, sample);
    double least = WAIT_FOREVER_S;

    for (uint32_t i = 0; i < n; i++) {
        const struct policy_pair *pair = &policy->pairs[sample[i]];
        const struct policy_node *node = &policy->nodes[pair->node];
        if (pair->node == except || !policy_pair_usable(policy, pair) ||
            (node->heat.is_throttled && node->is_open))
            continue;
        least = policy_min(least, policy_residual(node, now_ms));
    }
    return least;
}

double policy_wait(struct policy *policy, uint32_t model, uint32_t position, uint32_t except,
                   int64_t now_ms)
{
    const struct policy_model *m = &policy->models[model];
    uint32_t k = m->list[PAIRS_RESIDENT].n;

    if (k > 0 && except != POLICY_NONE && policy_node_holds(policy, except, model))
        k--;
    if (k == 0)
        return WAIT_FOREVER_S;
    return first_free(policy, model, except, now_ms) +
           (double)position * policy_service_mean(m) / (double)k;
}

double policy_service_mean(const struct policy_model *model)
{
    return model->service_s > 0.0 ? model->service_s : SERVICE_PRIOR_S;
}

bool policy_swap_pays(const struct policy *policy, double swap_s, double load_s, double wait_s)
{
    double nodes = policy_max((double)policy->nodes_n, SWAP_FLEET_SMALL);
    double factor =
        policy->swap_factor * (1.0 + SWAP_FLEET_SHARE * (1.0 - SWAP_FLEET_SMALL / nodes));

    return swap_s * factor + policy_min(policy->swap_margin_s, load_s) < wait_s;
}

struct policy_cost policy_wait_cost(struct policy *policy, const struct policy_want *want,
                                    uint32_t position, int64_t now_ms)
{
    struct policy_cost home = {0}, holder = {0};

    holder.wait_s = policy_wait(policy, want->model, position, POLICY_NONE, now_ms);
    holder.service_s = policy_service_mean(&policy->models[want->model]);
    if (!policy_home_pays(policy, want, 2.0 * WAIT_FOREVER_S, now_ms, &home))
        return holder;
    return policy_cost_sum(&home) < policy_cost_sum(&holder) ? home : holder;
}

double policy_relief(const struct policy *policy, uint32_t model, uint32_t position)
{
    const struct policy_model *m = &policy->models[model];
    uint32_t waiting = window_model_count(policy->window, model), k = m->list[PAIRS_RESIDENT].n;

    if (k == 0 || waiting <= position + 1)
        return 0.0;
    return (double)(waiting - 1 - position) * policy_service_mean(m) / (double)k;
}

double policy_home_wait(struct policy *policy, const struct policy_want *want, uint32_t node,
                        int64_t now_ms)
{
    const struct policy_node *n = &policy->nodes[node];
    const struct policy_request *r = &policy->requests[want->request];
    double others = n->home_wait_s;

    if (r->is_homebound && r->home == node)
        others = policy_max(0.0, others - r->home_service_s);
    return policy_residual(n, now_ms) + others;
}

/* --- demand and queueing
 * ----------------------------------------------------------------------------- */

void policy_demand_add(struct policy_model *model, int64_t now_ms)
{
    double elapsed_s = (double)(now_ms - model->lambda_ms) / 1000.0;

    model->lambda =
        model->lambda * policy_exp_neg(elapsed_s / DEMAND_WINDOW_S) + 1.0 / DEMAND_WINDOW_S;
    model->lambda_ms = now_ms;
}

/* The mean of an average that has not run for long yet is too low by the weight of what it has not
 * seen. */
double policy_demand_now(const struct policy *policy, const struct policy_model *model,
                         int64_t now_ms)
{
    double elapsed_s = (double)(now_ms - model->lambda_ms) / 1000.0;
    double known_s = policy_max(1.0, (double)(now_ms - policy->start_ms) / 1000.0);

    return model->lambda * policy_exp_neg(elapsed_s / DEMAND_WINDOW_S) /
           (1.0 - policy_exp_neg(known_s / DEMAND_WINDOW_S));
}

static double queue_without_holder(const struct policy_model *model)
{
    return NO_HOLDER_LOADS * model->load_s + NO_HOLDER_S;
}

/* queue[i] for the holders around `replicas`. On the way to a decision only small ones are
 * calculated anew: of a large fleet a table up to one tick old is as good (policy_queue_fill()). */
void policy_queue_fill(struct policy *policy, uint32_t model, double replicas, int64_t now_ms)
{
    struct policy_model *m = &policy->models[model];
    uint32_t k = (uint32_t)replicas;

    m->queue_from = k > 2 ? k - 2 : 0;
    m->queue_a = policy_demand_now(policy, m, now_ms) * policy_service_mean(m);
    for (uint32_t i = 0; i < QUEUE_TABLE; i++) {
        uint32_t servers = m->queue_from + i;
        m->queue[i] = servers == 0 ? 0.0 : policy_erlang_wait(servers, m->queue_a);
    }
}

double policy_queue_wait(struct policy *policy, uint32_t model, double replicas, int64_t now_ms)
{
    struct policy_model *m = &policy->models[model];
    uint32_t k = replicas > 0.0 ? (uint32_t)replicas : 0;

    if (replicas <= 0.0)
        return queue_without_holder(m);
    if (k < QUEUE_SMALL || m->queue_from == POLICY_NONE)
        policy_queue_fill(policy, model, replicas, now_ms);
    uint32_t at = k > m->queue_from ? k - m->queue_from : 0;
    if (at > QUEUE_TABLE - 2)
        at = QUEUE_TABLE - 2;
    double share = policy_clamp(replicas - (double)(m->queue_from + at), 0.0, 1.0);
    double low = m->queue[at] * policy_service_mean(m);
    double high = m->queue[at + 1] * policy_service_mean(m);
    if (m->queue_from + at == 0)
        low = queue_without_holder(m);
    return (1.0 - share) * low + share * high;
}

double policy_replicas(const struct policy_model *model)
{
    return (double)model->duty_milli / 1000.0;
}

/* --- F and X
 * ------------------------------------------------------------------------------------------ */

double policy_collision(const struct policy *policy, uint32_t pair, double service_s,
                        int64_t now_ms)
{
    const struct policy_pair *p = &policy->pairs[pair];
    const struct policy_node *node = &policy->nodes[p->node];
    const struct policy_warm *warm = node->warm, *end = warm + node->warm_n;
    double delayed = service_s * COLLIDE_SHARE, sum = 0.0, lost = 0.0;

    if (!policy->settings.homes || warm == end)
        return 0.0;
    if (node->warm_n >= node->warm_max) {
        lost = policy_warm_chance(warm, now_ms) * policy_max(0.0, warm->tokens) / p->prompt_tps;
        warm++;
    }
    for (; warm < end; warm++) {
        double again = policy_min(policy_max(0.0, warm->tokens) / p->prompt_tps, delayed);
        sum += policy_warm_chance(warm, now_ms) * again;
    }
    return lost + sum * (service_s / (service_s + COLLIDE_S));
}

/* What comes back finds its cache gone: seconds. */
double policy_warm_value(const struct policy *policy, uint32_t pair, int64_t now_ms)
{
    const struct policy_pair *p = &policy->pairs[pair];
    const struct policy_node *node = &policy->nodes[p->node];
    double sum = 0.0;

    if (!policy->settings.homes)
        return 0.0;
    for (uint32_t i = 0; i < node->warm_n; i++) {
        const struct policy_warm *warm = &node->warm[i];
        if (warm->is_home && warm->model == p->model)
            sum += policy_warm_chance(warm, now_ms) * policy_max(0.0, warm->tokens) / p->prompt_tps;
    }
    return sum;
}

double policy_replica_loss(struct policy *policy, uint32_t pair, int64_t now_ms)
{
    const struct policy_pair *p = &policy->pairs[pair];
    const struct policy_model *m = &policy->models[p->model];
    double k = policy_replicas(m), duty = policy->nodes[p->node].heat.duty;

    return policy_demand_now(policy, m, now_ms) *
           policy_max(0.0, policy_queue_wait(policy, p->model, k - duty, now_ms) -
                               policy_queue_wait(policy, p->model, k, now_ms));
}

/* Seconds to bring an evicted model back after `pair` has been here. */
static double load_back(const struct policy *policy, uint32_t evicted, uint32_t pair)
{
    const struct policy_pair *p = &policy->pairs[evicted];
    const struct policy_node *node = &policy->nodes[p->node];

    if (p->bytes <= policy_cache_room(policy, pair))
        return INIT_S / node->speed + p->bytes / PAGE_CACHE_BPS;
    return p->load_s;
}

/* The least of three: what the queue of the evicted model grows by over the horizon, a load
 * elsewhere, and loading it back when it is asked for, with the wait until then. */
static double harm_of(struct policy *policy, uint32_t evicted, uint32_t pair, double seconds,
                      int64_t now_ms)
{
    const struct policy_model *m = &policy->models[policy->pairs[evicted].model];
    double lambda = policy_demand_now(policy, m, now_ms);
    double queue = HARM_HORIZON_S * policy_replica_loss(policy, evicted, now_ms);
    double elsewhere = HARM_LOADS_MAX * (m->load_s + HARM_S);
    double back =
        load_back(policy, evicted, pair) * (1.0 - policy_exp_neg(HARM_HORIZON_S * lambda)) +
        0.5 * lambda * seconds * seconds;

    return policy_min(policy_min(queue, elsewhere), back) +
           HARM_WARM * policy_warm_value(policy, evicted, now_ms);
}

double policy_harm(struct policy *policy, uint32_t node, uint32_t pair, double seconds,
                   int64_t now_ms)
{
    uint32_t evicted[POLICY_RESIDENT_MAX];
    uint32_t n = policy_would_evict(policy, node, pair, evicted);
    double sum = 0.0;

    for (uint32_t i = 0; i < n; i++)
        sum += harm_of(policy, evicted[i], pair, seconds, now_ms);
    return sum;
}
