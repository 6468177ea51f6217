#ifndef CTL_HAPPENING_H
#define CTL_HAPPENING_H

/* Entries of P:events as lines, and the filters of `orionctl events`. Pure. */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

struct redisReply;

/* What is wanted; an absent span wants everything. */
struct happening_filter {
    struct span kinds; /* names separated by commas */
    struct span node, request_id, model;
};

bool happening_wanted(const struct redisReply *fields, const struct happening_filter *filter);

/* "20:18:37.042 routed     r1 -> pi-2 (attempt 2) gemma3:1b: has on disk ...", one line of at most
 * `width` columns, with a newline. */
void happening_line(struct span id, const struct redisReply *fields, size_t width, bool color,
                    struct buf *out);

/* What happened in words, without time and kind: "to pi-2, attempt 2: has on disk ...". Fields that
 * this program does not know are listed as name=value. */
void happening_words(const struct redisReply *fields, struct buf *out);

#endif
