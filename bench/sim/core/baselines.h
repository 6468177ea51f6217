#ifndef SIM_BASELINES_H
#define SIM_BASELINES_H

/*
 * The policies that the router's own is compared with, and the list of all. What the router can do
 * itself (late, chwbl, chwbl-prefix, least-conn, first-resident) is the router's own library:
 * routed.h.
 *
 *     round-robin   the next node in turn
 *     random        any node
 *     p2c           of two random nodes the one with fewer requests in flight
 *     p2c-ewma      of two random nodes the one with the smaller peak-EWMA of latency times
 * requests in flight plus one (Finagle, tower): jumps to a peak, decays with 60 s resident-lb   a
 * node with the model in memory with the fewest in flight, else the least memory in use cache-aware
 * as SGLang's router: where the conversation was last, unless the loads differ by more than 4 and
 * 10 %; else the fewest in flight blend         as llm-d's scorers: 3 * share of the prompt cached
 * + 2 * model in memory (0.8 for an empty node) + 2 * emptiness relative to the others fifo one
 * queue, late binding: the first goes to any idle node, one with its model preferred ect early
 * binding by expected completion time: everything that docs/routing.md estimates (speeds, loads,
 * caches, heat), but sent at once
 *
 * cache-aware, blend and ect are written after the idea of those products, not taken from them.
 */

#include "view.h"

extern const struct sim_policy baseline_round_robin, baseline_random, baseline_p2c,
    baseline_p2c_ewma, baseline_resident_lb, baseline_cache_aware, baseline_blend, baseline_fifo,
    baseline_ect;

/* All policies, the router's own first; NULL ends the list. */
extern const struct sim_policy *const policies[];

/* The policy of that name, or NULL. */
const struct sim_policy *policy_find(const char *name);

/* The nodes that may be given the model: into `out` (one per node); returns how many. */
uint32_t baseline_candidates(const struct view *view, uint32_t model, uint32_t *out);

#endif
