/* Any bytes from Ollama, in reads of any size: lines, answer, chunks and verdict hold their limits
 * and say JSON. Byte 0: kind; byte 1: bytes per read; byte 2: limit; the rest is the stream. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "answer.h"
#include "chunks.h"
#include "lines.h"
#include "verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct answer answer;
    struct chunks chunks;
    struct lines lines;
    struct buf out;
    size_t max_bytes;
};

static void check_json(struct run *run)
{
    struct err err;

    assert(!run->out.failed);
    assert(json_check(buf_span(&run->out), &err) == 0);
    assert(json_type(buf_span(&run->out)) == JSON_OBJECT);
    buf_clear(&run->out);
}

static void take_chunks(struct run *run)
{
    while (chunks_due_ms(&run->chunks) != CHUNKS_NEVER) {
        assert(chunks_take(&run->chunks, 0, &run->out));
        check_json(run);
    }
}

static void feed(struct run *run, enum lines_result (*next)(struct lines *, struct span *))
{
    struct span line;

    while (next(&run->lines, &line) == LINES_LINE) {
        assert(line.len > 0 && line.len <= run->max_bytes);
        assert(!memchr(line.ptr, '\n', line.len));
        enum answer_result got = answer_add_line(&run->answer, line);
        if (got == ANSWER_CHUNK && !chunks_add(&run->chunks, &run->answer.piece))
            take_chunks(run);
        assert(run->chunks.closed.len - run->chunks.closed_taken <=
               run->max_bytes + CHUNKS_SLACK_BYTES);
    }
}

static void finish(struct run *run)
{
    struct verdict verdict;
    struct verdict_input input = {.event = VERDICT_EVENT_ERROR_LINE,
                                  .text = span_str(run->answer.error)};

    take_chunks(run);
    verdict_decide(&input, &verdict);
    assert(span_is_utf8(span_str(verdict.sentence)));
    if (run->answer.state == ANSWER_FINAL) {
        assert(answer_compose(&run->answer, &run->out));
        check_json(run);
    }
}

static void run_stream(struct run *run, enum body_kind kind, struct span bytes, size_t step)
{
    while (bytes.len > 0) {
        struct span read = {bytes.ptr, bytes.len < step ? bytes.len : step};
        if (kind == BODY_EMBED) {
            (void)answer_add_body(&run->answer, read);
        } else {
            lines_feed(&run->lines, read);
            feed(run, lines_next);
        }
        bytes.ptr += read.len;
        bytes.len -= read.len;
    }
    if (kind == BODY_EMBED)
        (void)answer_end_body(&run->answer);
    else
        feed(run, lines_end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run run;

    if (size < 3)
        return 0;
    enum body_kind kind = (enum body_kind)(data[0] % BODY_KIND_COUNT);
    run.max_bytes = 16 * (size_t)(data[2] + 1);
    answer_init(&run.answer, kind, run.max_bytes);
    chunks_init(&run.chunks, kind, run.max_bytes, 0, 4);
    lines_init(&run.lines, run.max_bytes);
    buf_init(&run.out, run.max_bytes + ANSWER_SLACK_BYTES);
    run_stream(&run, kind, (struct span){(const char *)data + 3, size - 3}, data[1] + 1U);
    finish(&run);
    answer_done(&run.answer);
    chunks_done(&run.chunks);
    lines_done(&run.lines);
    buf_done(&run.out);
    return 0;
}
