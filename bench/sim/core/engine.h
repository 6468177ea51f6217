#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

/*
 * The simulator's engine: events in order of time, machines as node_model.h, requests as the
 * workload says, decisions as the policy makes them. One run is a function of scenario, workload,
 * policy and seed: the same every time, on every machine; `hash` in the result proves it.
 *
 * QUEUES. A node that is given more than it can run keeps a queue. Discipline `ollama`: a request
 * of the model in memory passes others by, as Ollama's scheduler does; `fifo`: none does.
 *
 * FAULTS. A node that dies says nothing. notice_s later it is missed: its requests come back to the
 * policy. What was running there is lost and runs again elsewhere.
 *
 * END. Arrivals end at duration_s; drain_s later the run ends. A request that is not answered by
 * then counts with the time that it has waited so far: none is dropped from the figures.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap.h"
#include "node_model.h"
#include "scenario.h"
#include "view.h"
#include "workload.h"

enum discipline { DISCIPLINE_OLLAMA = 0, DISCIPLINE_FIFO };

/* What nobody but the engine knows of a request. */
struct request {
    int32_t cached; /* tokens that were not computed */
    int32_t answer,
        history;         /* tokens; history: of earlier turns and system prompt, 0 at the first */
    uint32_t node, next; /* where it is; the one behind it in that node's queue */
    int64_t sent_ns, began_ns, first_ns, done_ns; /* -1: not yet */
    int64_t load_ns, prefill_ns;
    bool was_cold, is_measured;
};

struct engine {
    const struct scenario *scenario;
    const struct workload *workload;
    const struct sim_policy *kind;
    void *policy;
    enum discipline discipline;
    struct view view;
    struct view_node *seen;
    double *answer_tokens;
    double *size_gb;
    struct sim_node *nodes;
    struct heap heap;
    struct ask *asks;
    struct request *requests; /* as many as asks */
    uint32_t n_requests;
    size_t cap_asks, cap_requests;
    int64_t end_ns, stop_ns;
    uint64_t decisions; /* sent and preloaded */
    uint64_t hash;      /* FNV-1a over every decision and every answer, in order */
};

/* `scenario`, `workload` and `kind` are borrowed for the engine's life. `options`: as the policy
 * understands them, or NULL. */
void engine_init(struct engine *engine, const struct scenario *scenario,
                 const struct workload *workload, const struct sim_policy *kind,
                 enum discipline discipline, uint64_t seed, const char *options);

/* Runs to the end. `progress`, if any, is called now and then with the share that is done. */
void engine_run(struct engine *engine, void (*progress)(void *arg, double share), void *arg);

void engine_free(struct engine *engine);

#endif
