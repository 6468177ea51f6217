#ifndef MODEL_CALL_H
#define MODEL_CALL_H

/* One atomic step at Redis: a script of the product with its arguments, or one command. */

#include <stdint.h>

#include "common/scripts.h"

enum call_kind {
    CALL_SUBMIT = 0,   /* XADD of the client; era */
    CALL_READ,         /* XREADGROUP of a router */
    CALL_FETCH,        /* XREADGROUP of a worker */
    CALL_PRESENCE_OLD, /* by the model: the router's presence is of long ago */
    CALL_HEALTH_OLD,   /* by the model: the node's heartbeat is of long ago */
    CALL_GROUP,        /* XGROUP CREATE, of who found the group gone */
    CALL_GROUP_GONE,   /* by the model: XGROUP DESTROY */
    CALL_LATE,         /* by the model: the job's time to live after the deadline */
    CALL_EXPIRE,       /* by the model: what has a time to live is gone */
    CALL_UNDRAIN,      /* by the model, for the schedule in which everything works */
    CALL_SCRIPT,       /* CALL_SCRIPT + enum script */
    CALL_COUNT = CALL_SCRIPT + SCRIPT_COUNT
};

/* The call of a script. The casts say that two enumerations meet on purpose. */
#define CALL_OF(script) ((int)CALL_SCRIPT + (int)(script))

/* How an attempt or a wait ends. */
enum ending {
    ENDING_NONE = 0,
    ENDING_DONE,      /* finish.lua with `done` */
    ENDING_CANCELLED, /* finish.lua or end.lua with `error`, as the next three */
    ENDING_EXPIRED,
    ENDING_EXHAUSTED,
    ENDING_UNKNOWN,    /* end.lua: no node has the model */
    ENDING_FAILED,     /* requeue.lua: counted, the node avoided */
    ENDING_PAST,       /* requeue.lua: counted; what an earlier process had */
    ENDING_GIVEN_BACK, /* requeue.lua: not counted */
    ENDING_UNSTARTED,  /* requeue.lua: never delivered */
};

/* Bytes only: compared and hashed as memory. */
struct call {
    uint8_t kind;   /* enum call_kind */
    uint8_t router; /* 0, 1 */
    uint8_t node;   /* 0, 1; 2: P:requests (groups); of adopt.lua: the other router */
    uint8_t entry;
    uint8_t attempt;
    uint8_t tried;
    uint8_t era;
    uint8_t came_back;
    uint8_t epoch;
    uint8_t how;     /* enum ending; or is_lost of takeback.lua; or op of drain.lua; or
                      * is_unavailable of beat.lua and register.lua; or start.lua once more */
    uint8_t is_late; /* its deadline has passed */
    uint8_t control; /* number of a control entry */
};

#define CREDIT     1
#define CALL_ARGS  64
#define CALL_TEXTS 12
#define PREFIX     "orion:inference:"

struct call_args {
    int n;
    const char *argv[CALL_ARGS];
    char texts[CALL_TEXTS][64]; /* backing of made-up arguments */
    int n_texts;
};

/* The command. `sha` names the script that EVALSHA runs; a plain command does not look at it. */
void call_command(const struct call *call, const char *sha, struct call_args *args);

const char *ending_name(enum ending how);
extern const char *const router_names[];
extern const char *const node_names[];

#endif
