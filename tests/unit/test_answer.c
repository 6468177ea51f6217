/* Runs tests/golden/answer/streams.tbl: each stream, cut at every byte, gives the same answer. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "answer.h"
#include "golden.h"
#include "lines.h"
#include "test.h"

#define TABLE "tests/golden/answer/streams.tbl"

static const char *const state_names[] = {
    [ANSWER_CHUNK] = "chunk",     [ANSWER_FINAL] = "final",         [ANSWER_ERROR] = "error",
    [ANSWER_GARBAGE] = "garbage", [ANSWER_TOO_LARGE] = "too-large",
};

struct example {
    char name[128];
    enum body_kind kind;
    size_t max_bytes;
    char stream[4096];
    size_t len;
    char expect[16];
    char answer[2048];
    char error[128];
    char stats[128];
};

static void feed_lines(struct answer *answer, struct lines *lines,
                       enum lines_result (*next)(struct lines *, struct span *))
{
    struct span line;

    while (next(lines, &line) == LINES_LINE)
        (void)answer_add_line(answer, line);
}

static void run(const struct example *example, size_t cut, struct answer *answer)
{
    struct span halves[2] = {{example->stream, cut}, {example->stream + cut, example->len - cut}};
    struct lines lines;

    answer_init(answer, example->kind, example->max_bytes);
    lines_init(&lines, 4096);
    for (int i = 0; i < 2; i++) {
        if (example->kind == BODY_EMBED) {
            (void)answer_add_body(answer, halves[i]);
            continue;
        }
        lines_feed(&lines, halves[i]);
        feed_lines(answer, &lines, lines_next);
    }
    if (example->kind == BODY_EMBED)
        (void)answer_end_body(answer);
    else
        feed_lines(answer, &lines, lines_end);
    lines_done(&lines);
}

static void compare_answer(const struct example *example, size_t cut, const struct answer *answer)
{
    struct err err = {.msg = ""};
    struct buf out;

    buf_init(&out, example->max_bytes + ANSWER_SLACK_BYTES);
    if (!answer_compose(answer, &out))
        fail_msg("%s, cut at %zu: the answer does not fit", example->name, cut);
    if (example->answer[0] && !span_is(buf_span(&out), example->answer))
        fail_msg("%s, cut at %zu: expected\n%s\ngot\n%.*s", example->name, cut, example->answer,
                 (int)out.len, out.ptr);
    if (json_check(buf_span(&out), &err) < 0)
        fail_msg("%s: the answer is not JSON: %s", example->name, err.msg);
    buf_done(&out);
}

static void compare_stats(const struct example *example, const struct answer_stats *stats)
{
    char text[256];

    (void)snprintf(text, sizeof text,
                   "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                   stats->total_duration_ns, stats->load_duration_ns, stats->prompt_eval_count,
                   stats->prompt_eval_duration_ns, stats->eval_count, stats->eval_duration_ns);
    if (example->stats[0] && strcmp(text, example->stats) != 0)
        fail_msg("%s: expected stats %s, got %s", example->name, example->stats, text);
}

static void check_at(const struct example *example, size_t cut)
{
    struct answer answer;

    run(example, cut, &answer);
    if (strcmp(state_names[answer.state], example->expect) != 0)
        fail_msg("%s, cut at %zu: expected %s, got %s (%s)", example->name, cut, example->expect,
                 state_names[answer.state], answer.error);
    if (strncmp(answer.error, example->error, strlen(example->error)) != 0)
        fail_msg("%s, cut at %zu: expected error '%s', got '%s'", example->name, cut,
                 example->error, answer.error);
    if (answer.state == ANSWER_FINAL) {
        compare_answer(example, cut, &answer);
        compare_stats(example, &answer.stats);
    }
    answer_done(&answer);
    answer_done(&answer);
}

static void check(const struct example *example)
{
    if (!example->name[0])
        return;
    for (size_t cut = 0; cut <= example->len; cut++)
        check_at(example, cut);
}

static void add_stream(struct example *example, const char *text)
{
    size_t len = strlen(text);
    bool whole = len == 0 || text[len - 1] != '\\';

    assert_true(example->len + len + 1 < sizeof example->stream);
    memcpy(example->stream + example->len, text, len);
    example->len += len;
    if (whole)
        example->stream[example->len++] = '\n';
    else
        example->len--;
}

static enum body_kind kind_from(const char *name)
{
    return strcmp(name, "chat") == 0       ? BODY_CHAT
           : strcmp(name, "generate") == 0 ? BODY_GENERATE
                                           : BODY_EMBED;
}

static void read_line(const char *word, const char *rest, void *arg)
{
    struct example *example = arg;

    if (strcmp(word, "case") == 0) {
        check(example);
        *example = (struct example){.max_bytes = 4096};
        (void)snprintf(example->name, sizeof example->name, "%s", rest);
    } else if (strcmp(word, "kind") == 0) {
        example->kind = kind_from(rest);
    } else if (strcmp(word, "max") == 0) {
        example->max_bytes = strtoul(rest, NULL, 10);
    } else if (strcmp(word, "send") == 0) {
        add_stream(example, rest);
    } else if (strcmp(word, "expect") == 0) {
        (void)snprintf(example->expect, sizeof example->expect, "%s", rest);
    } else if (strcmp(word, "answer") == 0) {
        (void)snprintf(example->answer, sizeof example->answer, "%s", rest);
    } else if (strcmp(word, "error") == 0) {
        (void)snprintf(example->error, sizeof example->error, "%s", rest);
    } else if (strcmp(word, "stats") == 0) {
        (void)snprintf(example->stats, sizeof example->stats, "%s", rest);
    } else {
        fail_msg("%s: unknown word '%s'", example->name, word);
    }
}

static void test_each_stream_gives_its_answer_at_every_cut(void **state)
{
    static struct example example;

    (void)state;
    golden_read(TABLE, read_line, &example);
    check(&example);
}

static void test_buffers_never_pass_the_limit(void **state)
{
    struct answer answer;
    struct span line = span_str("{\"response\":\"0123456789\",\"done\":false}");
    int n = 0;

    (void)state;
    answer_init(&answer, BODY_GENERATE, 1000);
    while (answer_add_line(&answer, line) == ANSWER_CHUNK) {
        n++;
        assert_true(pieces_len(&answer.pieces) <= 1000);
    }
    assert_int_equal(n, 100);
    assert_int_equal(answer.state, ANSWER_TOO_LARGE);
    assert_int_equal(pieces_len(&answer.pieces), 1000);
    answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_stream_gives_its_answer_at_every_cut),
        cmocka_unit_test(test_buffers_never_pass_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
