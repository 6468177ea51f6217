#include "result.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "grow.h"
#include "sim_time.h"

#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct result, name)                                                       \
    }
#define WORST_MIN 20 /* requests of a model that say something about it */

const struct result_field result_fields[] = {
    FIELD(requests),     FIELD(unfinished),      FIELD(p50_s),           FIELD(p90_s),
    FIELD(p99_s),        FIELD(mean_s),          FIELD(max_s),           FIELD(first50_s),
    FIELD(first90_s),    FIELD(first99_s),       FIELD(bound50_s),       FIELD(bound90_s),
    FIELD(bound99_s),    FIELD(bound_first50_s), FIELD(bound_first90_s), FIELD(bound_first99_s),
    FIELD(mean_bound_s), FIELD(mean_wait_s),     FIELD(mean_load_s),     FIELD(mean_again_s),
    FIELD(mean_slow_s),  FIELD(cold_pct),        FIELD(loads),           FIELD(preloads),
    FIELD(hot_s),        FIELD(slowed_s),        FIELD(busy_pct),        FIELD(worst95_s),
    FIELD(decisions),    FIELD(rests),           FIELD(run_s),
};
const size_t result_fields_n = sizeof result_fields / sizeof result_fields[0];
_Static_assert(sizeof result_fields / sizeof result_fields[0] ==
                   sizeof(struct result) / sizeof(double),
               "each figure has its name");

static double *at(struct result *result, size_t field)
{
    return (double *)(void *)((char *)result + result_fields[field].offset);
}

double result_get(const struct result *result, size_t field)
{
    double value;

    memcpy(&value, (const char *)result + result_fields[field].offset, sizeof value);
    return value;
}

void result_mean(const struct result *results, size_t n, struct result *ret)
{
    *ret = (struct result){0};
    for (size_t field = 0; field < result_fields_n; field++) {
        for (size_t i = 0; i < n; i++)
            *at(ret, field) += result_get(&results[i], field);
        *at(ret, field) /= (double)n;
    }
}

