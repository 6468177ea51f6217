#ifndef ROUTER_CONTROL_ENTRY_H
#define ROUTER_CONTROL_ENTRY_H

/*
 * Entries of P:control and P:events, as far as a router acts on them. Pure; spans are borrowed from
 * the reply.
 */

#include <stdint.h>

#include "common/span.h"

#include "metrics.h"

struct redisReply;

enum control_op {
    CONTROL_OTHER = 0, /* unknown op, or an id that is none: logged, then passed over */
    CONTROL_CANCEL,    /* request_id is valid */
    CONTROL_DRAIN,     /* node is valid */
    CONTROL_UNDRAIN,
    CONTROL_PRELOAD, /* node is valid; model and router as they stand there */
};

struct control_entry {
    struct span id;
    int64_t id_ms; /* Redis time of the entry */
    enum control_op op;
    struct span request_id; /* CONTROL_CANCEL */
    struct span node;       /* CONTROL_DRAIN, CONTROL_UNDRAIN, CONTROL_PRELOAD */
    struct span model;      /* CONTROL_PRELOAD: canonical */
    struct span router;     /* CONTROL_PRELOAD: who asked; absent: an operator */
};

/* One [id, [field, value ...]] element of an XREAD reply. */
void control_decode(const struct redisReply *entry, struct control_entry *ret);

enum event_kind {
    EVENT_OTHER = 0,
    EVENT_ROUTED,    /* a router gave a request to a node */
    EVENT_ENDED,     /* done, failed or cancelled on a node: its slot is free */
    EVENT_REQUEUED,  /* a node gave a request back, or it was taken from the node */
    EVENT_NODE,      /* something about a node changed: read the health hash */
    EVENT_DRAINED,   /* drain or undrain was applied */
    EVENT_QUEUED,    /* a router has accepted a request */
    EVENT_PRELOADED, /* a node has loaded a model ahead of need, or could not */
};

struct event_entry {
    enum event_kind kind;
    struct span node;   /* absent if none was involved */
    struct span router; /* who wrote it; absent: a worker */
    struct span model;
    struct span code;      /* absent or empty: none */
    struct span routed_by; /* the router that gave the request to the node; absent if unknown */
    bool is_failure;       /* the node failed the request */
    bool is_loaded;        /* EVENT_PRELOADED: the model is in memory */
    int64_t run_ms;        /* EVENT_ENDED with success; -1 if not given */
    struct metric_run run; /* EVENT_ENDED with success */
};

void event_decode(const struct redisReply *entry, struct event_entry *ret);

#endif
