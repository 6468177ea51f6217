#ifndef SIM_VIEW_H
#define SIM_VIEW_H

/*
 * What a policy may see, and what it may do. Nothing else of the simulator is open to policies:
 * they include this header and never engine.h.
 *
 * A policy sees what a router can know: the machines' boards and sizes; health reports, up to
 * health_s old; its own exact count of what it sent to each node and has not got back; believed
 * speeds (workload.h: with their error); the mean length of answers so far; and what a finished
 * request told. It does not see the length of an answer before it ends, temperatures between
 * reports, page caches, KV caches, queues, or that a node has died before it is missed.
 */

#include <stdbool.h>
#include <stdint.h>

#define VIEW_NONE   UINT32_MAX
#define VIEW_KV_MAX 16 /* of view_node.kv */

/* A request as a router sees it. */
struct ask {
    uint32_t id; /* index of asks, in order of arrival */
    uint32_t session, turn, model;
    uint32_t app;          /* which system prompt it begins with */
    int32_t prompt_tokens; /* all of it, system prompt and history included */
    int32_t system_tokens; /* how many of them are the system prompt */
    int64_t arrived_ns;
    uint32_t losses; /* nodes that were lost while they had it */
};

/* What the answer told. */
struct told {
    uint32_t ask, node;
    int64_t sent_ns, done_ns;
    int64_t load_ns, prefill_ns, decode_ns; /* as Ollama reports them */
    int32_t answer_tokens;
    bool was_cold; /* the model was loaded for it */
};

struct view_node {
    uint32_t board;       /* of the scenario */
    double nominal_speed; /* of the board */
    double ram_gb;
    uint32_t kv;        /* conversations that it keeps warm */
    bool is_up;         /* as far as is known */
    uint32_t in_flight; /* sent there and not back */
    /* The newest health report. */
    double temp_c, ram_pct;
    uint32_t resident; /* model, or VIEW_NONE */
    uint32_t running;  /* requests there, queued ones included */
    int64_t heard_ns;
};

struct engine;

/* Read only; the engine keeps it up to date. */
struct view {
    int64_t now_ns;
    uint32_t n_nodes, n_models;
    const struct view_node *nodes;
    const struct ask *asks; /* may move when a request arrives: refer by index */
    const double *size_gb;  /* of each model */
    const double *prefill_tps, *decode_tps, *load_s; /* believed: view_pair() */
    const bool *fits;
    const double *answer_tokens; /* mean of each model's answers so far */
    double mean_service_s;       /* of the scenario: a prior */
    struct engine *engine;       /* for the two calls below */
};

static inline uint32_t view_pair(const struct view *view, uint32_t node, uint32_t model)
{
    return node * view->n_models + model;
}

/* May the node be given this model: is it there, as far as is known, and has it the memory? */
static inline bool view_can(const struct view *view, uint32_t node, uint32_t model)
{
    return view->nodes[node].is_up && view->fits[view_pair(view, node, model)];
}

/* Sends a request to a node. It may be dead: then nothing is heard of it until that is noticed. */
void view_send(const struct view *view, uint32_t ask, uint32_t node);

/* Has an idle node load a model; false if it is not idle, or has it. Of a dead one nothing is
 * heard. */
bool view_preload(const struct view *view, uint32_t node, uint32_t model);

/* Ends the run with a message: something that a policy relies on does not hold. */
void view_fail(const struct view *view, const char *what) __attribute__((noreturn));

/*
 * A policy. make() and free() may be called any number of times; the others are events, NULL where
 * nothing is to be done:
 *
 *     arrived()    a request; also again, in order of arrival, when the node that had it was lost
 *     done()       a request was answered; its slot is free
 *     heard()      a health report
 *     tick()       each second, after the reports
 *     lost()       a node is missed: nothing is on it any more; arrived() follows for what it had
 *     back()       it is there again, empty
 *     preloaded()  a preload has ended
 */
struct sim_policy {
    const char *name, *summary;
    bool is_late_binding; /* keeps requests itself until a node is free */
    void *(*make)(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options);
    void (*free)(void *policy);
    void (*arrived)(void *policy, uint32_t ask);
    void (*done)(void *policy, const struct told *told);
    void (*heard)(void *policy, uint32_t node);
    void (*tick)(void *policy);
    void (*lost)(void *policy, uint32_t node);
    void (*back)(void *policy, uint32_t node);
    void (*preloaded)(void *policy, uint32_t node, uint32_t model);
    double (*rests)(const void *policy); /* times that a node began to rest, per node */
    int variant;                         /* for kinds that share their functions */
};

#endif
