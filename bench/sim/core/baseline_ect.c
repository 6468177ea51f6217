/* Early binding by expected completion time: sent at once to where it should be done first. */

#include <stdlib.h>
#include <string.h>

#include "baselines.h"
#include "beliefs.h"
#include "grow.h"
#include "real.h"
#include "rng.h"
#include "sim_time.h"

#define RATE_S       300.0 /* over which demand is averaged */
#define LOAD_PRICE   1.25  /* of a second spent loading */
#define HARM_MAX_S   20.0  /* for taking a model away from others */
#define HARM_S       60.0
#define HARM_SHARE   0.5
#define RESIDUAL_MIN 0.15
#define SCAN_MAX     64 /* nodes; of more a sample is looked at */
#define SAMPLE       32

struct job {
    uint32_t ask;
    int64_t sent_ns;
    double service_s, load_s;
};

struct line {
    struct job *jobs;
    size_t n, capacity;
};

struct ect {
    const struct view *view;
    struct rng rng;
    struct beliefs beliefs;
    struct line *lines; /* by node, in order of sending */
    double *rate;       /* by model */
    int64_t *rate_ns;
    uint32_t *homes; /* by session: where it was sent last */
    size_t n_homes;
    uint32_t *candidates, *sample;
};

static void *make(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options)
{
    struct ect *ect = grow_new(1, sizeof *ect);

    (void)kind;
    (void)options;
    ect->view = view;
    ect->rng = rng_make(seed, RNG_POLICY, 0);
    beliefs_init(&ect->beliefs, view);
    ect->lines = grow_new(view->n_nodes, sizeof *ect->lines);
    ect->rate = grow_new(view->n_models, sizeof *ect->rate);
    ect->rate_ns = grow_new(view->n_models, sizeof *ect->rate_ns);
    ect->candidates = grow_new(view->n_nodes, sizeof *ect->candidates);
    ect->sample = grow_new(2 * SAMPLE + 1, sizeof *ect->sample);
    return ect;
}

static void destroy(void *policy)
{
    struct ect *ect = policy;

    for (uint32_t i = 0; i < ect->view->n_nodes; i++)
        free(ect->lines[i].jobs);
    beliefs_free(&ect->beliefs);
    free(ect->lines);
    free(ect->rate);
    free(ect->rate_ns);
    free(ect->homes);
    free(ect->candidates);
    free(ect->sample);
    free(ect);
}

static double rate_now(const struct ect *ect, uint32_t model)
{
    double silent_s = sim_s(ect->view->now_ns - ect->rate_ns[model]),
           now_s = sim_s(ect->view->now_ns);

    return ect->rate[model] * real_exp(-silent_s / RATE_S) /
           (1 - real_exp(-(now_s > 1 ? now_s : 1) / RATE_S));
}

static void count_arrival(struct ect *ect, uint32_t model)
{
    double silent_s = sim_s(ect->view->now_ns - ect->rate_ns[model]);

    ect->rate[model] = ect->rate[model] * real_exp(-silent_s / RATE_S) + 1 / RATE_S;
    ect->rate_ns[model] = ect->view->now_ns;
}

/* Seconds of work that are there already. */
static double backlog_s(const struct ect *ect, uint32_t node)
{
    const struct line *line = &ect->lines[node];
    double sum_s = 0;

    for (size_t i = 0; i < line->n; i++) {
        const struct job *job = &line->jobs[i];
        double left_s = job->service_s + job->load_s, least_s = RESIDUAL_MIN * job->service_s;

        if (i == 0)
            left_s -= sim_s(ect->view->now_ns - job->sent_ns);
        sum_s += i == 0 && left_s < least_s ? least_s : left_s;
    }
    return sum_s;
}

static double cost_s(const struct ect *ect, const struct ask *ask, uint32_t node, struct job *ret)
{
    uint32_t believed = ect->beliefs.nodes[node].model;
    double cost;

    ret->service_s = beliefs_service_s(&ect->beliefs, ask, node);
    ret->load_s = LOAD_PRICE * beliefs_load_s(&ect->beliefs, node, ask->model);
    cost = backlog_s(ect, node) + ret->load_s + ret->service_s;
    if (ret->load_s > 0 && believed != VIEW_NONE) {
        double harm_s = rate_now(ect, believed) * HARM_S *
                        ect->view->load_s[view_pair(ect->view, node, believed)] * HARM_SHARE;
        cost += harm_s < HARM_MAX_S ? harm_s : HARM_MAX_S;
    }
    return cost;
}

