#ifndef MODEL_WORLD_H
#define MODEL_WORLD_H

/*
 * What everybody knows, beside what Redis holds: two routers, two nodes with up to two worker
 * processes each (the second is an earlier one that still runs), and what has gone wrong so far.
 * Bytes only, so that a world is compared, hashed and copied as memory.
 */

#include <stdbool.h>
#include <stdint.h>

#include "server.h"

#define HELD_MAX    3 /* entries that a router knows */
#define CONTROL_MAX 2
#define PROCESSES   2 /* 0: the one that was started last, 1: an earlier one */

/* An entry that somebody has seen. Its content never changes, but it may be gone. */
struct known {
    uint8_t id; /* 0: none */
    uint8_t attempt, tried, era, came_back;
};

/* In a router's window. `must` is an ending if the router has decided to end it. */
struct held {
    struct known entry;
    uint8_t must; /* enum ending */
};

struct router {
    uint8_t is_up;
    uint8_t heard; /* control entries applied */
    uint8_t knows_cancel;
    uint8_t n;
    struct held held[HELD_MAX];
};

enum process_state {
    PROCESS_GONE = 0,
    PROCESS_NEW,     /* has no epoch yet */
    PROCESS_LOOKING, /* gives back what an earlier process had */
    PROCESS_OPEN
};

enum job_state_model {
    JOB_NOTHING = 0,
    JOB_HERE, /* delivered */
    JOB_RUNS, /* start.lua said so */
    JOB_ENDS  /* how it ends is decided */
};

struct process {
    uint8_t state; /* enum process_state */
    uint8_t epoch;
    uint8_t stops;      /* was told to stop */
    uint8_t job;        /* enum job_state_model */
    uint8_t ending;     /* enum ending, of JOB_ENDS */
    uint8_t start_sent; /* start.lua, and no answer came */
    struct known entry;
};

/* Each kind of disturbance may happen once to each part. */
struct budget {
    uint8_t faults;                       /* how many disturbances may still come, of any kind */
    uint8_t lost;                         /* an answer was lost */
    uint8_t routers_crashed, routers_old; /* bit per router */
    uint8_t nodes_crashed, nodes_old, nodes_stopped;
    uint8_t failed;  /* an attempt failed at its node */
    uint8_t gave_up; /* a router found the model unknown */
    uint8_t forgot;
    uint8_t group_gone;
};

struct world {
    uint32_t redis;    /* state number */
    uint8_t submitted; /* by the client, 0 to 2 times */
    uint8_t n_control;
    uint8_t control[CONTROL_MAX]; /* 1: cancel, 2 + node: drain */
    uint8_t has_cancel;
    uint8_t is_late;        /* the deadline has passed */
    uint8_t is_expired;     /* what had a time to live is gone */
    uint8_t gone_terminals; /* terminal entries that went with it */
    struct budget budget;
    struct router routers[ROUTERS];
    struct process processes[NODES][PROCESSES];
};

/* What can go wrong. Names on the command line are in world.c. */
enum disturbance {
    DISTURB_RESUBMIT = 0, /* the client submits a second time */
    DISTURB_CANCEL,
    DISTURB_DRAIN,
    DISTURB_LATE,    /* the deadline passes */
    DISTURB_EXPIRE,  /* times to live pass */
    DISTURB_GROUP,   /* a consumer group is destroyed */
    DISTURB_ANSWER,  /* a script runs, and its answer is lost */
    DISTURB_CRASH,   /* of a router or worker */
    DISTURB_ZOMBIE,  /* a worker is started twice, and the old process goes on */
    DISTURB_SILENT,  /* a router or node that is alive is not heard of for long */
    DISTURB_FORGET,  /* a node that is silent is forgotten */
    DISTURB_FAIL,    /* an attempt fails at its node */
    DISTURB_UNKNOWN, /* a router finds that nobody has the model */
    DISTURB_STOP,    /* a worker is told to stop */
    DISTURB_COUNT
};

/* The settings of a run. */
struct limits {
    uint8_t faults;
    uint8_t attempts; /* max_attempts */
    uint16_t kinds;   /* bit per enum disturbance: those that may happen */
    bool is_plain;    /* without the reductions of README.md */
};
extern struct limits limits;

/* The kinds of a list like "crash,cancel"; 0 if a name is unknown. */
uint16_t disturbances_parse(const char *list);

/* No request; both routers are there, both workers are registered and wait. */
void world_init(struct world *world);
const struct view *world_view(const struct world *world);

/* May something of this kind still happen, for all that the number of disturbances says? */
bool world_may(const struct world *world, enum disturbance kind);

/* Goes over to the first state of Redis that is the same but for ids, and to its ids. Keeps the
 * number of states, and of calls to Redis, small. */
void world_rename_ids(struct world *world);
void world_done(void); /* frees what that needs */

/* The same for worlds that differ only in names: of ids, of the two routers, of the two nodes. */
uint64_t world_hash(const struct world *world);

/* Does a router or worker hold an entry, for all it knows? */
bool world_is_known(const struct world *world);

/* The request has ended, nothing of it is anywhere, nobody knows anything of it, and it will not be
 * submitted again. */
bool world_is_over(const struct world *world);

/* Has this request's own deadline passed; does the cancel mean it? */
bool world_is_late(const struct world *world, uint8_t era);
bool era_is_cancelled(uint8_t era);

/* What the entry on a stream says; `id` 0 if it is not there. */
struct known known_on(const struct stream_view *stream, uint8_t id);

#endif
