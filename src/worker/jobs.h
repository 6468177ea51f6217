#ifndef WORKER_JOBS_H
#define WORKER_JOBS_H

/*
 * The table of jobs: one place for each entry of the node's stream that is in our hands. Owns them
 * by value; a job has the same address for the life of the worker, and its place is not used again
 * before the last Redis command of its former job has been answered and its HTTP call has ended.
 *
 * The life of a job is the table of core/job.h. What moves it: start.lua and the end (publish.h),
 * the HTTP call (run.h), the sweep at each tick. At most `slots` jobs run; the places beyond are
 * for entries that are only handed back, which needs no Ollama.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/request.h"

#include "answer.h"
#include "body.h"
#include "chunks.h"
#include "job.h"
#include "lines.h"
#include "reconcile.h"
#include "verdict.h"

struct http_call;
struct redisReply;
struct worker;

#define JOBS_SLOTS_MAX 64 /* largest setting of `slots` */
#define JOBS_MAX       (JOBS_SLOTS_MAX + 16)

/* Largest entry we take: the largest request_max of a router, and what routers add. */
#define JOBS_ENTRY_MAX_BYTES (((size_t)64 << 20) + 65536)

/* How a job ends, decided once; see enum ending_kind for what is written. */
enum ending_kind {
    ENDING_NONE = 0,
    ENDING_DONE,     /* finish.lua with the `done` entry */
    ENDING_ERROR,    /* finish.lua with an `error` entry: code, sentence, retryable */
    ENDING_GIVE_BACK /* requeue.lua: another node, or this one later */
};

struct ending {
    enum ending_kind kind;
    const char *code;                    /* static; ENDING_ERROR */
    bool is_retryable;                   /* ENDING_ERROR */
    bool is_counted;                     /* ENDING_GIVE_BACK: the next try is a further attempt */
    bool is_blamed;                      /* ENDING_GIVE_BACK: this node joins `tried` */
    bool is_sent;                        /* and not answered yet */
    int64_t send_ms;                     /* not before this moment */
    char sentence[VERDICT_SENTENCE_MAX]; /* what went wrong, for people */
};

struct job_stream {
    struct chunks chunks;
    struct buf out;     /* the entry that is on its way, or was refused and is sent again */
    int64_t seq;        /* of that entry, or of the next one */
    bool was_sent;      /* that entry, before: nobody knows whether it was written */
    bool is_on_its_way; /* one entry is unanswered: the others merge meanwhile */
    bool is_off;        /* no chunks (any more) */
    bool is_paced;      /* its pieces are read and sent at the tick (pace.h) */
    bool has_sent;      /* the client has seen some of this attempt */
    struct buf rest;    /* at the end: what is left to send, "\n" behind each entry */
    bool has_rest;
    int64_t send_ms; /* after a refusal: not before this moment */
};

struct job {
    struct worker *worker;
    enum job_state state; /* written by job_step() only */
    uint32_t generation;  /* of this place: grows with each new job */
    unsigned outstanding; /* Redis commands of this job that are not answered */
    unsigned breaks;      /* connections in a row that broke over something large of it */

    /* The request, copied from the entry. */
    char entry_id[ENTRY_ID_MAX];
    char request_id[REQUEST_ID_MAX + 1];
    char callback[CALLBACK_MAX + 1];
    char model[2 * MODEL_NAME_MAX + 1]; /* as given; the canonical name if that is longer */
    char model_name[MODEL_NAME_MAX + 1];
    char metadata[REQUEST_METADATA_MAX];
    char tried[REQUEST_TRIED_MAX + 1];
    char session[REQUEST_SESSION_MAX];
    size_t metadata_len, session_len;
    bool has_metadata, wants_stream, wants_progress;
    bool was_delivered; /* the entry is pending in our name; false: it is only given back */
    bool only_handed;   /* given back or refused without being run: takes no slot */
    enum request_kind kind;
    int64_t attempt;
    int64_t submitted_ms, deadline_redis_ms; /* Redis time */
    char dropped[BODY_DROPPED_MAX];
    struct buf body; /* for Ollama */

