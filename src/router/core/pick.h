#ifndef ROUTER_PICK_H
#define ROUTER_PICK_H

/*
 * Which node gets a request, and why not the others. Pure: same arguments, same answer.
 *
 * A node is refused for the first reason of enum pick_verdict that applies, in its order. Of the
 * others the best is taken:
 *
 *     1. not failing before failing (node_is_failing())
 *     2. the model resident before only installed
 *     3. fewest in flight per slot, compared exactly
 *     4. the conversation's cache warm there
 *     5. coolest; an unknown temperature comes last
 *     6. smallest node id
 *
 * A node that has failed this request already is refused, unless every node that could have it, now
 * or as soon as it has a slot, has failed it: a fleet of one must still use its attempts. The
 * sentence then says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#include "fleet.h"

enum pick_verdict {
    PICK_OK = 0,
    PICK_NEW,  /* no health that can be used */
    PICK_GONE, /* not in P:health any more */
    PICK_LOST,
    PICK_LATE,
    PICK_DRAINED,
    PICK_UNAVAILABLE, /* it says so itself; its reason is shown */
    PICK_HOT,
    PICK_MEMORY,
    PICK_NO_MODEL,
    PICK_SUSPECT,   /* the model hung there and has not been cleared */
    PICK_FAILED_IT, /* it has failed this request */
    PICK_ON_HOLD,   /* it has just failed another one */
    PICK_NO_CREDIT, /* every slot taken */
    PICK_VERDICT_COUNT
};

#define PICK_WHY_MAX 511 /* bytes of a sentence, without NUL */

struct pick_request {
    uint32_t model;        /* index in the fleet's names table */
    struct span tried;     /* nodes that failed it, comma-separated; absent if none */
    uint64_t session_hash; /* 0 = none */
};

struct pick_result {
    uint32_t node; /* index, or FLEET_NONE */
    bool again;    /* every node that could have it has failed it before: that no longer counts */
    uint32_t counts[PICK_VERDICT_COUNT];
};

/* Picks. Fills the verdict (enum pick_verdict) of each node at its index; the array is the
 * caller's, one byte per node that fleet_init() made room for; what belongs to no node is left
 * alone. O(nodes). */
struct pick_result pick_node(const struct fleet *fleet, const struct pick_request *request,
                             int64_t now_ms, uint8_t *verdicts);

/* The set (names.h) of models that some node could take a request of now: cleared, then filled.
 * Whether a node has failed the request is not asked. O(nodes x models of each). */
void pick_open_models(const struct fleet *fleet, int64_t now_ms, uint64_t *open);

/* Why this node, and why not the others: "holds gemma3:1b; 0 of 1 slots busy; 54.2 C; others: pi-2
 * no slot free, pi-3 hot 78.1 C". At most PICK_WHY_OTHERS others by name, then counts. If no node
 * was picked: "no node for gemma3:1b: pi-2 no slot free, ...". Writes with NUL, cut at cap - 1. */
#define PICK_WHY_OTHERS 6
void pick_why(const struct fleet *fleet, const struct pick_request *request,
              const struct pick_result *result, const uint8_t *verdicts, char *buf, size_t cap);

/* One line for a request that waits: "12 nodes: 7 without the model, 3 without a free slot, 2 hot".
 */
void pick_summary(const struct pick_result *result, char *buf, size_t cap);

const char *pick_verdict_name(enum pick_verdict verdict);  /* "no-credit": for tables and logs */
const char *pick_verdict_words(enum pick_verdict verdict); /* "no slot free": for people */

#endif
