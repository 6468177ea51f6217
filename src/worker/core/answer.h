#ifndef WORKER_ANSWER_H
#define WORKER_ANSWER_H

/*
 * The answer of one attempt, collected from what Ollama sends. Pure but for buffers. The composed
 * answer never has more than max_bytes (and ANSWER_SLACK_BYTES); the buffers hold at most twice
 * that.
 *
 * Chat and generate come as lines (see lines.h); texts are joined raw, escapes left in, and the
 * arrays tool_calls and logprobs are joined wherever they come. Embed comes as one body. Success is
 * a line with "done":true (embed: one whole object with an `embeddings` array) and nothing else.
 *
 *     COLLECTING --line "done":true / whole body--> FINAL
 *         `------error line, garbage, too large---> FAILED
 *
 * Only answer_add_line() and answer_end_body() change the state; the first end stays.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

#include "body.h"
#include "pieces.h"

/* Longest text of Ollama's that is kept for people, with NUL. */
#define ANSWER_ERROR_MAX 512

/* Bytes that answer_compose() may need beyond max_bytes: keys and punctuation. */
#define ANSWER_SLACK_BYTES PIECES_SLACK_BYTES

/* What a line was. */
enum answer_result {
    ANSWER_CHUNK = 0, /* a piece of the answer; more must come */
    ANSWER_FINAL,     /* "done":true: the answer is whole. Also returned for whatever comes after */
    ANSWER_ERROR,     /* {"error":...}: the attempt failed; see error */
    ANSWER_GARBAGE,   /* not JSON, or not what Ollama sends */
    ANSWER_TOO_LARGE, /* past max_bytes, or no memory to keep it */
};

/* What Ollama reports at the end; its metrics are absent when zero, so absent is 0. Exact integers,
 * at least 0 (anything else counts as absent). Durations in nanoseconds. */
struct answer_stats {
    int64_t total_duration_ns;
    int64_t load_duration_ns;        /* loading plus Ollama's own queueing for it */
    int64_t prompt_eval_count;       /* tokens of the whole prompt, cached ones included */
    int64_t prompt_eval_duration_ns; /* time for the uncached ones only */
    int64_t eval_count;              /* tokens generated */
    int64_t eval_duration_ns;
};

struct answer {
    enum answer_result state; /* ANSWER_CHUNK while collecting, else how it ended */
    struct pieces pieces;     /* the texts and arrays so far */
    struct buf last;          /* the final line (embed: the body so far) */
    struct answer_stats stats;
    struct piece piece; /* chat and generate, after ANSWER_CHUNK or ANSWER_FINAL: the line just
                         * taken, apart; it lies in that line, and is gone with it */
    char error[ANSWER_ERROR_MAX]; /* after ANSWER_ERROR: Ollama's text; after ANSWER_GARBAGE: what
                                   * was wrong. UTF-8, one line, for people and for verdict.h */
};

/* max_bytes: the setting reply_max. Allocates nothing. */
void answer_init(struct answer *answer, enum body_kind kind, size_t max_bytes);

/* Frees the memory; may be called twice. */
void answer_done(struct answer *answer);

/* Chat and generate: takes one line (borrowed until it returns) and says what it was. After the
 * first result that is not ANSWER_CHUNK every further line is ignored and gets the same result. */
enum answer_result answer_add_line(struct answer *answer, struct span line);

/* Embed: keeps some bytes of the body. ANSWER_CHUNK or ANSWER_TOO_LARGE. */
enum answer_result answer_add_body(struct answer *answer, struct span bytes);

/* Embed: the body has ended (with HTTP status 200). ANSWER_FINAL, ANSWER_ERROR or ANSWER_GARBAGE.
 */
enum answer_result answer_end_body(struct answer *answer);

/*
 * Appends the answer as Ollama would have given it with "stream":false: the final line's members in
 * their order and byte for byte, with content, thinking, response, tool_calls and logprobs replaced
 * by the whole; what the final line does not have is added. Embed: the body as it came, without
 * white space around it. Only in state ANSWER_FINAL. Returns false if *out refused it (see buf.h;
 * it needs max_bytes + ANSWER_SLACK_BYTES at most).
 */
bool answer_compose(const struct answer *answer, struct buf *out);

#endif