    /* The run. */
    struct job_times times;
    int64_t start_ms;   /* start.lua: not before this moment */
    bool is_start_sent; /* start.lua went out at least once */
    int64_t queued_ms, run_ms;
    unsigned long shortages; /* buf_shortages() when it began */
    int64_t first_ms;        /* from the start of the run to its first piece; -1: none came */
    bool was_resident;       /* the model, when the call went out */
    bool was_cached;         /* the prompt, mostly, as far as its speed tells (rates.h) */
    struct http_call *call;  /* NULL: none, or ended */
    int http_status;
    struct lines lines;
    struct answer answer;
    struct buf refusal; /* the beginning of a body whose status is not 200 */
    struct job_stream stream;

    /* The end. */
    struct ending ending;
    const char *verdict; /* for the log; static */
    struct buf response; /* `response` of the done entry */
    int64_t rest_until_ms;
    int64_t close_ms; /* the HTTP call may end by itself until then */
};

struct jobs {
    struct job all[JOBS_MAX]; /* each of many pages: a place is not looked at before it is needed */
    size_t used;              /* the first so many have held a job; the others are zero */
    unsigned failures;        /* attempts in a row that another node has to repeat */
    struct log_repeat refused;
    bool is_freed; /* a place was freed: the feed may read */
};

#define JOBS_CONTENT_MAX ((size_t)1500) /* bytes of a prompt or reply that log_content shows */

/* With log_content = yes: logs what is asked of Ollama or what it said; otherwise nothing. */
void job_log_content(const struct job *job, struct span content, const char *what);

void jobs_done(struct worker *w);

/* How many more entries may be run; 0 while stopping. */
unsigned jobs_free_slots(const struct worker *w);

/* Jobs that take a slot, and all that are not over. */
unsigned jobs_in_flight(const struct worker *w);
unsigned jobs_held(const struct worker *w);

/* Is a job of the model (canonical name) running? */
bool jobs_runs_model(const struct worker *w, const char *model_name);

/* The job of that entry, or NULL. Borrowed. */
struct job *jobs_find_entry(struct worker *w, struct span entry_id);

/* Takes an entry that has been delivered to us and runs it; without a free slot, or while the node
 * is not available (hot, Ollama down ...), it is given back, and that is no attempt. One that is in
 * the table already is nothing new. False if there is no place even for that: it stays pending, so
 * ask again later. `entry` is borrowed. */
bool jobs_fetch(struct worker *w, const struct redisReply *entry);

struct jobs_give_back {
    bool was_delivered; /* else it must not have been delivered to anybody */
    bool is_counted;    /* as an attempt */
    bool is_blamed;     /* this node joins `tried` */
    const char *why;    /* becomes last_error; static */
};

/* Gives an entry back to the routers without running it; an outline of it will do (outline.lua).
 * One that is no request and was delivered is answered with its error instead. False as above. */
bool jobs_give_back(struct worker *w, const struct redisReply *entry,
                    const struct jobs_give_back *how);

/* A cancellation that was asked for at that Redis time. */
void jobs_cancel_request(struct worker *w, struct span request_id, int64_t redis_ms);

/* What a heartbeat tells of one entry. Nothing if the place has a newer job by now. */
void jobs_cancel(struct job *job, uint32_t generation);

/* Gives a job that is STARTING back to the routers as a further attempt. */
void jobs_return(struct job *job, const char *why);
void jobs_lose(struct job *job, uint32_t generation);

/* Gives back what Ollama has not heard of, or everything: that is aborted then. The node stops. */
void jobs_give_back_all(struct worker *w, bool also_running);

/* Forgets everything without a word to Redis. */
void jobs_abandon(struct worker *w);

/* Moves one job as far as it can go now; called after every event. */
void job_drive(struct job *job, int64_t now_ms);

/* Stops a job: closes its call, asks the verdict of `event`, decides how it ends. `text` is what
 * was said about it (borrowed). Nothing if its end is decided already. */
void job_stop(struct job *job, enum verdict_event event, struct span text);

/* Ends it with an `error` entry of our own. As above. */
void job_refuse(struct job *job, const char *code, bool is_retryable, const char *sentence);

void jobs_tick(struct worker *w, int64_t now_ms);

/* The earliest moment after now_ms at which a chunk is due that does not wait for the tick,
 * monotonic; INT64_MAX if there is none. */
int64_t jobs_chunk_due_ms(const struct worker *w, int64_t now_ms);

/* Has no job anything to do, not even one that is only being given back? */
bool jobs_is_idle(const struct worker *w);

#endif
