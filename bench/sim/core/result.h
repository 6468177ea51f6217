#ifndef SIM_RESULT_H
#define SIM_RESULT_H

/*
 * The figures of one run, and the mean of several. Pure.
 *
 * Counted are the requests that arrived after warmup_s. One that was not answered counts with the
 * time that it had waited when the run ended, for latency and for first token alike. The percentile
 * p of n values is the one at place floor(p * n) of n, from 0.
 *
 * THE BOUND. What no policy can beat: each request as if it ran at once on the fastest board, its
 * model warm, its whole history cached. (A system prompt that another session has warm could still
 * be saved; this bound does not count on it.)
 */

#include <stddef.h>
#include <stdint.h>

struct engine;

/* All doubles, so that a mean is a mean: their order is that of result_fields. Seconds unless the
 * name says otherwise. */
struct result {
    double requests;   /* counted */
    double unfinished; /* of them */
    double p50_s, p90_s, p99_s, mean_s, max_s;
    double first50_s, first90_s, first99_s; /* to the first token */
    double bound50_s, bound90_s, bound99_s; /* the bound's latency */
    double bound_first50_s, bound_first90_s, bound_first99_s;
    /* Where the mean goes: mean_s = bound + wait + load + again + slow, of those answered. */
    double mean_bound_s;
    double mean_wait_s;  /* in the router's queue or the node's */
    double mean_load_s;  /* for the model */
    double mean_again_s; /* history computed again that was cached somewhere once */
    double mean_slow_s;  /* slower board than the fastest, heat; less what a shared prompt saved */
    double cold_pct;     /* of those answered: the model was loaded for it */
    double loads, preloads;
    double hot_s;     /* per node: seconds at or above 80 C, where firmware throttles */
    double slowed_s;  /* per node: seconds answering below full clock */
    double busy_pct;  /* of the nodes' time */
    double worst95_s; /* P95 of the model that has it worst (of at least 20 requests) */
    double decisions; /* of the policy: sent and preloaded */
    double rests;     /* the real policy only: times that a node began to rest, per node */
    double run_s;     /* real time that the run took */
};

struct result_field {
    const char *name;
    size_t offset;
};
extern const struct result_field result_fields[];
extern const size_t result_fields_n;

double result_get(const struct result *result, size_t field);

void result_of(const struct engine *engine, struct result *ret);

/* Latency and bound of each counted request, into arrays of n_requests; returns how many. */
size_t result_latencies(const struct engine *engine, double *ret_latency_s, double *ret_bound_s);

/* n >= 1. */
void result_mean(const struct result *results, size_t n, struct result *ret);

#endif
