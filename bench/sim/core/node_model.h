#ifndef SIM_NODE_MODEL_H
#define SIM_NODE_MODEL_H

/*
 * One simulated Raspberry Pi with its Ollama: one slot, one model in memory, a queue, a page cache,
 * warm conversations, and heat. Values only: the engine makes the events.
 *
 * HEAT. T = ambient + idle_c + fast_c * p + x;  dx/dt = (slow_c * p - x) / tau_s, in steps of a
 * second. Power p: clock^2.2 while answering, 0.35 while loading, 0 idle. Clock: from 1 at 80 C
 * linearly to min_clock at 85 C; it falls by 0.05 a second at most and recovers by 0.02. Speed is
 * 0.25 + 0.75 * clock: part of the work waits for memory, whose clock stays.
 *
 * LOADING. 0.8 s / speed, then the file: from the page cache at 1.5 GB/s, else from the disk. A
 * model takes 1.15 times its file plus 0.25 GB; what RAM is left caches the files of models
 * unloaded before, least recently used ones going first.
 *
 * CACHE. A conversation among the newest `kv` of the resident model costs only what is new; one
 * that begins with the same system prompt as one of them saves that. All is gone when the model
 * changes.
 */

#include <stdbool.h>
#include <stdint.h>

#include "scenario.h"
#include "workload.h"

#define NODE_MODEL_NONE UINT32_MAX
#define NODE_HOT_C      80.0 /* where the firmware begins to throttle */
#define NODE_POWER_LOAD 0.35

enum node_phase {
    PHASE_IDLE = 0,
    PHASE_LOADING, /* for the current request */
    PHASE_ANSWERING,
    PHASE_PRELOADING, /* for nobody yet */
};

struct warm {
    uint32_t session, app;
    int32_t tokens;
};

struct sim_node {
    const struct machine *machine;
    const struct scenario_kit *kit;
    enum node_phase phase;
    bool is_alive;
    uint32_t version;             /* of its next event: older ones are void */
    uint32_t resident;            /* model, or NODE_MODEL_NONE */
    uint32_t loading;             /* likewise */
    uint32_t current;             /* request, or NODE_MODEL_NONE */
    uint32_t first, last, queued; /* queue: linked through the requests */
    uint32_t n_warm;
    struct warm warm[SCENARIO_KV_MAX]; /* oldest first */
    uint32_t n_files;
    uint32_t *files; /* page cache, oldest first; one per model of the scenario at most */
    /* heat */
    double decay; /* 1 - e^(-1 s / tau) */
    double slow_c, temp_c, clock, power;
    /* the answer under way */
    double work_ns; /* left, at full clock, as of since_ns */
    double rate;    /* of the clock */
    int64_t since_ns;
    /* counters, seconds and times */
    uint64_t busy_s, slowed_s, hot_s, loads, preloads;
};

void node_init(struct sim_node *node, const struct scenario *scenario,
               const struct machine *machine, uint32_t n_models);
void node_free(struct sim_node *node);

/* Seconds until that model, which is not resident, would be in memory. */
double node_load_s(const struct sim_node *node, const struct scenario *scenario, uint32_t model);

/* The old model goes into the page cache, the new one out of it (it is in memory then). */
void node_begin_load(struct sim_node *node, const struct scenario *scenario, uint32_t model);

/* Tokens of a prompt of `prompt` tokens that need not be computed. */
int32_t node_cached(const struct sim_node *node, uint32_t model, uint32_t session, uint32_t app,
                    int32_t prompt, int32_t system);

/* The conversation is the newest one now. */
void node_warm(struct sim_node *node, uint32_t session, uint32_t app, int32_t tokens);

/* Power is gone: nothing is in any memory. Heat stays. */
void node_die(struct sim_node *node);

/* One second of heat. True if the clock changed while it answers: work_ns, rate are then those of
 * now. */
bool node_heat(struct sim_node *node, int64_t now_ns);

/* Starts or ends drawing power. */
void node_phase_set(struct sim_node *node, enum node_phase phase);

#endif
