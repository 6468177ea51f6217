#ifndef TESTS_SCRIPT_CALL_H
#define TESTS_SCRIPT_CALL_H

/*
 * Calls of the Lua scripts on a private redis-server, for tests. The world: prefix
 * orion:inference, node n1 with epoch 7, request r1, router rt1. For texts see script_state.h.
 */

#include "common/scripts.h"

#include "script_state.h"

#define TTL_MS    60000  /* response_ttl of the world */
#define LEFT_MS   100000 /* from reset_world() to the deadline of the world */
#define SUBMITTED "1000000000000"

/* What a call says, by name. What is NULL has the value of the world, in script_call.c. */
struct call {
    const char *requests, *stream, *job, *callback, *epoch_key;
    const char *router, *node, *entry, *request_id, *attempt, *epoch, *credit;
    const char *submitted, *deadline, *tried, *came_back, *ttl_ms, *why, *status, *model;
    const char *last_error, *code, *error, *retryable, *event, *dead, *answerable, *max_queue,
        *passed;
    const char *state, *run_ms, *left_ms, *delivery, *lost_ms, *more_tried, *json, *low_epoch;
    const char *control_id, *control_ms, *mark_ms, *op, *other, *stale_ms, *count, *forget_ms;
    const char *longest, *sent_before;
    const char *at_node;          /* in end.lua: the node that an error names */
    const char *const *more_keys; /* behind the others; ended by NULL */
    const char *const *more_args; /* behind the others; ended by NULL */
};

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The answer as text: its elements with a blank between them, a time in milliseconds as "<ms>", an
 * error as "!" and its first word. */
const char *script_run(struct redis_fixture *fx, enum script script, const struct call *call);
#define CALL(fx, NAME, ...) script_run(fx, SCRIPT_##NAME, &(const struct call){__VA_ARGS__})

/* Fails unless the answer is `expected` and no byte of the data set is another than before: every
 * key is compared by DUMP (pending entries included) and expiry. */
void script_refuses(struct redis_fixture *fx, const char *expected, enum script script,
                    const struct call *call);
#define REFUSES(fx, expected, NAME, ...)                                                           \
    script_refuses(fx, expected, SCRIPT_##NAME, &(const struct call){__VA_ARGS__})

/* Empties the server, lifts its memory limit; groups, epoch and health of the world. cmocka set-up
 * of a test, as well as a function. */
int reset_world(void **state);

/* XADD; the new id. */
const char *add_entry(struct redis_fixture *fx, const char *stream, const char *const *fields);

/* XREADGROUP of one new entry; its id, or "" if there is none. */
const char *deliver(struct redis_fixture *fx, const char *stream, const char *consumer);

/* Request r1 ... pending at router rt1; on the stream of n1; delivered to n1; the same and started.
 * Each answers the id of the entry where it is now. */
const char *submit(struct redis_fixture *fx);
const char *submit_routed(struct redis_fixture *fx);
const char *submit_delivered(struct redis_fixture *fx);
const char *submit_started(struct redis_fixture *fx);

/* A request that came back from n1 and is pending at rt1 again. */
const char *submit_returned(struct redis_fixture *fx);

/* Redis time plus so many milliseconds, as text. */
const char *redis_ms_plus(struct redis_fixture *fx, long delta_ms);

/* Full: every command that needs memory is refused by noeviction. reset_world() ends it. */
void fill_memory(struct redis_fixture *fx);

#endif