/* `max` of n items, drawn without putting back, to the front. */
static uint32_t draw(struct rng *rng, uint32_t *items, uint32_t n, uint32_t max)
{
    for (uint32_t i = 0; i < n && i < max; i++) {
        uint32_t k = i + rng_below(rng, n - i), kept = items[i];
        items[i] = items[k];
        items[k] = kept;
    }
    return n < max ? n : max;
}

/* In a large fleet: some that hold the model, some others, and the conversation's home. */
static uint32_t narrow(struct ect *ect, const struct ask *ask, uint32_t n)
{
    uint32_t *holders = grow_new(n, sizeof *holders), n_holders = 0, count;

    for (uint32_t i = 0; i < n; i++) {
        if (ect->beliefs.nodes[ect->candidates[i]].model == ask->model)
            holders[n_holders++] = ect->candidates[i];
    }
    count = draw(&ect->rng, holders, n_holders, SAMPLE);
    memcpy(ect->sample, holders, count * sizeof *holders);
    free(holders);
    n = draw(&ect->rng, ect->candidates, n, SAMPLE);
    memcpy(ect->sample + count, ect->candidates, n * sizeof *ect->candidates);
    count += n;
    if (ask->session < ect->n_homes && ect->homes[ask->session] != VIEW_NONE &&
        ect->view->nodes[ect->homes[ask->session]].is_up)
        ect->sample[count++] = ect->homes[ask->session];
    return count;
}

static void remember(struct ect *ect, const struct ask *ask, uint32_t node)
{
    size_t before = ect->n_homes;

    ect->homes = grow(ect->homes, &ect->n_homes, ask->session + 1u, sizeof *ect->homes);
    for (size_t i = before; i < ect->n_homes; i++)
        ect->homes[i] = VIEW_NONE;
    ect->homes[ask->session] = node;
}

static void arrived(void *policy, uint32_t id)
{
    struct ect *ect = policy;
    struct ask ask = ect->view->asks[id];
    uint32_t n = baseline_candidates(ect->view, ask.model, ect->candidates), best = VIEW_NONE;
    const uint32_t *nodes = ect->candidates;
    struct job best_job = {0};
    double best_s = 1e18;

    count_arrival(ect, ask.model);
    if (n > SCAN_MAX) {
        n = narrow(ect, &ask, n);
        nodes = ect->sample;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct job job = {.ask = id, .sent_ns = ect->view->now_ns};
        double sum_s = cost_s(ect, &ask, nodes[i], &job);
        if (sum_s < best_s) {
            best_s = sum_s;
            best = nodes[i];
            best_job = job;
        }
    }
    struct line *line = &ect->lines[best];
    if (line->n == 0)
        beliefs_busy(&ect->beliefs, best, true);
    beliefs_sent(&ect->beliefs, id, best);
    remember(ect, &ask, best);
    line->jobs = grow(line->jobs, &line->capacity, line->n + 1, sizeof *line->jobs);
    line->jobs[line->n++] = best_job;
    view_send(ect->view, id, best);
}

static void done(void *policy, const struct told *told)
{
    struct ect *ect = policy;
    struct line *line = &ect->lines[told->node];
    size_t i = 0;

    while (i < line->n && line->jobs[i].ask != told->ask)
        i++;
    if (i < line->n) {
        memmove(&line->jobs[i], &line->jobs[i + 1], (line->n - i - 1) * sizeof *line->jobs);
        line->n--;
    }
    if (line->n == 0)
        beliefs_busy(&ect->beliefs, told->node, false);
}

static void heard(void *policy, uint32_t node)
{
    beliefs_heard(&((struct ect *)policy)->beliefs, node);
}

static void lost(void *policy, uint32_t node)
{
    struct ect *ect = policy;

    beliefs_lost(&ect->beliefs, node);
    ect->lines[node].n = 0;
}

const struct sim_policy baseline_ect = {
    .name = "ect",
    .summary = "early binding by expected completion time, with every estimate there is",
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .done = done,
    .heard = heard,
    .lost = lost,
};
