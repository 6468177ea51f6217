#ifndef SIM_HEAP_H
#define SIM_HEAP_H

/*
 * The events to come: a binary heap by (time, sequence number), so that of two events at the same
 * nanosecond the one that was pushed first comes first, always.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_ARRIVAL = 0, /* a: session, b: turn */
    EVENT_TICK,        /* each second: heat, then the nodes whose health is due */
    EVENT_LOADED,      /* a: node, b: version; the model of the current request is in memory */
    EVENT_DONE,        /* a: node, b: version; the current request is answered */
    EVENT_PRELOADED,   /* a: node, b: version */
    EVENT_DEATH,       /* a: node; nobody is told */
    EVENT_NOTICED,     /* a: node; its silence has become too long */
    EVENT_REVIVAL,     /* a: node */
    EVENT_KIND_COUNT
};

struct event {
    int64_t at_ns;
    uint64_t sequence; /* set by heap_push() */
    enum event_kind kind;
    uint32_t a, b;
};

/* Zeroed = empty. */
struct heap {
    struct event *events; /* owned */
    size_t n, capacity;
    uint64_t sequence;
};

void heap_push(struct heap *heap, int64_t at_ns, enum event_kind kind, uint32_t a, uint32_t b);
bool heap_pop(struct heap *heap, struct event *ret); /* false: none left */
void heap_free(struct heap *heap);

#endif
