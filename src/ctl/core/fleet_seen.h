#ifndef CTL_FLEET_SEEN_H
#define CTL_FLEET_SEEN_H

/*
 * The fleet as an operator sees it: what P:health, P:routers, P:drained and the queue say, decoded
 * for showing. A value that is missing, of a wrong type or out of range is unknown, and the rest is
 * still shown: this is where a person looks when something is wrong. Pure. Spans are borrowed from
 * the replies.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/node_id.h"
#include "common/request.h"
#include "common/span.h"

struct redisReply;

#define SEEN_NODES_MAX        1024
#define SEEN_ROUTERS_MAX      64
#define SEEN_GROUPS_MAX       64                   /* of the queue: one per priority and model */
#define SEEN_HEALTH_BYTES_MAX ((size_t)256 * 1024) /* of one node's JSON; more is shown as bad */
#define SEEN_UNKNOWN          (-1e9)               /* a number that is not there */

enum seen_state {
    SEEN_UP = 0,  /* takes work */
    SEEN_DRAINED, /* by an operator */
    SEEN_RESTING, /* it says itself that it takes none, for another `reason` than these two: */
    SEEN_HOT,     /* at or above temp_max, or it says so (it rests until it has cooled down) */
    SEEN_MEMORY,  /* at or above ram_max, or it says so */
    SEEN_LATE,    /* silent for node_late */
    SEEN_LOST,    /* silent for node_lost */
    SEEN_BAD,     /* its health value cannot be read */
    SEEN_STATE_COUNT
};

struct seen_limits {
    int64_t node_late_ms, node_lost_ms, temp_max_mc, ram_max_pct;
};

struct seen_node {
    struct span id;   /* the field of P:health; not checked: print it with text_add() */
    struct span json; /* the whole value; absent unless json_check() takes it as an object */
    enum seen_state state;
    bool available, drained;
    char reason[64], board[64], ollama_version[32], agent_version[32];
    double temp_c, cpu_pct, ram_pct, pressure_pct, swap_per_s; /* or SEEN_UNKNOWN */
    double ram_used_mb, ram_total_mb, uptime_s;
    int throttled, under_voltage, freq_capped; /* 0, 1, or -1: unknown */
    int keeps_models;                          /* likewise: for ever */
    int64_t slots, in_flight;                  /* what the worker says; -1 unknown */
    int64_t last_seen_ms, age_ms;              /* Redis time; how long ago */
    int64_t length;                            /* of its stream; -1 unknown */
    size_t n_resident, n_installed;
    char resident[200]; /* names, separated by ", "; what does not fit is left out */
    double gen_tps;     /* of the model in memory, else of the one that was measured most */
};

struct seen_router {
    struct span id, json;
    char version[32];
    int64_t window, parked, last_seen_ms, age_ms;
    bool alive; /* heard of within node_lost */
};

struct seen_group {
    enum request_priority priority;
    struct span model; /* as the client wrote it */
    int64_t count, oldest_ms;
};

struct seen_queue {
    int64_t length;    /* of P:requests: everything that waits */
    int64_t looked_at; /* entries that are counted in `groups` */
    int64_t oldest_ms; /* how long the oldest waits; -1 if none does */
    struct seen_group groups[SEEN_GROUPS_MAX];
    size_t n_groups;
    int64_t n_others; /* entries in groups that did not fit */
};

struct fleet_seen {
    int64_t redis_ms;
    struct seen_node nodes[SEEN_NODES_MAX]; /* by id */
    struct seen_router routers[SEEN_ROUTERS_MAX];
    struct seen_queue queue;
    size_t n_nodes, n_routers;
    size_t nodes_left_out; /* more than SEEN_NODES_MAX */
};

/* The pieces, each from the answer of one command, in this order. */
void seen_begin(struct fleet_seen *fleet, int64_t redis_ms);
void seen_health(struct fleet_seen *fleet, const struct redisReply *hash); /* flat name, value */
void seen_drained(struct fleet_seen *fleet, const struct redisReply *set);
void seen_routers(struct fleet_seen *fleet, const struct redisReply *hash,
                  const struct seen_limits *limits);
void seen_queue(struct fleet_seen *fleet, const struct redisReply *answer); /* of queue.lua */
void seen_end(struct fleet_seen *fleet, const struct seen_limits *limits);  /* states; sorts */

/* One node, without its state; for tests and fuzzing too. */
void seen_node_decode(struct span id, struct span json, int64_t redis_ms, struct seen_node *ret);

void seen_router_decode(struct span id, struct span json, int64_t redis_ms,
                        struct seen_router *ret);

/* The node of that id; NULL. */
const struct seen_node *seen_find(const struct fleet_seen *fleet, struct span id);

/* "up", "hot", ...; for SEEN_RESTING the reason. */
const char *seen_state_text(const struct seen_node *node);
const char *seen_state_name(enum seen_state state); /* "up", "resting", ... for JSON */

/* May it be given work? */
bool seen_takes_work(const struct seen_node *node);

/* "Pi 5", "Pi 4", "CM4" for what a Raspberry Pi calls itself; others as they are. Writes to buf. */
const char *seen_board_short(const char *board, char *buf, size_t cap);

/* How many nodes are in that state, are there in all, run how many requests. */
size_t seen_count(const struct fleet_seen *fleet, enum seen_state state);
size_t seen_routers_alive(const struct fleet_seen *fleet);
int64_t seen_running(const struct fleet_seen *fleet);

/* Order of the nodes. */
enum seen_order {
    SEEN_BY_NODE = 0,
    SEEN_BY_STATE, /* what needs attention first */
    SEEN_BY_TEMP,  /* the hottest first; so the others */
    SEEN_BY_CPU,
    SEEN_BY_RAM,
    SEEN_BY_BUSY,
    SEEN_BY_SPEED,
    SEEN_ORDER_COUNT
};

const char *seen_order_name(enum seen_order order); /* "node", "state", ... */
bool seen_order_parse(const char *name, enum seen_order *ret);

/* Puts the indexes of the nodes into `ret` (SEEN_NODES_MAX) in that order. Stable. */
void seen_sort(const struct fleet_seen *fleet, enum seen_order order, bool reversed, uint16_t *ret);

#endif
