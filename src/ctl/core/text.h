#ifndef CTL_TEXT_H
#define CTL_TEXT_H

/*
 * Text for a terminal. What comes from Redis was written by others: a name, an error or an answer
 * may hold escape sequences that would move the cursor, change the title or fake a line. All of it
 * passes through here; nothing else may print it. Pure.
 *
 * Replaced by '?': control characters (C0, DEL, C1), bytes that are no UTF-8, and the invisible
 * ones that reorder or hide text (bidirectional marks, zero width, line and paragraph separators,
 * tags). Columns are counted as terminals do: wide characters of East Asia and pictures are two,
 * combining marks none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#define TEXT_NO_LIMIT ((size_t)-1)

/* Colours; none where `color` is false. */
enum text_style {
    TEXT_PLAIN = 0,
    TEXT_GOOD,
    TEXT_WARN,
    TEXT_BAD,
    TEXT_DIM,
    TEXT_BOLD,
    TEXT_INVERSE,
    TEXT_STYLE_COUNT
};

void text_style(struct buf *out, bool color, enum text_style style);

/* Columns that `s` takes once text_add() has written it. */
size_t text_cols(struct span s);

/* Appends `s` as one line, blanks for tabs and line ends, cut to max_cols with a '~' at the end if
 * it is longer. Returns the columns written. */
size_t text_add(struct buf *out, struct span s, size_t max_cols);

/* Appends `s` with its newlines and tabs: an answer, for a terminal. */
void text_add_lines(struct buf *out, struct span s);

/* Appends `s` as a JSON string with its quotes, whatever bytes it has: what is no UTF-8 becomes
 * U+FFFD, and what text_add() would replace is written as \u escapes, so that JSON on a terminal is
 * as harmless as a table. */
void text_add_json(struct buf *out, struct span s);

/* Appends JSON that json_check() has accepted, on one line, the same characters escaped. */
void text_add_raw_json(struct buf *out, struct span json);

void text_pad(struct buf *out, size_t cols);

/* Appends `s` as one paragraph, broken at blanks so that no line is longer than `width`; `col` is
 * where the first line begins, `indent` where the others do. A longer word is cut. */
void text_wrap(struct buf *out, struct span s, size_t col, size_t indent, size_t width);

/* A buffer over an array, for small texts: what does not fit is left out, as buf.h says, and
 * nothing is allocated. text_fixed_str() ends it with NUL and returns it. Never buf_done() it. */
void text_fixed(struct buf *buf, char *bytes, size_t cap);
const char *text_fixed_str(struct buf *buf);

#define TEXT_NUMBER_SIZE 24

/* How long ago or how long: "340ms", "3.2s", "2s" for exactly two, "47s", "3m12s", "2h05m",
 * "3d04h"; "-" below 0. */
const char *text_duration(int64_t ms, char buf[static TEXT_NUMBER_SIZE]);

/* The same in at most four columns: "3s", "47s", "12m", "5h", "99d"; "-" below 0. */
const char *text_age(int64_t ms, char buf[static TEXT_NUMBER_SIZE]);

/* "512 B", "1.4 KiB", "3.1 MiB" */
const char *text_bytes(int64_t bytes, char buf[static TEXT_NUMBER_SIZE]);

/* A moment of Redis time in UTC: "2026-11-24 20:18:37.042Z"; with_date false: "20:18:37.042". */
const char *text_moment(int64_t redis_ms, bool with_date, char buf[static 32]);

#endif
