#ifndef CTL_LIFE_H
#define CTL_LIFE_H

/*
 * The life of one request, put together from what several streams know of it. Pure; entries are
 * borrowed from the replies they came in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/keys.h"
#include "common/span.h"

struct fleet_seen;
struct redisReply;

#define LIFE_STEPS_MAX 512

enum life_source {
    LIFE_QUEUE = 0, /* the entry that waits on P:requests: `fields` of find.lua */
    LIFE_EVENT,     /* P:events */
    LIFE_REPLY,     /* the callback */
    LIFE_DEAD,      /* P:dead */
};

struct life_step {
    enum life_source source;
    int64_t at_ms;
    struct span id; /* of the entry */
    const struct redisReply *fields;
    size_t n_pieces, bytes; /* LIFE_REPLY: pieces of this attempt, in `chunk` entries */
    int64_t last_ms;        /* when the last of them came */
};

struct life {
    char request_id[REQUEST_ID_MAX + 1];
    struct life_step steps[LIFE_STEPS_MAX];
    size_t n, left_out;
    const struct redisReply *job;    /* HGETALL; absent: NULL */
    const struct redisReply *queued; /* find.lua's answer; NULL or empty: it does not wait */
};

/* Adds an entry if it is of this request and worth a step (of the pieces of an answer only the
 * first of each attempt is; the others are counted). Returns true if `entry` was kept: its reply
 * must then outlive the life. */
bool life_add(struct life *life, enum life_source source, const struct redisReply *entry);

/* Into the order of time. */
void life_sort(struct life *life);

/* Does anybody know this request? */
bool life_is_known(const struct life *life);

/* Has it not ended? */
bool life_is_open(const struct life *life);

/* All of `explain`. `fleet` is the present one, to say what a waiting request waits for; NULL if it
 * could not be read. */
void life_text(const struct life *life, const struct fleet_seen *fleet, size_t width, bool color,
               struct buf *out);
void life_json(const struct life *life, struct buf *out);

#endif
