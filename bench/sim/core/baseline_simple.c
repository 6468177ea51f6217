/* Policies that know no more of a node than how many requests it has. */

#include <stdlib.h>

#include "baselines.h"
#include "grow.h"
#include "real.h"
#include "rng.h"
#include "sim_time.h"

#define EWMA_TAU_S   60.0
#define EWMA_START_S 10.0

enum variant { ROUND_ROBIN, RANDOM, TWO_CHOICES, TWO_CHOICES_EWMA, RESIDENT_LB };

struct simple {
    const struct view *view;
    struct rng rng;
    enum variant variant;
    uint32_t turn;
    uint32_t *candidates;
    double *ewma_s; /* by node */
    int64_t *ewma_ns;
};

uint32_t baseline_candidates(const struct view *view, uint32_t model, uint32_t *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < view->n_nodes; i++) {
        if (view_can(view, i, model))
            out[n++] = i;
    }
    if (n == 0)
        view_fail(view, "no node that is up can run the model");
    return n;
}

static void *make(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options)
{
    struct simple *simple = grow_new(1, sizeof *simple);

    (void)options;
    simple->view = view;
    simple->variant = (enum variant)kind->variant;
    simple->rng = rng_make(seed, RNG_POLICY, 0);
    simple->candidates = grow_new(view->n_nodes, sizeof *simple->candidates);
    simple->ewma_s = grow_new(view->n_nodes, sizeof *simple->ewma_s);
    simple->ewma_ns = grow_new(view->n_nodes, sizeof *simple->ewma_ns);
    for (uint32_t i = 0; i < view->n_nodes; i++)
        simple->ewma_s[i] = EWMA_START_S;
    return simple;
}

static void destroy(void *policy)
{
    struct simple *simple = policy;

    free(simple->candidates);
    free(simple->ewma_s);
    free(simple->ewma_ns);
    free(simple);
}

static uint32_t round_robin(struct simple *simple, uint32_t model)
{
    for (uint32_t i = 0; i < simple->view->n_nodes; i++) {
        simple->turn = (simple->turn + 1) % simple->view->n_nodes;
        if (view_can(simple->view, simple->turn, model))
            return simple->turn;
    }
    view_fail(simple->view, "no node that is up can run the model");
}

static double cost(const struct simple *simple, uint32_t node)
{
    double in_flight = simple->view->nodes[node].in_flight;

    return simple->variant == TWO_CHOICES_EWMA ? simple->ewma_s[node] * (in_flight + 1) : in_flight;
}

static uint32_t two_choices(struct simple *simple, uint32_t n)
{
    uint32_t a = simple->candidates[rng_below(&simple->rng, n)];
    uint32_t b = simple->candidates[rng_below(&simple->rng, n)];

    return cost(simple, a) <= cost(simple, b) ? a : b;
}

/* Is a better than b? Both or neither have the model in memory; `draw` decides ties. */
static bool is_lighter(const struct view_node *a, const struct view_node *b, bool by_memory)
{
    if (by_memory && (a->ram_pct < b->ram_pct || a->ram_pct > b->ram_pct))
        return a->ram_pct < b->ram_pct;
    return a->in_flight < b->in_flight;
}

static uint32_t resident_lb_from(const struct simple *simple, uint32_t model, uint32_t n,
                                 uint32_t offset, bool *ret_has)
{
    const struct view_node *nodes = simple->view->nodes;
    uint32_t best = simple->candidates[0];
    bool best_has = false;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = simple->candidates[(i + offset) % n];
        bool has = nodes[node].resident == model;
        if (i == 0 || has > best_has ||
            (has == best_has && is_lighter(&nodes[node], &nodes[best], !has))) {
            best = node;
            best_has = has;
        }
    }
    *ret_has = best_has;
    return best;
}

/* Among holders chance decides ties, among others the order. */
static uint32_t resident_lb(struct simple *simple, uint32_t model, uint32_t n)
{
    bool has;
    uint32_t best = resident_lb_from(simple, model, n, rng_below(&simple->rng, n), &has);

    return has ? best : resident_lb_from(simple, model, n, 0, &has);
}

static uint32_t choose(struct simple *simple, uint32_t model)
{
    uint32_t n;

    if (simple->variant == ROUND_ROBIN)
        return round_robin(simple, model);
    n = baseline_candidates(simple->view, model, simple->candidates);
    switch (simple->variant) {
    case TWO_CHOICES:
    case TWO_CHOICES_EWMA:
        return two_choices(simple, n);
    case RESIDENT_LB:
        return resident_lb(simple, model, n);
    case RANDOM:
    case ROUND_ROBIN:
        break;
    }
    return simple->candidates[rng_below(&simple->rng, n)];
}

static void arrived(void *policy, uint32_t ask)
{
    struct simple *simple = policy;

    view_send(simple->view, ask, choose(simple, simple->view->asks[ask].model));
}

static void done(void *policy, const struct told *told)
{
    struct simple *simple = policy;
    double latency_s = sim_s(told->done_ns - told->sent_ns), *ewma_s = &simple->ewma_s[told->node];
    double keep = real_exp(-sim_s(told->done_ns - simple->ewma_ns[told->node]) / EWMA_TAU_S);

    simple->ewma_ns[told->node] = told->done_ns;
    *ewma_s = latency_s > *ewma_s ? latency_s : *ewma_s * keep + latency_s * (1 - keep);
}

const struct sim_policy baseline_round_robin = {
    .name = "round-robin",
    .summary = "the next node in turn",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .variant = ROUND_ROBIN,
};

const struct sim_policy baseline_random = {
    .name = "random",
    .summary = "any node",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .variant = RANDOM,
};

const struct sim_policy baseline_p2c = {
    .name = "p2c",
    .summary = "two random nodes, the one with fewer in flight",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .variant = TWO_CHOICES,
};

const struct sim_policy baseline_p2c_ewma = {
    .name = "p2c-ewma",
    .summary = "two random nodes, the one with the smaller peak-EWMA of latency",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .done = done,
    .variant = TWO_CHOICES_EWMA,
};

const struct sim_policy baseline_resident_lb = {
    .name = "resident-lb",
    .summary = "a node that has the model, with the fewest in flight; else the least memory in use",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .variant = RESIDENT_LB,
};
