#ifndef WORKER_CHUNKS_H
#define WORKER_CHUNKS_H

/*
 * Which chunk entries a streaming client gets, and when. Pure: time is handed in, monotonic
 * milliseconds. One per attempt. Never calls back.
 *
 * A slow model shows each token at once: a piece that comes after interval_ms without an entry is
 * due immediately. A fast one does not flood Redis: pieces that come sooner are merged and become
 * due interval_ms after the last entry was taken, or when pieces_max of them are merged. While
 * Redis is slow or refuses, the shell does not take, and the pieces go on merging, at most
 * max_bytes of them.
 *
 * Two pieces are merged only if that keeps the meaning: the texts and arrays of the parts in
 * pieces.h are joined in the order thinking, text, tool_calls; model, role and done must be the
 * same; of created_at the first stays; a chunk with any further member, which we do not know how to
 * merge, waits as an entry of its own, in its place. Chunks that carry nothing are dropped.
 *
 * The shell: chunks_add() for each piece that answer_add_line() called ANSWER_CHUNK or ANSWER_FINAL
 * (a final line becomes a chunk only if it carries text or tool calls); then, and whenever its
 * timer for chunks_due_ms() fires, `while (chunks_due_ms() <= now_ms && chunks_take())` one XADD
 * each with the next `seq`, unless one is still on its way to Redis. Before the `done` entry it
 * takes what is left, due or not. Each attempt has its own chunks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#include "body.h"
#include "pieces.h"

#define CHUNKS_INTERVAL_MS                                                                         \
    50 /* shortest time between two entries: 20 a second read as flowing text */
#define CHUNKS_CATCH_UP                                                                            \
    5 /* 1/this of an interval may be made good after an entry that came late                      \
       */
#define CHUNKS_PIECES_MAX 64 /* pieces merged into one entry before it is due all the same */

/* chunks_due_ms() when nothing is waiting. */
#define CHUNKS_NEVER INT64_MAX

/* Bytes that one entry may need beyond max_bytes. */
#define CHUNKS_SLACK_BYTES PIECES_SLACK_BYTES

struct chunks {
    struct pieces open;   /* parts of the newest entry, which may still grow */
    struct buf frame;     /* first line of the newest entry */
    size_t frame_rest;    /* bytes of that line which are not parts */
    size_t open_n;        /* pieces in the newest entry; 0 = there is none */
    struct buf closed;    /* older entries, whole, each with "\n" behind */
    size_t closed_n;      /* how many */
    size_t closed_taken;  /* bytes at its front that were taken already */
    int64_t last_take_ms; /* when an entry was taken last, or should have been */
    bool taken_once;
    size_t max_bytes;
    size_t pieces_max;
    int64_t interval_ms;
};

/* max_bytes: the setting reply_max. interval_ms >= 0; pieces_max >= 1. Allocates nothing. */
void chunks_init(struct chunks *chunks, enum body_kind kind, size_t max_bytes, int64_t interval_ms,
                 size_t pieces_max);

/* Frees the memory; may be called twice. */
void chunks_done(struct chunks *chunks);

/* Takes a piece whose line has no "\n" (borrowed until it returns). False if what waits would pass
 * max_bytes or memory is short: end the request as reply_too_large; what waited before still
 * waits. */
bool chunks_add(struct chunks *chunks, const struct piece *piece);

/* When the next entry should be taken: a moment, perhaps in the past; CHUNKS_NEVER if none waits.
 */
int64_t chunks_due_ms(const struct chunks *chunks);

/* Appends the oldest entry that waits, one JSON object, to *out, due or not; notes now_ms. False if
 * none waits, or if *out refused it (out->failed): then it waits on. *out needs max_bytes +
 * CHUNKS_SLACK_BYTES at most. */
bool chunks_take(struct chunks *chunks, int64_t now_ms, struct buf *out);

#endif
