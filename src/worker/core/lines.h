#ifndef WORKER_LINES_H
#define WORKER_LINES_H

/*
 * Splits a byte stream into the lines of NDJSON, wherever the reads happen to cut it. Pure but for
 * one buffer of at most line_max bytes, which holds the beginning of a line whose end has not come.
 *
 *     lines_feed(&lines, bytes);
 *     while ((got = lines_next(&lines, &line)) == LINES_LINE)
 *         use(line);
 *     if (got == LINES_TOO_LONG) ...
 *     ... next read ...
 *     while ((got = lines_end(&lines, &line)) == LINES_LINE) ...   (the stream has ended)
 *
 * Lines of nothing but blanks are skipped. A line does not include its "\n" (nor a "\r" before it).
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

enum lines_result {
    LINES_NONE = 0, /* no whole line left: feed more */
    LINES_LINE,     /* *ret_line is the next line */
    LINES_TOO_LONG, /* a line is longer than line_max, or no memory to keep its beginning. Stays so:
                     * drop the stream */
};

struct lines {
    struct buf partial; /* beginning of a line; or the line last returned, see `returned` */
    struct span rest;   /* fed bytes not yet looked at, borrowed */
    bool returned;      /* partial was handed out as a line and is emptied at the next call */
    bool too_long;
};

/* line_max: bytes that a line may have, without its end; at least 1. The worker takes reply_max, so
 * LINES_TOO_LONG means that the answer is too large. Allocates nothing. */
void lines_init(struct lines *lines, size_t line_max);

/* Frees the memory; may be called twice. */
void lines_done(struct lines *lines);

/* Hands over the bytes of one read. They are borrowed until lines_next() has returned LINES_NONE or
 * LINES_TOO_LONG; only then may the next ones be fed. */
void lines_feed(struct lines *lines, struct span bytes);

/* The next whole line. *ret_line is borrowed until the next call of any function here, and lies in
 * the fed bytes or in the buffer. Left alone unless LINES_LINE is returned. */
enum lines_result lines_next(struct lines *lines, struct span *ret_line);

/* The stream has ended: a last line without "\n", if there is one. Call until LINES_NONE. */
enum lines_result lines_end(struct lines *lines, struct span *ret_line);

#endif
