#ifndef SIM_RUN_H
#define SIM_RUN_H

/* Runs a case with several policies and seeds, some at a time: each run is a process of its own
 * (--jobs), so a run cannot disturb another one. */

#include <stdint.h>

#include "result.h"
#include "setup.h"

#define RUN_QUANTILES 101 /* 0 % to 100 % */

struct outcome {
    const struct sim_policy *kind;
    uint64_t seed;
    bool is_done;
    uint64_t hash;
    struct result result;
    double latency_s[RUN_QUANTILES], bound_s[RUN_QUANTILES];
};

/* Everything that came of one case. */
struct report {
    const struct sim_case *sim_case;
    const struct setup *setup;
    size_t n; /* outcomes: policy by policy, seeds ascending */
    struct outcome *outcomes;
};

/* Fills *ret; run_free() frees it. Returns false if a run failed; it has said why. */
bool run_case(const struct setup *setup, const struct sim_case *sim_case, struct report *ret);
void run_free(struct report *report);

/* The outcomes of policy `index` of the setup: how many, the first. */
size_t run_of_policy(const struct report *report, size_t index, const struct outcome **ret_first);

#endif
