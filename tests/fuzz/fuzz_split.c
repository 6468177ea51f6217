/* Any bytes from Ollama: wherever the reads cut the stream, what comes out is the same. Whole, byte
 * by byte, and in two reads that meet at every byte. Byte 0: kind and kind of limit; the rest is
 * the stream. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

#include "answer.h"
#include "lines.h"

#define STREAM_MAX 1024 /* a longer one is cut: the work is its square */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct answer answer;
    struct lines lines;
    struct buf seen; /* each line as it came, "\n" behind, and what it was */
    bool is_too_long;
};

static void run_init(struct run *run, enum body_kind kind, size_t max_bytes)
{
    answer_init(&run->answer, kind, max_bytes);
    lines_init(&run->lines, max_bytes);
    buf_init(&run->seen, (size_t)4 * STREAM_MAX);
    run->is_too_long = false;
}

static void run_done(struct run *run)
{
    answer_done(&run->answer);
    lines_done(&run->lines);
    buf_done(&run->seen);
}

static void take(struct run *run, enum lines_result (*next)(struct lines *, struct span *))
{
    struct span line;
    enum lines_result got;

    while ((got = next(&run->lines, &line)) == LINES_LINE) {
        char result = (char)('0' + (int)answer_add_line(&run->answer, line));

        assert(buf_add_span(&run->seen, line));
        assert(buf_add(&run->seen, &result, 1) && buf_add(&run->seen, "\n", 1));
    }
    run->is_too_long = got == LINES_TOO_LONG;
}

static void feed(struct run *run, enum body_kind kind, struct span bytes)
{
    if (kind == BODY_EMBED) {
        (void)answer_add_body(&run->answer, bytes);
    } else if (bytes.len > 0) {
        lines_feed(&run->lines, bytes);
        take(run, lines_next);
    }
}

static void end(struct run *run, enum body_kind kind)
{
    if (kind == BODY_EMBED)
        (void)answer_end_body(&run->answer);
    else
        take(run, lines_end);
}

static void expect_same(const struct run *a, const struct run *b, size_t max_bytes)
{
    struct buf one, two;

    assert(a->is_too_long == b->is_too_long);
    assert(a->answer.state == b->answer.state);
    assert(strcmp(a->answer.error, b->answer.error) == 0);
    assert(memcmp(&a->answer.stats, &b->answer.stats, sizeof a->answer.stats) == 0);
    assert(span_eq(buf_span(&a->seen), buf_span(&b->seen)));
    if (a->answer.state != ANSWER_FINAL)
        return;
    buf_init(&one, max_bytes + ANSWER_SLACK_BYTES);
    buf_init(&two, max_bytes + ANSWER_SLACK_BYTES);
    assert(answer_compose(&a->answer, &one) && answer_compose(&b->answer, &two));
    assert(span_eq(buf_span(&one), buf_span(&two)));
    buf_done(&one);
    buf_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run whole, split;

    if (size < 2)
        return 0;
    enum body_kind kind = (enum body_kind)(data[0] % BODY_KIND_COUNT);
    size_t max_bytes = data[0] & 128 ? 64 : STREAM_MAX;
    struct span stream = {(const char *)data + 1, size - 1 < STREAM_MAX ? size - 1 : STREAM_MAX};

    run_init(&whole, kind, max_bytes);
    feed(&whole, kind, stream);
    end(&whole, kind);
    run_init(&split, kind, max_bytes);
    for (size_t i = 0; i < stream.len; i++)
        feed(&split, kind, (struct span){stream.ptr + i, 1});
    end(&split, kind);
    expect_same(&whole, &split, max_bytes);
    run_done(&split);
    for (size_t i = 1; i < stream.len; i++) {
        run_init(&split, kind, max_bytes);
        feed(&split, kind, (struct span){stream.ptr, i});
        feed(&split, kind, (struct span){stream.ptr + i, stream.len - i});
        end(&split, kind);
        expect_same(&whole, &split, max_bytes);
        run_done(&split);
    }
    run_done(&whole);
    return 0;
}
