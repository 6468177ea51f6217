#ifndef ROUTER_WINDOW_PRIVATE_H
#define ROUTER_WINDOW_PRIVATE_H

/*
 * What window.c, window_order.c and window_parked.c share. Nobody else includes this.
 *
 *     class ring -> flow (client in a class) -> lane (model of a flow) -> WAITING requests
 *     parked ring of a class -> client -> parked entries of the class
 */

#include "window.h"

struct window_client {
    uint64_t hash;
    uint32_t held; /* requests in the window, in any state */
    uint32_t parked_n;
    uint32_t flow[REQUEST_PRIORITY_COUNT]; /* INDEX_NONE if nothing waits */
    struct parked_list {
        uint32_t head, tail;           /* by entry id */
        uint32_t ring_next, ring_prev; /* clients with entries of this class */
    } list[REQUEST_PRIORITY_COUNT];
};

struct window_flow {
    uint32_t client;
    enum request_priority class;
    uint32_t deficit; /* units of cost that it may still spend in its turn */
    uint32_t ring_next, ring_prev;
    uint32_t lanes; /* first lane */
    uint32_t n;     /* requests */
};

struct window_lane {
    uint32_t flow;
    uint32_t model;
    uint32_t next, prev; /* of the flow */
    uint32_t head, tail; /* requests in order of service */
    uint32_t scan;       /* `resume` belongs to this scan */
    uint32_t resume;     /* first request that the scan has not shown */
};

/* Most requests need none: what only some have, and is long. */
struct window_side {
    char callback[CALLBACK_MAX + 1];
    char tried[WINDOW_TRIED_MAX + 1];
    char last_error[REQUEST_ERROR_MAX + 1];
};

struct parked {
    struct stream_id id;
    uint64_t request_hash;
    int64_t deadline_ms;
    uint32_t client; /* INDEX_NONE: not in use */
    uint32_t next, prev;
    uint8_t priority; /* enum request_priority, as asked */
    uint8_t class;    /* as aged */
};

/* --- window.c --- */

uint64_t window_hash(const struct window *window, struct span text);

static inline uint64_t window_id_hash(struct stream_id id)
{
    return id.ms * UINT64_C(0x9e3779b97f4a7c15) + id.seq;
}

/* Forgets the client if it holds nothing and has nothing parked. */
void window_client_tidy(struct window *window, uint32_t client);

/* The class in which a request stands that was submitted then. */
enum request_priority window_class_at(enum request_priority priority, int64_t waited_ms,
                                      int64_t priority_age_ms);

/* --- window_order.c --- */

/* A request into and out of the order of service; its class is set. */
void order_insert(struct window *window, uint32_t index);
void order_unlink(struct window *window, uint32_t index);

/* Before a request is taken: gives every client the turns that pass until this one can afford it,
 * and charges it. After it has left: whose turn is next. */
void order_charge(struct window *window, uint32_t index);
void order_turn_end(struct window *window, uint32_t client, enum request_priority class);
void order_refund(struct window *window, uint32_t index);

/* The request that gives way to a new one of this client and class, or INDEX_NONE. */
uint32_t order_victim(const struct window *window, uint32_t client, enum request_priority class);

/* --- window_parked.c --- */

/* False if parked_max are parked. Takes over no hold on the client. */
bool parked_add(struct window *window, const struct parked *entry);
uint32_t parked_find(const struct window *window, struct stream_id id);
void parked_remove(struct window *window, uint32_t index);
void parked_age(struct window *window, int64_t redis_ms, int64_t priority_age_ms);

#endif
