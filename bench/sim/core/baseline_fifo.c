/* One queue in order of arrival, late binding: the simplest policy that keeps requests. */

#include <stdlib.h>
#include <string.h>

#include "baselines.h"
#include "grow.h"
#include "rng.h"

struct fifo {
    const struct view *view;
    struct rng rng;
    uint32_t *queue; /* requests; the first is at `head` */
    size_t head, n, capacity;
    uint32_t *believed; /* model of each node */
    uint32_t *candidates;
};

static void *make(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options)
{
    struct fifo *fifo = grow_new(1, sizeof *fifo);

    (void)kind;
    (void)options;
    fifo->view = view;
    fifo->rng = rng_make(seed, RNG_POLICY, 0);
    fifo->believed = grow_new(view->n_nodes, sizeof *fifo->believed);
    fifo->candidates = grow_new(view->n_nodes, sizeof *fifo->candidates);
    for (uint32_t i = 0; i < view->n_nodes; i++)
        fifo->believed[i] = VIEW_NONE;
    return fifo;
}

static void destroy(void *policy)
{
    struct fifo *fifo = policy;

    free(fifo->queue);
    free(fifo->believed);
    free(fifo->candidates);
    free(fifo);
}

/* Keeps those of the candidates that hold the model, if there are any. */
static uint32_t prefer_holders(struct fifo *fifo, uint32_t model, uint32_t n)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        if (fifo->believed[fifo->candidates[i]] == model)
            fifo->candidates[kept++] = fifo->candidates[i];
    }
    return kept > 0 ? kept : n;
}

static void pump(struct fifo *fifo)
{
    while (fifo->n > 0) {
        uint32_t id = fifo->queue[fifo->head], model = fifo->view->asks[id].model, n = 0;

        for (uint32_t i = 0; i < fifo->view->n_nodes; i++) {
            if (view_can(fifo->view, i, model) && fifo->view->nodes[i].in_flight == 0)
                fifo->candidates[n++] = i;
        }
        if (n == 0)
            return;
        n = prefer_holders(fifo, model, n);
        uint32_t node = fifo->candidates[rng_below(&fifo->rng, n)];
        fifo->head++;
        fifo->n--;
        fifo->believed[node] = model;
        view_send(fifo->view, id, node);
    }
    fifo->head = 0;
}

static void arrived(void *policy, uint32_t id)
{
    struct fifo *fifo = policy;
    bool first = fifo->view->asks[id].losses > 0;

    fifo->queue = grow(fifo->queue, &fifo->capacity, fifo->head + fifo->n + 1, sizeof *fifo->queue);
    if (first && fifo->head > 0) {
        fifo->queue[--fifo->head] = id;
    } else if (first) {
        memmove(fifo->queue + 1, fifo->queue, fifo->n * sizeof *fifo->queue);
        fifo->queue[0] = id;
    } else {
        fifo->queue[fifo->head + fifo->n] = id;
    }
    fifo->n++;
    pump(fifo);
}

static void done(void *policy, const struct told *told)
{
    (void)told;
    pump(policy);
}

static void back(void *policy, uint32_t node)
{
    struct fifo *fifo = policy;

    fifo->believed[node] = VIEW_NONE;
    pump(fifo);
}

const struct sim_policy baseline_fifo = {
    .name = "fifo",
    .summary = "one queue, late binding; an idle node with the model preferred",
    .is_late_binding = true,
    .make = make,
    .free = destroy,
    .arrived = arrived,
    .done = done,
    .back = back,
};
