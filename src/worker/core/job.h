#ifndef WORKER_JOB_H
#define WORKER_JOB_H

/*
 * The life of one job (an attempt as the worker sees it), and the times that bound it. Pure.
 *
 *                  SEND                STARTED                END
 *  FREE --FETCH--> FETCHED ----------> STARTING ------------> RUNNING --> FINISHING
 *                    |  ^--------------- | UNSENT               |            |
 *                    |                   |                      |            | SETTLED
 *                    `--END--> FINISHING <-------END------------'            v
 *                                                                          RESTING --RESTED--> FREE
 *  FETCHED, STARTING, RUNNING, FINISHING --LOST--> RESTING
 *
 *  FETCHED    delivered to us; Ollama has not heard of it
 *  STARTING   start.lua is on its way
 *  RUNNING    the HTTP request is under way
 *  FINISHING  how it ends is decided and kept until Redis has taken it (finish.lua or requeue.lua)
 *  RESTING    Redis knows; the slot is held until its last command is answered, and for a while
 *             longer if the attempt failed fast
 *
 * The first END counts: a later one, or a cancellation while FINISHING, changes nothing here. LOST
 * means that the entry is somebody else's now: nothing more is written. Only job_step() writes the
 * state.
 */

#include <stdbool.h>
#include <stdint.h>

enum job_state {
    JOB_FREE = 0,
    JOB_FETCHED,
    JOB_STARTING,
    JOB_RUNNING,
    JOB_FINISHING,
    JOB_RESTING,
    JOB_STATE_COUNT
};

enum job_event {
    JOB_EVENT_FETCH = 0, /* an entry came to this slot */
    JOB_EVENT_SEND,      /* start.lua was sent */
    JOB_EVENT_UNSENT,    /* start.lua was not executed, or nobody knows: send it again later */
    JOB_EVENT_STARTED,   /* start.lua said so, and the HTTP request is on its way */
    JOB_EVENT_END,     /* how it ends is decided: an answer, a failure, cancelled, a limit passed */
    JOB_EVENT_SETTLED, /* Redis has taken the end */
    JOB_EVENT_LOST,    /* the entry is no longer ours */
    JOB_EVENT_RESTED,  /* nothing is outstanding and the rest is over */
    JOB_EVENT_COUNT
};

/* The state after an event; JOB_STATE_COUNT if the event cannot happen in this state. */
enum job_state job_next(enum job_state state, enum job_event event);

/* Carries out an event, which must be possible in this state: asking job_next() first is the way
 * when it comes from outside. */
void job_step(enum job_state *state, enum job_event event);

/* Does the entry still stand in our name: is it to be renewed by the heartbeat? */
bool job_holds_entry(enum job_state state);

const char *job_state_name(enum job_state state); /* "free", "fetched", ... */

/* What bounds a running job; all monotonic milliseconds. */
struct job_times {
    int64_t started_ms;    /* when the HTTP request went out */
    int64_t last_piece_ms; /* when the last bytes of the answer came; 0: none yet */
    int64_t deadline_ms;   /* the client's deadline on our clock */
};

/* The settings; handed in at each look, so that a reload takes effect at once. */
struct job_limits {
    int64_t first_byte_timeout_ms;
    int64_t stall_timeout_ms;
};

enum job_limit {
    JOB_LIMIT_NONE = 0,
    JOB_LIMIT_DEADLINE,
    JOB_LIMIT_FIRST_BYTE, /* nothing came within first_byte_timeout */
    JOB_LIMIT_STALL,      /* nothing more came within stall_timeout */
};

/* Which limit has passed; the deadline if several have (another node could not keep it either). */
enum job_limit job_limit_passed(const struct job_times *times, const struct job_limits *limits,
                                int64_t now_ms);

/* The client's deadline on our monotonic clock: `now_ms` and `redis_now_ms` are one moment. */
int64_t job_deadline_ms(int64_t deadline_redis_ms, int64_t redis_now_ms, int64_t now_ms);

/*
 * How long a slot is held from the start of an attempt that failed, so that a node that fails fast
 * does not thereby attract more work: JOB_REST_MIN_MS, doubled with each failure in a row, up to
 * JOB_REST_MAX_MS. 0 after none. An attempt that took longer than that rests no more.
 */
#define JOB_REST_MIN_MS 250
#define JOB_REST_MAX_MS 5000
int64_t job_rest_ms(unsigned failures_in_a_row);

#endif
