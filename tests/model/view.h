#ifndef MODEL_VIEW_H
#define MODEL_VIEW_H

/*
 * What Redis holds of the model's one request, as look.lua writes it: bytes only, in this order.
 * Everything that a script's decision can depend on is here; nothing that it cannot.
 */

#include <stdint.h>

#define ROUTERS 2
#define NODES   2
#define SLOTS   4 /* entries of one stream at a time; more is an error of the model */

struct entry {
    uint8_t id; /* counter; 0: no entry */
    uint8_t attempt;
    uint8_t tried;     /* bit per node */
    uint8_t era;       /* bits of enum era */
    uint8_t came_back; /* has an attempt: a router or worker wrote it */
    uint8_t holder;    /* pending at consumer number ...; 0: at nobody */
    uint8_t delivered; /* not after the group's last-delivered id */
};

struct stream_view {
    uint8_t exists; /* 0: no key, 1: with a group, 2: without */
    uint8_t last, delivered;
    uint8_t n;
    uint8_t orphans; /* pending entries that are not on the stream */
    struct entry entries[SLOTS];
};

/* When the client submitted it. */
enum era {
    ERA_AFTER_CANCEL = 1,
    ERA_AFTER_DEADLINE = 2 /* of the first; this one has another */
};

enum freshness { FRESH_NONE = 0, FRESH_OLD, FRESH_NOW };

struct node_view {
    uint8_t epoch;
    uint8_t highest_epoch; /* also of what Redis has forgotten */
    uint8_t health;        /* enum freshness */
    uint8_t is_unavailable;
    uint8_t is_drained;
};

struct router_view {
    uint8_t presence; /* enum freshness */
    uint8_t consumer;
};

enum job_at { JOB_AT_NONE = 0, JOB_AT_QUEUED, JOB_AT_ROUTED, JOB_AT_RUNNING, JOB_AT_DONE };

enum ttl {
    TTL_NO_KEY = 0,
    TTL_NONE,
    TTL_SET,
    TTL_SHORT /* of a job that is not done although its deadline has passed */
};

struct view {
    struct stream_view requests;
    struct stream_view streams[NODES];
    struct node_view nodes[NODES];
    struct router_view routers[ROUTERS];
    uint8_t job_state; /* enum job_at */
    uint8_t job_entry;
    uint8_t job_node; /* 1, 2; 0: none */
    uint8_t job_cancel;
    uint8_t job_ttl; /* enum ttl */
    uint8_t terminals;
    uint8_t after; /* something follows the terminal entry */
    uint8_t callback_ttl;
    uint8_t control_applied;
};

#endif