static int compare(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Of n sorted values. */
static double percentile(const double *sorted, size_t n, double p)
{
    size_t i = (size_t)(p * (double)n);

    if (n == 0)
        return 0;
    return sorted[i < n ? i : n - 1];
}

static void percentiles(double *values, size_t n, double *ret50, double *ret90, double *ret99)
{
    qsort(values, n, sizeof *values, compare);
    *ret50 = percentile(values, n, 0.5);
    *ret90 = percentile(values, n, 0.9);
    *ret99 = percentile(values, n, 0.99);
}

static double latency_s(const struct engine *engine, uint32_t id)
{
    int64_t done_ns = engine->requests[id].done_ns;

    return sim_s((done_ns < 0 ? engine->view.now_ns : done_ns) - engine->asks[id].arrived_ns);
}

static double first_s(const struct engine *engine, uint32_t id)
{
    const struct request *request = &engine->requests[id];

    return sim_s((request->done_ns < 0 ? engine->view.now_ns : request->first_ns) -
                 engine->asks[id].arrived_ns);
}

static double worst95(const struct engine *engine, double *values)
{
    double worst = 0;

    for (uint32_t m = 0; m < engine->view.n_models; m++) {
        size_t n = 0;
        for (uint32_t id = 0; id < engine->n_requests; id++) {
            if (engine->requests[id].is_measured && engine->asks[id].model == m)
                values[n++] = latency_s(engine, id);
        }
        qsort(values, n, sizeof *values, compare);
        double p95 = percentile(values, n, 0.95);
        if (n >= WORST_MIN && p95 > worst)
            worst = p95;
    }
    return worst;
}

static void measure_requests(const struct engine *engine, double *values, struct result *ret)
{
    size_t n = 0;
    double answered = 0, cold = 0;

    for (uint32_t id = 0; id < engine->n_requests; id++) {
        const struct request *request = &engine->requests[id];
        if (!request->is_measured)
            continue;
        values[n] = latency_s(engine, id);
        ret->mean_s += values[n++];
        if (request->done_ns < 0)
            ret->unfinished++;
        else
            answered++;
        if (request->done_ns >= 0 && request->was_cold)
            cold++;
    }
    ret->requests = (double)n;
    ret->mean_s /= n > 0 ? (double)n : 1;
    ret->cold_pct = 100 * cold / (answered > 0 ? answered : 1);
    percentiles(values, n, &ret->p50_s, &ret->p90_s, &ret->p99_s);
    ret->max_s = n > 0 ? values[n - 1] : 0;
    n = 0;
    for (uint32_t id = 0; id < engine->n_requests; id++) {
        if (engine->requests[id].is_measured)
            values[n++] = first_s(engine, id);
    }
    percentiles(values, n, &ret->first50_s, &ret->first90_s, &ret->first99_s);
}

static double fastest(const struct engine *engine)
{
    double speed = 0;

    for (uint32_t i = 0; i < engine->view.n_nodes; i++) {
        if (engine->workload->machines[i].speed > speed)
            speed = engine->workload->machines[i].speed;
    }
    return speed;
}

/* What the request would take at best; `first`: to the first token. */
static double bound_s(const struct engine *engine, uint32_t id, double speed, bool first)
{
    const struct request *request = &engine->requests[id];
    const struct ask *ask = &engine->asks[id];

    return workload_service_s(&engine->scenario->models[ask->model],
                              ask->prompt_tokens - request->history, first ? 0 : request->answer) /
           speed;
}

static size_t bounds(const struct engine *engine, bool first, double *values)
{
    double speed = fastest(engine);
    size_t n = 0;

    for (uint32_t id = 0; id < engine->n_requests; id++) {
        if (engine->requests[id].is_measured)
            values[n++] = bound_s(engine, id, speed, first);
    }
    return n;
}

size_t result_latencies(const struct engine *engine, double *ret_latency_s, double *ret_bound_s)
{
    size_t n = 0;

    for (uint32_t id = 0; id < engine->n_requests; id++) {
        if (engine->requests[id].is_measured)
            ret_latency_s[n++] = latency_s(engine, id);
    }
    return bounds(engine, false, ret_bound_s);
}

/* Splits the latency of those answered. */
static void measure_split(const struct engine *engine, struct result *ret)
{
    double speed = fastest(engine), n = 0;

    for (uint32_t id = 0; id < engine->n_requests; id++) {
        const struct request *request = &engine->requests[id];
        const struct ask *ask = &engine->asks[id];
        const struct scenario_model *model = &engine->scenario->models[ask->model];
        if (!request->is_measured || request->done_ns < 0)
            continue;
        double bound = bound_s(engine, id, speed, false), load_s = sim_s(request->load_ns);
        double wait_s = sim_s(request->began_ns - ask->arrived_ns) - load_s;
        double again_s = 0;
        if (request->cached < request->history)
            again_s = (request->history - request->cached) / (model->prefill_tps * speed);
        n++;
        ret->mean_bound_s += bound;
        ret->mean_load_s += load_s;
        ret->mean_wait_s += wait_s;
        ret->mean_again_s += again_s;
        ret->mean_slow_s += latency_s(engine, id) - bound - load_s - wait_s - again_s;
    }
    n = n > 0 ? n : 1;
    ret->mean_bound_s /= n;
    ret->mean_load_s /= n;
    ret->mean_wait_s /= n;
    ret->mean_again_s /= n;
    ret->mean_slow_s /= n;
}

static void measure_bound(const struct engine *engine, double *values, struct result *ret)
{
    size_t n = bounds(engine, false, values);

    percentiles(values, n, &ret->bound50_s, &ret->bound90_s, &ret->bound99_s);
    n = bounds(engine, true, values);
    percentiles(values, n, &ret->bound_first50_s, &ret->bound_first90_s, &ret->bound_first99_s);
}

static void measure_nodes(const struct engine *engine, struct result *ret)
{
    double n = engine->view.n_nodes, busy_s = 0;

    for (uint32_t i = 0; i < engine->view.n_nodes; i++) {
        const struct sim_node *node = &engine->nodes[i];
        ret->loads += (double)node->loads;
        ret->preloads += (double)node->preloads;
        ret->hot_s += (double)node->hot_s / n;
        ret->slowed_s += (double)node->slowed_s / n;
        busy_s += (double)node->busy_s;
    }
    ret->busy_pct = 100 * busy_s / (n * sim_s(engine->view.now_ns));
}

void result_of(const struct engine *engine, struct result *ret)
{
    double *values = grow_new(engine->n_requests, sizeof *values);

    *ret = (struct result){.decisions = (double)engine->decisions};
    measure_requests(engine, values, ret);
    measure_bound(engine, values, ret);
    measure_split(engine, ret);
    measure_nodes(engine, ret);
    ret->worst95_s = worst95(engine, values);
    if (engine->kind->rests)
        ret->rests = engine->kind->rests(engine->policy);
    free(values);
}
