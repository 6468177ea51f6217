#ifndef MODEL_ACTION_H
#define MODEL_ACTION_H

/*
 * What can happen next. Each actor does what its program would do with what it knows, at any
 * moment: what it knows may be out of date, and a script that ran may have been answered to nobody.
 */

#include "world.h"

enum action_kind {
    /* the client, the operator, time */
    ACT_SUBMIT = 0,
    ACT_CANCEL,
    ACT_DRAIN,
    ACT_LATE,
    ACT_EXPIRE,
    ACT_GROUP_GONE, /* node; 2: of P:requests */
    /* routers; `who` */
    ACT_READ,
    ACT_RECONCILE,
    ACT_MOVE, /* what: which of the held; node */
    ACT_END,  /* what; how */
    ACT_STATUS,
    ACT_HEAR,
    ACT_TAKE_BACK, /* what: the entry's id; node; how: 1 lost, 0 unstarted */
    ACT_ADOPT,
    ACT_PRESENCE,
    ACT_FORGET,
    ACT_ROUTER_MEND,
    ACT_ROUTER_CRASH,
    ACT_ROUTER_START,
    ACT_ROUTER_OLD,
    /* workers; node, process */
    ACT_REGISTER,
    ACT_LOOK,
    ACT_FETCH,
    ACT_START,
    ACT_CHUNK,
    ACT_DONE,
    ACT_FAIL,
    ACT_REFUSE, /* delivered, but the node cannot take it now */
    ACT_ABORT,  /* it runs, and the time to finish is over */
    ACT_TOO_LATE,
    ACT_TOLD, /* the worker hears of the cancel */
    ACT_SEND_END,
    ACT_BEAT,
    ACT_MEND,
    ACT_STOP,
    ACT_LEAVE, /* gives back what it was never given; what: the entry's id */
    ACT_GOODBYE,
    ACT_CRASH,
    ACT_ZOMBIE, /* a new process, and the old one goes on */
    ACT_RESTART,
    ACT_NODE_OLD,
    ACT_COUNT
};

struct action {
    uint8_t kind; /* enum action_kind */
    uint8_t who, node, process, what;
    uint8_t how;
    uint8_t is_lost; /* the script runs and its answer is lost */
};

#define ACTIONS_MAX 160

struct actions {
    unsigned n;
    struct action all[ACTIONS_MAX];
};

/* Everything that is possible now. */
void actions_find(const struct world *world, struct actions *actions);
void actions_find_outside(const struct world *world, struct actions *actions);
void actions_find_router(const struct world *world, uint8_t who, struct actions *actions);
void actions_find_worker(const struct world *world, uint8_t node, uint8_t process,
                         struct actions *actions);

/* What came of it. */
struct outcome {
    struct call call; /* kind CALL_COUNT: nothing was asked of Redis */
    struct answer answer;
    uint32_t before; /* Redis' state when it was asked */
};

void action_take(struct world *world, const struct action *action, struct outcome *outcome);
void action_take_outside(struct world *world, const struct action *action, struct outcome *outcome);
void action_take_router(struct world *world, const struct action *action, struct outcome *outcome);
void action_take_worker(struct world *world, const struct action *action, struct outcome *outcome);

/* Whoever holds what is gone from its stream finds out at once: see README.md. */
void router_learn(struct world *world, uint8_t who);
void worker_learn(struct world *world, uint8_t node, uint8_t process);

/* For the two files of actors. */
void actions_add(struct actions *actions, struct action action);
/* The same, and once with the answer lost, if that may still happen. */
void actions_add_lossy(const struct world *world, struct actions *actions, struct action action);
bool ask(struct world *world, const struct call *call, struct outcome *outcome, const char *word);
bool told(const struct outcome *outcome, const char *word);
/* Would this call say `lost` and change nothing? Asks the server, and leaves the world as it is. */
bool says_lost(const struct world *world, const struct call *call);

/* "router x moves 1 to a -> moved" */
void action_text(const struct action *action, const struct outcome *outcome, char *buf,
                 unsigned size);

#endif
