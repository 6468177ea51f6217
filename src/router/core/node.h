#ifndef ROUTER_NODE_H
#define ROUTER_NODE_H

/*
 * One Raspberry Pi as the router sees it, and the only code that may change its state. Pure.
 *
 *      NEW            known by name, no health value that can be used yet
 *       |
 *       |  HEARTBEAT_OK            HEARTBEAT_UNAVAILABLE
 *       +-------> UP <---------------------> UNAVAILABLE
 *                  |  ^                         ^  |
 *             LATE |  | HEARTBEAT_OK  HEARTBEAT_|  | LATE
 *                  |  |              UNAVAILABLE|  |
 *                  v  |                         |  v
 *                  +--+-------- LATE -----------+--+       gets no work, keeps what it has
 *                               |  ^
 *                          LOST |  | (LATE itself changes nothing)
 *                               v
 *                              LOST     its work is taken back; a heartbeat brings it back to
 *                                       UP or UNAVAILABLE
 *
 * LOST also comes straight from NEW, UP and UNAVAILABLE, LATE from NEW, UP and UNAVAILABLE; LATE
 * does not bring a LOST node back. Every transition is made by node_apply().
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/node_id.h"

#include "node_figures.h"
#include "node_health.h"

enum node_state {
    NODE_NEW = 0,
    NODE_UP,
    NODE_UNAVAILABLE, /* it says `available: false`: what it has not started is taken back */
    NODE_LATE,        /* silent for node_late */
    NODE_LOST,        /* silent for node_lost */
    NODE_STATE_COUNT
};

enum node_event {
    NODE_EV_HEARTBEAT_OK = 0,
    NODE_EV_HEARTBEAT_UNAVAILABLE,
    NODE_EV_LATE,
    NODE_EV_LOST,
    NODE_EVENT_COUNT
};

#define NODE_HOLD_MIN_MS    500 /* after the first failure; doubled by each further one in a row */
#define NODE_HOLD_MAX_MS    30000
#define NODE_FAIL_MEMORY_MS 60000 /* a failure this old no longer counts as in a row */
_Static_assert(NODE_SUSPECT_MAX <= NODE_RESIDENT_MAX, "struct node_few_models holds either");
#define NODE_FAILS_DEMOTE 2 /* failures in a row that lower a node's rank */

/* Model indexes (names.h) in ascending order. */
struct node_models {
    uint32_t n;
    uint32_t index[NODE_INSTALLED_MAX + NODE_RESIDENT_MAX];
};

struct node_few_models {
    uint32_t n;
    uint32_t index[NODE_RESIDENT_MAX];
};

struct node {
    char id[NODE_ID_MAX + 1];
    bool in_use;
    enum node_state state;           /* written by node_apply() only */
    bool drained;                    /* by an operator */
    bool is_gone;                    /* it is not in P:health any more */
    bool is_hot;                     /* by the router's own temp_max */
    bool is_refused;                 /* its newest health value could not be used */
    bool is_full;                    /* Redis said so: no credit before something leaves it */
    uint32_t in_flight;              /* entries on its stream, as far as we know; fleet.c only */
    uint32_t fails;                  /* in a row; node_failed() and node_succeeded() only */
    int64_t failed_ms;               /* monotonic time of the last failure */
    int64_t hold_until_ms;           /* monotonic: no work before */
    int64_t heard_ms;                /* monotonic time at which last_seen_ms last changed */
    uint64_t fingerprint;            /* span_fingerprint() of the newest health value; 0 = none */
    uint64_t news_hash;              /* of what was refused last */
    struct node_health health;       /* the last good value; its spans are absent */
    struct node_figures figures;     /* of the last good value */
    struct node_models models;       /* installed or resident */
    struct node_few_models resident; /* of `models` */
    struct node_few_models suspect;  /* of `models` */
};

/* Applies `event`. Returns true if the state changed; *ret_from is then the state before. */
bool node_apply(struct node *node, enum node_event event, enum node_state *ret_from);

/* Counts a failure: a node that fails fast must not attract more work by being free so often. */
void node_failed(struct node *node, int64_t now_ms);
void node_succeeded(struct node *node);

/* Has it failed NODE_FAILS_DEMOTE times in a row, the last time within NODE_FAIL_MEMORY_MS? */
bool node_is_failing(const struct node *node, int64_t now_ms);

bool node_has_model(const struct node *node, uint32_t model); /* installed or resident */
bool node_is_resident(const struct node *node, uint32_t model);
bool node_is_suspect(const struct node *node, uint32_t model);

/* Is the cache of that conversation warm there, as far as its health says? 0 = no conversation. */
bool node_is_warm(const struct node *node, uint64_t session_hash);

/* Is `model` among n ascending indexes? */
bool node_models_has(const uint32_t *index, uint32_t n, uint32_t model);

/* "new", "up", "unavailable", "late", "lost" */
const char *node_state_name(enum node_state state);

#endif
