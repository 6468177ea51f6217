#ifndef ROUTER_ENDING_H
#define ROUTER_ENDING_H

/*
 * Terminal `error` entries for requests that are still on the origin stream: end.lua, and what
 * follows from its answer.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct router;

/* The sentence of deadline_exceeded for a request that no node has. */
#define ENDING_DEADLINE_TEXT "its time (timeout_ms) passed while it waited for a node"

struct ending {
    struct span entry_id;
    struct span request_id; /* as given if it is unusable */
    const char *callback;   /* NULL: nobody can be told; it goes to P:dead only */
    int64_t attempt;
    bool came_back;
    const char *code, *error; /* error: a sentence for people */
    bool retryable;
    const char *event;   /* of P:events: rejected, failed, cancelled, dead */
    struct span node;    /* absent if none was involved */
    struct span model;   /* canonical, for the figures; absent if none is known */
    bool dead;           /* on P:dead as well */
    bool shed;           /* only while more than max_queue wait; it need not be pending here */
    int64_t deadline_ms; /* that has passed, which Redis judges by its own clock; 0: none has */
};

/* Writes it. Everything is copied. If the entry is in the window it must be WAITING (otherwise a
 * script for it is under way, and nothing is done); it is marked ENDING and leaves the window when
 * Redis has answered; if Redis fails it is WAITING again. */
void ending_write(struct router *router, const struct ending *ending);

/* Fills in what follows from the code: retryable, event, dead; the rest is absent, attempt 1. */
void ending_init(struct ending *ending, const char *code, const char *error);

/* Ends a request that waits and whose cancel came while it could not be ended (is_cancelled); false
 * if it is no such request. */
bool ending_write_cancelled(struct router *router, uint32_t index);

/* Ends a WAITING request of the window. */
void ending_write_window(struct router *router, uint32_t index, const char *code,
                         const char *error);

#endif
