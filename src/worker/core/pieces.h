#ifndef WORKER_PIECES_H
#define WORKER_PIECES_H

/*
 * The parts of Ollama's chunks that are joined: the text (`message.content` or `response`),
 * thinking, tool_calls and logprobs. Used for the whole answer (answer.h) and for merged chunks
 * (chunks.h). Pure but for buffers.
 *
 * Texts are joined as raw insides of JSON strings, arrays as raw insides of JSON arrays: nothing is
 * decoded, so nothing can change. In a chat the container of text, thinking and tool_calls is
 * `message`, in a generate it is the line itself; logprobs always stands in the line itself.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

#include "body.h"

/* Bytes that pieces_compose() may add to the frame and the pieces: keys and punctuation. */
#define PIECES_SLACK_BYTES 160

enum pieces_part {
    PIECES_THINKING = 0, /* in the order in which a model produces them */
    PIECES_TEXT,
    PIECES_TOOL_CALLS,
    PIECES_LOGPROBS,
    PIECES_PART_COUNT
};

/* One line taken apart; the spans lie in the line. */
struct piece {
    struct span line;
    struct span container; /* generate: the line; chat: raw value of `message`, an
                            * object or null; {NULL, 0} if it is not there */
    struct span model, created_at, done, role; /* raw values of the other members of every chunk */
    struct span error;                         /* of a line that is an error */
    struct span value[PIECES_PART_COUNT];  /* raw values as they stand; {NULL, 0} if not there */
    struct span inside[PIECES_PART_COUNT]; /* without quotes or brackets, or blanks beside these */
};

/* All parts seen so far. */
struct pieces {
    enum body_kind kind;
    size_t max_bytes;                     /* of all parts together */
    struct buf joined[PIECES_PART_COUNT]; /* raw insides */
};

/* kind is BODY_CHAT or BODY_GENERATE (for BODY_EMBED nothing is ever added). Allocates nothing. */
void pieces_init(struct pieces *pieces, enum body_kind kind, size_t max_bytes);
void pieces_done(struct pieces *pieces);
void pieces_clear(struct pieces *pieces);

/* Takes apart a line that json_check() has accepted and that is an object. False if a part has a
 * type that cannot be joined (text not a string, tool_calls not an array, ...; null is fine). *ret
 * is left alone then. */
bool pieces_split(enum body_kind kind, struct span line, struct piece *ret);

/* Joins one more. False if max_bytes would be passed or memory is short; then nothing has changed
 * and the pieces can go on being used. */
bool pieces_add(struct pieces *pieces, const struct piece *piece);

/* True if the line adds nothing to any part. */
bool piece_is_empty(const struct piece *piece);

/* Bytes of the insides of its parts: what of the line grows when it is joined. */
size_t piece_len(const struct piece *piece);

/* Bytes of all parts. */
size_t pieces_len(const struct pieces *pieces);

/* Appends the frame's line with its parts replaced by the joined ones, everything else byte for
 * byte and in order. A part that is not in the frame is added if it is not empty: thinking after
 * the text, the others at the end of their object. False if *out refused it. */
bool pieces_compose(const struct pieces *pieces, const struct piece *frame, struct buf *out);

#endif
