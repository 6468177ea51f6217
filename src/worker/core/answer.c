#include "answer.h"

#include <assert.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "error_text.h"

void answer_init(struct answer *answer, enum body_kind kind, size_t max_bytes)
{
    *answer = (struct answer){.state = ANSWER_CHUNK};
    pieces_init(&answer->pieces, kind, max_bytes);
    buf_init(&answer->last, max_bytes);
}

void answer_done(struct answer *answer)
{
    pieces_done(&answer->pieces);
    buf_done(&answer->last);
}

/* The only writer of `state` besides answer_init(). */
static enum answer_result end(struct answer *answer, enum answer_result state)
{
    assert(answer->state == ANSWER_CHUNK);
    answer->state = state;
    return state;
}

static enum answer_result end_garbage(struct answer *answer, const char *why)
{
    (void)span_copy(span_str(why), answer->error, sizeof answer->error);
    return end(answer, ANSWER_GARBAGE);
}

/* A metric; absent, negative or no integer is 0. */
static int64_t metric(struct span number)
{
    int64_t value = 0;

    return json_to_i64(number, &value) && value > 0 ? value : 0;
}

static void read_stats(struct answer *answer, struct span line)
{
    enum { TOTAL, LOAD, PROMPT_N, PROMPT, N, EVAL, COUNT };
    static const char *const names[COUNT] = {"total_duration",    "load_duration",
                                             "prompt_eval_count", "prompt_eval_duration",
                                             "eval_count",        "eval_duration"};
    struct span found[COUNT];

    json_get_all(line, names, COUNT, found);
    answer->stats = (struct answer_stats){
        .total_duration_ns = metric(found[TOTAL]),
        .load_duration_ns = metric(found[LOAD]),
        .prompt_eval_count = metric(found[PROMPT_N]),
        .prompt_eval_duration_ns = metric(found[PROMPT]),
        .eval_count = metric(found[N]),
        .eval_duration_ns = metric(found[EVAL]),
    };
}

/* True, with `error` filled, if this object is one of Ollama's errors. */
static bool is_error(struct answer *answer, struct span object, struct span error)
{
    if (!error.ptr || json_type(error) == JSON_NULL)
        return false;
    error_text(object, answer->error, sizeof answer->error);
    return true;
}

/* Checks that the text is a JSON object; otherwise ends the answer as garbage. */
static bool is_object(struct answer *answer, struct span text)
{
    struct err why = {.msg = ""};

    if (json_check(text, &why) < 0) {
        (void)end_garbage(answer, why.msg);
    } else if (json_type(text) != JSON_OBJECT) {
        (void)end_garbage(answer, "JSON, but no object");
    }
    return answer->state == ANSWER_CHUNK;
}

static bool is_done(const struct piece *piece)
{
    bool done = false;

    return json_to_bool(piece->done, &done) && done;
}

/* Keeps the final line. What counts is the size of the answer composed of it, so the parts that
 * stand both in the line and among the pieces count once. */
static enum answer_result take_final(struct answer *answer, const struct piece *piece)
{
    size_t rest = piece->line.len - piece_len(piece);

    if (rest > answer->pieces.max_bytes - pieces_len(&answer->pieces) ||
        !buf_add_span(&answer->last, piece->line))
        return end(answer, ANSWER_TOO_LARGE);
    read_stats(answer, piece->line);
    return end(answer, ANSWER_FINAL);
}

enum answer_result answer_add_line(struct answer *answer, struct span line)
{
    struct piece *piece = &answer->piece;

    assert(answer->pieces.kind != BODY_EMBED);
    if (answer->state != ANSWER_CHUNK)
        return answer->state;
    if (!is_object(answer, line))
        return answer->state;
    bool is_split = pieces_split(answer->pieces.kind, line, piece);
    if (is_error(answer, line, is_split ? piece->error : json_get(line, "error")))
        return end(answer, ANSWER_ERROR);
    if (!is_split)
        return end_garbage(answer, "a part of the answer has a type that Ollama does not send");
    if (!pieces_add(&answer->pieces, piece))
        return end(answer, ANSWER_TOO_LARGE);
    return is_done(piece) ? take_final(answer, piece) : ANSWER_CHUNK;
}

enum answer_result answer_add_body(struct answer *answer, struct span bytes)
{
    assert(answer->pieces.kind == BODY_EMBED);
    if (answer->state == ANSWER_CHUNK && !buf_add_span(&answer->last, bytes))
        return end(answer, ANSWER_TOO_LARGE);
    return answer->state;
}

enum answer_result answer_end_body(struct answer *answer)
{
    struct span body = buf_span(&answer->last);

    assert(answer->pieces.kind == BODY_EMBED);
    if (answer->state != ANSWER_CHUNK || !is_object(answer, body))
        return answer->state;
    if (is_error(answer, body, json_get(body, "error")))
        return end(answer, ANSWER_ERROR);
    if (json_type(json_get(body, "embeddings")) != JSON_ARRAY)
        return end_garbage(answer, "an object without an array `embeddings`");
    read_stats(answer, body);
    return end(answer, ANSWER_FINAL);
}

static struct span trim(struct span text)
{
    static const char blanks[] = " \t\r\n";

    while (text.len > 0 && memchr(blanks, text.ptr[0], sizeof blanks - 1)) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && memchr(blanks, text.ptr[text.len - 1], sizeof blanks - 1))
        text.len--;
    return text;
}

bool answer_compose(const struct answer *answer, struct buf *out)
{
    struct piece frame;

    assert(answer->state == ANSWER_FINAL);
    if (answer->pieces.kind == BODY_EMBED)
        return buf_add_span(out, trim(buf_span(&answer->last)));
    bool ok = pieces_split(answer->pieces.kind, buf_span(&answer->last), &frame);
    assert(ok); /* answer_add_line() has split this very line */
    return ok && pieces_compose(&answer->pieces, &frame, out);
}
