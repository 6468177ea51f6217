#ifndef CTL_REPLY_VIEW_H
#define CTL_REPLY_VIEW_H

/*
 * Entries of a stream as text and as JSON: replies, events, dead letters. Pure; everything is
 * borrowed from the reply. `fields` is the flat [name, value, ...] array of an entry.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

struct redisReply;

#define VIEW_FIELDS_MAX ((size_t)256) /* of one entry that are shown */

/* The value of a field; {NULL, 0} if it is not there. */
struct span view_field(const struct redisReply *fields, const char *name);

/* The same as a number; `otherwise` if it is not there or none. */
int64_t view_number(const struct redisReply *fields, const char *name, int64_t otherwise);

/* {"id":"1-0", "at_ms":1, name: value ...}: numbers as numbers, `response` as the JSON that it is,
 * `retryable` as a bool, everything else as text. Without a newline. */
void view_entry_json(struct span id, const struct redisReply *fields, struct buf *out);

/* What a `status` entry says: "queued, 3 before it, about 12s", "pi-1 loads the model". */
void view_progress(const struct redisReply *fields, struct buf *out);

/* What Ollama answered, as text: the content, the tool calls as JSON, the embeddings as JSON. Text
 * that is not Ollama's JSON is taken as it is. */
void view_content(struct span response, struct buf *out);

/* "pi-1: 27 tokens, 22.1 tok/s; waited 2ms, ran 1.2s; attempt 2; dropped: keep_alive" of `done`. */
void view_stats(const struct redisReply *fields, struct buf *out);

/* eval_count of an answer; 0 if it does not say. */
int64_t view_tokens(struct span response);

#endif
