/* Policies that remember which conversation is where: cache-aware and blend. */

#include <stdlib.h>
#include <string.h>

#include "baselines.h"
#include "grow.h"
#include "rng.h"

#define IMBALANCE        4 /* requests; beyond it cache-aware forgets about caches */
#define IMBALANCE_FACTOR 1.1
#define BLEND_CACHE      3.0
#define BLEND_MODEL      2.0
#define BLEND_QUEUE      2.0
#define BLEND_EMPTY_NODE 0.8 /* for a node without any model */
#define BLEND_GROWTH     100 /* tokens by which an answer makes the cached prompt longer */

enum variant { CACHE_AWARE, BLEND };

struct memory {
    uint32_t session;
    int32_t tokens;
};

struct affinity {
    const struct view *view;
    struct rng rng;
    enum variant variant;
    uint32_t *candidates;
    uint32_t *homes; /* by session, or VIEW_NONE */
    size_t n_homes;
    uint32_t *believed;                 /* model of each node */
    uint32_t *n_warm;                   /* by node */
    struct memory (*warm)[VIEW_KV_MAX]; /* by node, oldest first */
};

static void *make(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options)
{
    struct affinity *affinity = grow_new(1, sizeof *affinity);

    (void)options;
    affinity->view = view;
    affinity->variant = (enum variant)kind->variant;
    affinity->rng = rng_make(seed, RNG_POLICY, 0);
    affinity->candidates = grow_new(view->n_nodes, sizeof *affinity->candidates);
    affinity->believed = grow_new(view->n_nodes, sizeof *affinity->believed);
    affinity->n_warm = grow_new(view->n_nodes, sizeof *affinity->n_warm);
    affinity->warm = grow_new(view->n_nodes, sizeof *affinity->warm);
    for (uint32_t i = 0; i < view->n_nodes; i++)
        affinity->believed[i] = VIEW_NONE;
    return affinity;
}

static void destroy(void *policy)
{
    struct affinity *affinity = policy;

    free(affinity->candidates);
    free(affinity->homes);
    free(affinity->believed);
    free(affinity->n_warm);
    free(affinity->warm);
    free(affinity);
}

static void load_range(const struct affinity *affinity, uint32_t n, uint32_t *ret_min,
                       uint32_t *ret_max)
{
    *ret_min = UINT32_MAX;
    *ret_max = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t in_flight = affinity->view->nodes[affinity->candidates[i]].in_flight;
        if (in_flight < *ret_min)
            *ret_min = in_flight;
        if (in_flight > *ret_max)
            *ret_max = in_flight;
    }
}

/* --- cache-aware ------------------------------------------------------------------------------ */

static uint32_t *home_of(struct affinity *affinity, uint32_t session)
{
    size_t before = affinity->n_homes;

    affinity->homes = grow(affinity->homes, &affinity->n_homes, session + 1u, sizeof(uint32_t));
    for (size_t i = before; i < affinity->n_homes; i++)
        affinity->homes[i] = VIEW_NONE;
    return &affinity->homes[session];
}

/* A random one of those with `min` in flight. */
static uint32_t any_lightest(struct affinity *affinity, uint32_t n, uint32_t min)
{
    uint32_t lightest = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (affinity->view->nodes[affinity->candidates[i]].in_flight == min)
            affinity->candidates[lightest++] = affinity->candidates[i];
    }
    return affinity->candidates[rng_below(&affinity->rng, lightest)];
}

static uint32_t choose_cache_aware(struct affinity *affinity, const struct ask *ask, uint32_t n)
{
    uint32_t *home = home_of(affinity, ask->session), min, max;

    load_range(affinity, n, &min, &max);
    if ((max - min > IMBALANCE && max > IMBALANCE_FACTOR * min) || *home == VIEW_NONE ||
        !affinity->view->nodes[*home].is_up)
        *home = any_lightest(affinity, n, min);
    return *home;
}

/* --- blend ------------------------------------------------------------------------------------ */

static double cached_share(const struct affinity *affinity, const struct ask *ask, uint32_t node)
{
    if (affinity->believed[node] != ask->model)
        return 0;
    for (uint32_t i = 0; i < affinity->n_warm[node]; i++) {
        if (affinity->warm[node][i].session == ask->session) {
            double share = (double)affinity->warm[node][i].tokens / ask->prompt_tokens;
            return share < 1 ? share : 1;
        }
    }
    return 0;
}

static void remember(struct affinity *affinity, const struct ask *ask, uint32_t node)
{
    struct memory *warm = affinity->warm[node];
    uint32_t *n = &affinity->n_warm[node], i = 0;

    if (affinity->believed[node] != ask->model)
        *n = 0;
    affinity->believed[node] = ask->model;
    while (i < *n && warm[i].session != ask->session)
        i++;
    if (i == *n && *n >= affinity->view->nodes[node].kv)
        i = 0;
    if (i < *n) {
        memmove(&warm[i], &warm[i + 1], (*n - i - 1) * sizeof *warm);
        --*n;
    }
    warm[(*n)++] = (struct memory){ask->session, ask->prompt_tokens + BLEND_GROWTH};
}

static uint32_t choose_blend(struct affinity *affinity, const struct ask *ask, uint32_t n)
{
    uint32_t best = affinity->candidates[0], min, max;
    double best_score = -1;

    load_range(affinity, n, &min, &max);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node = affinity->candidates[i];
        double model = 0, queue = 1;

        if (affinity->believed[node] == ask->model)
            model = 1;
        else if (affinity->believed[node] == VIEW_NONE)
            model = BLEND_EMPTY_NODE;
        if (max > min)
            queue = (double)(max - affinity->view->nodes[node].in_flight) / (max - min);
        double score = BLEND_CACHE * cached_share(affinity, ask, node) + BLEND_MODEL * model +
                       BLEND_QUEUE * queue + 1e-6 * rng_unit(&affinity->rng);
        if (score > best_score) {
            best_score = score;
            best = node;
        }
    }
    remember(affinity, ask, best);
    return best;
}

static void heard(void *policy, uint32_t node)
{
    struct affinity *affinity = policy;

    if (affinity->view->nodes[node].in_flight == 0)
        affinity->believed[node] = affinity->view->nodes[node].resident;
}

static void arrived(void *policy, uint32_t id)
{
    struct affinity *affinity = policy;
    struct ask ask = affinity->view->asks[id];
    uint32_t n = baseline_candidates(affinity->view, ask.model, affinity->candidates);

    view_send(affinity->view, id,
              affinity->variant == BLEND ? choose_blend(affinity, &ask, n)
                                         : choose_cache_aware(affinity, &ask, n));
}

const struct sim_policy baseline_cache_aware = {
    .name = "cache-aware",
    .summary = "where the conversation was, unless loads differ too much (as SGLang's router)",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .variant = CACHE_AWARE,
};

const struct sim_policy baseline_blend = {
    .name = "blend",
    .summary = "3 cache + 2 model + 2 queue (as llm-d's scorers)",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .heard = heard,
    .variant = BLEND,
};
