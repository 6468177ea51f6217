#ifndef TESTS_SCRIPT_STATE_H
#define TESTS_SCRIPT_STATE_H

/*
 * The state of a private redis-server as text that a test can compare. Texts live in a ring of
 * buffers: each is good for the next 500 calls that return one.
 */

#include "common/keys.h"

#include "redis_fixture.h"
#include "test.h"

#define P        "orion:inference:"
#define REQUESTS P "requests"
#define NODE     P "requests:n1"
#define CALLBACK P "responses:r1"
#define JOB      P "job:r1"
#define EPOCH    P "epoch:n1"
#define HEALTH   P "health"
#define ROUTERS  P "routers"
#define EVENTS   P "events"
#define DEAD     P "dead"
#define DRAINED  P "drained"
#define CONTROL  P "control"

/* The group of P:requests and P:control, or of a node's stream. */
const char *group_of(const char *stream);

/* Every key by DUMP (pending entries included) and expiry; snapshot_unchanged() fails if one of
 * them is different now, and frees the snapshot. */
struct redisReply *snapshot_take(struct redis_fixture *fx);
void snapshot_unchanged(struct redis_fixture *fx, struct redisReply *before);

/* All entries of a stream, without ids: "a=1 b=2; a=3". "" if there is no such stream. */
const char *stream_text(struct redis_fixture *fx, const char *key);

/* A hash by field name: "a=1 b=2". */
const char *hash_text(struct redis_fixture *fx, const char *key);

/* All pending entries of the stream's group: "1-1 rt1 x1; 2-1 rt2 x3". */
const char *pending_text(struct redis_fixture *fx, const char *key);

/* The last entry's id. */
const char *last_id(struct redis_fixture *fx, const char *key);

/* The answer to any command as text, as of script_run(). */
const char *answer(struct redis_fixture *fx, const char *fmt, ...);

/* printf() into a text of the ring. */
const char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void assert_starts(const char *text, const char *start);
void assert_contains(const char *text, const char *part);

/* PTTL is at most `ms` and at most 10 s less; ms -1: no expiry; -2: no such key. */
void assert_ttl(struct redis_fixture *fx, const char *key, long ms);

/* Frees the reply. An array is its elements with a blank between them, a time in milliseconds is
 * "<ms>", an error is "!" and its first word. */
const char *text_of_reply(struct redisReply *reply);

#endif
