#ifndef SIM_SCHED_H
#define SIM_SCHED_H

#include "prompt.h"
#include "request.h"
#include "sim.h"

/*
 * Ollama's scheduler: which models are loaded, who waits for one, and the slots of each runner.
 *
 *   - One pending queue, worked off one request at a time (processPending): each blocks those
 *     behind it until its model is loaded. From 0.11.5 requests for a loaded model pass it by.
 *   - When max_loaded models are loaded, the runner with the shortest keep_alive goes: the first
 *     idle one, else the first, whose requests are waited for. Its keep_alive becomes 0; a later
 *     request with a keep_alive of its own puts that back, and the wait goes on (starvation).
 *   - Slots are a semaphore: first come first served, no limit to the queue.
 */

enum { SLOTS_MAX = 64 };

enum runner_state { RUNNER_LOADING, RUNNER_READY };

struct slot {
    bool busy;
    struct tokens cache; /* what its KV cache holds */
    uint64_t used;       /* sequence number of its last use */
};

struct runner {
    LIST_ENTRY(runner) link;
    struct sim *sim;
    struct model *model;
    struct runner_options options; /* effective */
    enum runner_state state;
    bool dead;       /* its process has died, nobody has noticed */
    int64_t ping_ns; /* real time until somebody does */
    int references;  /* requests that hold it */
    int64_t keep_alive_ns;
    bool expiry_known;
    int64_t expires_s; /* wall clock, as /api/ps shows it */
    int32_t expires_ns;
    struct event *timer; /* end of the load, or of keep_alive */
    int slot_count;
    struct slot slots[SLOTS_MAX];
    struct job_queue waiting; /* for a slot */
    size_t waiting_count;
    uint64_t uses;
};

void sched_init(struct sim *sim);
void sched_close(struct sim *sim);

/*
 * Takes a job that needs its model. Ends in job_scheduled(), possibly before this returns, or in
 * job_fail() when the queue is full. job->runner_options must be set.
 */
void sched_submit(struct sim *sim, struct job *job);

/* The client has gone while the job waited for a runner: out of the queue, its load is aborted. */
void sched_cancel(struct sim *sim, struct job *job);

/* Asks for a slot: job_slot() is called at once, or when one is free. */
void sched_wait_slot(struct job *job);

/* Leaves the queue for a slot. */
void sched_leave_slot_queue(struct job *job);

/* Gives the job's slot back; `held` (moved) is what its KV cache holds now. */
void sched_free_slot(struct job *job, struct tokens *held);

/*
 * One request less on the job's runner; the last one starts keep_alive. An orphan, which still has
 * its slot, keeps its runner too, and may be killed in here with it.
 */
void sched_release(struct job *job);

/* `ollama stop`: unloads when idle. */
void sched_expire_model(struct sim *sim, struct model *model);

/* The runner of a model; NULL: not loaded. */
struct runner *sched_find(struct sim *sim, const struct model *model);

/* The options that a request would run with: its own, the model's, the defaults. */
struct runner_options sched_effective(const struct sim *sim, const struct model *model,
                                      const struct runner_options *wanted);

/* Marks idle runners as dead if such a fault is armed. */
void sched_strike_dead(struct sim *sim);

#endif
