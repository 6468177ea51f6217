#ifndef SIM_JOB_H
#define SIM_JOB_H

#include "answer.h"
#include "conn.h"
#include "request.h"
#include "sched.h"
#include "sim.h"

/* One inference request on its way through queue, load, slot, prompt and answer. */

enum job_state {
    JOB_SCHEDULING, /* in the pending queue, or its model is loading */
    JOB_WAITING,    /* for a slot */
    JOB_PREFILL,
    JOB_GENERATING,
    JOB_ORPHAN, /* its client has gone, the slot is still busy with it */
};

struct job {
    TAILQ_ENTRY(job) all;
    TAILQ_ENTRY(job) link; /* in the pending queue or a slot queue */
    struct sim *sim;
    struct conn *conn; /* NULL: gone, or answered */
    struct infer_request request;
    struct fault_plan plan;
    struct model *model;
    enum job_state state;
    struct event *timer;

    struct runner_options options; /* effective, see sched_effective() */
    struct runner *runner;         /* NULL: not yet or no more */
    bool referenced;               /* counted in runner->references */
    bool queued;                   /* in runner->waiting */
    int slot;                      /* -1: none */

    struct tokens prompt; /* and, as it grows, the answer: what the KV cache holds */
    size_t prompt_count;  /* of them before the answer was added */
    size_t cached;        /* of them, found in the slot's cache */
    struct answer answer;
    int64_t answer_tokens; /* generated so far */

    int64_t arrived_ns, prefill_ends_ns, generating_ns; /* monotonic */
    int64_t load_ns, prompt_ns, eval_ns;                /* for the metrics, real time */

    bool begun; /* headers are out */

    bool counted;             /* in the in_flight counters */
    size_t lines;             /* sent */
    struct evbuffer *merged;  /* fault merge: lines that wait */
    struct evbuffer *content; /* stream:false: what is to be sent, joined */
    struct evbuffer *thinking;
    struct evbuffer *logprobs; /* of the current line, or of all */
};

/* Takes a request for one of the inference endpoints and answers it, now or later. */
void job_start(struct sim *sim, struct conn *conn, enum infer_kind kind,
               const struct http_request *request);

/* Called by the scheduler: the job's runner is there; a slot is there (job->slot). */
void job_scheduled(struct job *job);
void job_slot(struct job *job);

/* Answers with an error and ends the job. */
void job_fail(struct job *job, int status, const char *text);

/* Ends a job whose slot is worth nothing any more, because its runner is unloaded. */
void job_kill(struct job *job);

/* Ends and frees it. Its answer must be complete, or its client gone. */
void job_end(struct job *job);

#endif
