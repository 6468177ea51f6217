/* When a streaming client gets an entry, and what is merged into it. */

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "chunks.h"
#include "test.h"

#define MAX_BYTES 4096

struct fixture {
    struct chunks chunks;
    struct buf out;
};

static void begin(struct fixture *f, enum body_kind kind)
{
    chunks_init(&f->chunks, kind, MAX_BYTES, CHUNKS_INTERVAL_MS, CHUNKS_PIECES_MAX);
    buf_init(&f->out, MAX_BYTES + CHUNKS_SLACK_BYTES);
}

static void end(struct fixture *f)
{
    chunks_done(&f->chunks);
    chunks_done(&f->chunks);
    buf_done(&f->out);
}

static bool add_line(struct fixture *f, const char *line)
{
    struct err err;
    struct piece piece;

    assert_int_equal(json_check(span_str(line), &err), 0);
    assert_true(pieces_split(f->chunks.open.kind, span_str(line), &piece));
    return chunks_add(&f->chunks, &piece);
}

static void add(struct fixture *f, const char *line)
{
    assert_true(add_line(f, line));
}

/* Adds a piece of text in the kind's plain shape. */
static void add_text(struct fixture *f, const char *text)
{
    char line[256];

    (void)snprintf(line, sizeof line,
                   f->chunks.open.kind == BODY_CHAT
                       ? "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},"
                         "\"done\":false}"
                       : "{\"model\":\"m\",\"response\":\"%s\",\"done\":false}",
                   text);
    add(f, line);
}

static void takes(struct fixture *f, int64_t now_ms, const char *expected)
{
    buf_clear(&f->out);
    if (!chunks_take(&f->chunks, now_ms, &f->out))
        fail_msg("nothing to take; expected %s", expected);
    if (!span_is(buf_span(&f->out), expected))
        fail_msg("expected\n%s\ngot\n%.*s", expected, (int)f->out.len, f->out.ptr);
}

static void takes_text(struct fixture *f, int64_t now_ms, const char *text)
{
    char expected[512];

    (void)snprintf(expected, sizeof expected,
                   "{\"model\":\"m\",\"response\":\"%s\",\"done\":false}", text);
    takes(f, now_ms, expected);
}

static void takes_nothing(struct fixture *f)
{
    buf_clear(&f->out);
    assert_int_equal(chunks_due_ms(&f->chunks), CHUNKS_NEVER);
    assert_false(chunks_take(&f->chunks, 0, &f->out));
    assert_int_equal(f->out.len, 0);
}

static void test_a_slow_model_shows_each_token_at_once(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    takes_nothing(&f);
    for (int64_t now_ms = 1000; now_ms < 3000; now_ms += CHUNKS_INTERVAL_MS) {
        add_text(&f, "a");
        assert_true(chunks_due_ms(&f.chunks) <= now_ms);
        takes_text(&f, now_ms, "a");
        takes_nothing(&f);
    }
    end(&f);
}

static void test_pieces_within_the_interval_are_merged_and_due_at_its_end(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    add_text(&f, "a");
    takes_text(&f, 1000, "a");
    add_text(&f, "b");
    assert_int_equal(chunks_due_ms(&f.chunks), 1000 + CHUNKS_INTERVAL_MS);
    add_text(&f, "c");
    assert_int_equal(chunks_due_ms(&f.chunks), 1000 + CHUNKS_INTERVAL_MS);
    takes_text(&f, 1000 + CHUNKS_INTERVAL_MS, "bc");
    takes_nothing(&f);
    end(&f);
}

static void test_many_pieces_are_due_before_the_interval_ends(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    add_text(&f, "a");
    takes_text(&f, 1000, "a");
    for (int i = 1; i < CHUNKS_PIECES_MAX; i++) {
        add_text(&f, "b");
        assert_int_equal(chunks_due_ms(&f.chunks), 1000 + CHUNKS_INTERVAL_MS);
    }
    add_text(&f, "c");
    assert_true(chunks_due_ms(&f.chunks) <= 1000);
    end(&f);
}

static void test_a_fast_model_makes_at_most_one_entry_per_interval(void **state)
{
    struct fixture f;
    size_t entries = 0;
    size_t bytes = 0;

    (void)state;
    begin(&f, BODY_GENERATE);
    for (int64_t now_ms = 0; now_ms < 10000; now_ms++) {
        add_text(&f, "x");
        if (chunks_due_ms(&f.chunks) > now_ms)
            continue;
        buf_clear(&f.out);
        assert_true(chunks_take(&f.chunks, now_ms, &f.out));
        entries++;
        bytes += json_string_raw(json_get(buf_span(&f.out), "response")).len;
    }
    assert_int_equal(entries, 10000 / CHUNKS_INTERVAL_MS);
    assert_int_equal(bytes + pieces_len(&f.chunks.open), 10000);
    end(&f);
}

static void test_an_entry_that_was_taken_late_does_not_make_the_next_one_late(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    add_text(&f, "a");
    takes_text(&f, 1000, "a");
    add_text(&f, "b");
    takes_text(&f, 1055, "b"); /* a busy machine: 5 ms late */
    add_text(&f, "c");
    assert_int_equal(chunks_due_ms(&f.chunks), 1100);
    takes_text(&f, 1180, "c"); /* so late that not all of it may be made good */
    add_text(&f, "d");
    assert_int_equal(chunks_due_ms(&f.chunks), 1180 - 10 + CHUNKS_INTERVAL_MS);
    takes_text(&f, 1900, "d"); /* a pause of the model gives no credit either */
    add_text(&f, "e");
    assert_true(chunks_due_ms(&f.chunks) >= 1900 - 10 + CHUNKS_INTERVAL_MS);
    end(&f);
}

static void test_texts_are_joined_raw_and_the_first_time_stays(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f, "{\"model\":\"m\",\"created_at\":\"1\",\"message\":{\"role\":\"assistant\",\"content\":"
            "\"\",\"thinking\":\"\\u003c\"},\"done\":false}");
    add(&f, "{\"model\":\"m\",\"created_at\":\"2\",\"message\":{\"role\":\"assistant\",\"content\":"
            "\"\\ud83d\"},\"done\":false}");
    add(&f, "{\"model\":\"m\",\"created_at\":\"3\",\"message\":{\"role\":\"assistant\",\"content\":"
            "\"\\ude00\"},\"done\":false}");
    takes(&f, 0,
          "{\"model\":\"m\",\"created_at\":\"1\",\"message\":{\"role\":\"assistant\",\"content\":"
          "\"\\ud83d\\ude00\",\"thinking\":\"\\u003c\"},\"done\":false}");
    takes_nothing(&f);
    end(&f);
}

static void test_arrays_are_joined(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f, "{\"message\":{\"content\":\"a\"},\"logprobs\":[{\"t\":1}]}");
    add(&f,
        "{\"message\":{\"content\":\"b\",\"tool_calls\":[{\"id\":1}]},\"logprobs\":[{\"t\":2}]}");
    add(&f, "{\"message\":{\"content\":\"\",\"tool_calls\":[ {\"id\":2} ]}}");
    takes(&f, 0,
          "{\"message\":{\"content\":\"ab\",\"tool_calls\":[{\"id\":1},{\"id\":2}]},"
          "\"logprobs\":[{\"t\":1},{\"t\":2}]}");
    takes_nothing(&f);
    end(&f);
}

static void test_what_would_change_its_order_is_not_merged(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    add(&f, "{\"response\":\"a\",\"done\":false}");
    add(&f, "{\"response\":\"\",\"thinking\":\"t\",\"done\":false}");
    add(&f, "{\"response\":\"b\",\"done\":false}");
    add(&f, "{\"response\":\"\",\"tool_calls\":[1],\"done\":false}");
    add(&f, "{\"response\":\"c\",\"done\":false}");
    takes(&f, 0, "{\"response\":\"a\",\"done\":false}");
    takes(&f, 0, "{\"response\":\"b\",\"thinking\":\"t\",\"done\":false,\"tool_calls\":[1]}");
    takes(&f, 0, "{\"response\":\"c\",\"done\":false}");
    takes_nothing(&f);
    end(&f);
}

static void test_a_chunk_with_an_unknown_member_stands_alone_in_its_place(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f, "{\"message\":{\"content\":\"a\"}}");
    add(&f, "{\"message\":{\"content\":\"b\"},\"new\":1}");
    add(&f, "{\"message\":{\"content\":\"c\"}}");
    add(&f, "{\"message\":{\"content\":\"d\",\"images\":[\"x\"]}}");
    add(&f, "{\"message\":{\"content\":\"\",\"images\":[\"y\"]}}");
    add(&f, "{\"message\":{\"content\":\"e\"}}");
    takes(&f, 0, "{\"message\":{\"content\":\"a\"}}");
    takes(&f, 0, "{\"message\":{\"content\":\"b\"},\"new\":1}");
    takes(&f, 0, "{\"message\":{\"content\":\"c\"}}");
    takes(&f, 0, "{\"message\":{\"content\":\"d\",\"images\":[\"x\"]}}");
    takes(&f, 0, "{\"message\":{\"content\":\"\",\"images\":[\"y\"]}}");
    takes(&f, 0, "{\"message\":{\"content\":\"e\"}}");
    takes_nothing(&f);
    end(&f);
}

static void test_another_role_or_model_is_not_merged(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f, "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}}");
    add(&f, "{\"model\":\"m\",\"message\":{\"role\":\"tool\",\"content\":\"b\"}}");
    add(&f, "{\"model\":\"n\",\"message\":{\"role\":\"tool\",\"content\":\"c\"}}");
    takes(&f, 0, "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"}}");
    takes(&f, 0, "{\"model\":\"m\",\"message\":{\"role\":\"tool\",\"content\":\"b\"}}");
    takes(&f, 0, "{\"model\":\"n\",\"message\":{\"role\":\"tool\",\"content\":\"c\"}}");
    takes_nothing(&f);
    end(&f);
}

static void test_empty_chunks_are_dropped_but_not_what_they_carry(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f,
        "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}");
    add(&f, "{\"message\":{\"content\":\"\",\"tool_calls\":[],\"thinking\":\"\"},\"done\":false}");
    add(&f, "{\"message\":{\"content\":\"\"},\"done\":true,\"eval_count\":7}");
    takes_nothing(&f);
    add(&f, "{\"message\":{\"content\":\"\",\"thinking\":\"t\"}}");
    takes(&f, 0, "{\"message\":{\"content\":\"\",\"thinking\":\"t\"}}");
    add(&f, "{\"message\":{\"content\":\"\"},\"progress\":0.5}");
    takes(&f, 0, "{\"message\":{\"content\":\"\"},\"progress\":0.5}");
    end(&f);
}

static void test_a_final_line_with_tool_calls_is_a_chunk_of_its_own(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, BODY_CHAT);
    add(&f, "{\"message\":{\"content\":\"a\"},\"done\":false}");
    add(&f, "{\"message\":{\"content\":\"\",\"tool_calls\":[{}]},\"done\":true,\"eval_count\":7}");
    takes(&f, 0, "{\"message\":{\"content\":\"a\"},\"done\":false}");
    takes(&f, 0,
          "{\"message\":{\"content\":\"\",\"tool_calls\":[{}]},\"done\":true,\"eval_count\":7}");
    takes_nothing(&f);
    end(&f);
}

static void test_a_piece_that_nothing_is_merged_into_stays_byte_for_byte(void **state)
{
    const char *spaced = "{ \"response\" : \"a\\u0041\", \"done\":false , \"n\" : 1.50 }";
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    add(&f, spaced);
    add(&f, "{\"response\":\"b\",\"done\":false}"); /* not merged: `n` is not in every chunk */
    takes(&f, 0, spaced);
    takes(&f, 0, "{\"response\":\"b\",\"done\":false}");
    end(&f);
}

/* Adds the two lines in turn until no more fit; returns how many bytes of text were taken in. */
static size_t fill(struct fixture *f, const char *odd, const char *even, size_t text_len)
{
    size_t n = 0;

    while (add_line(f, n % 2 ? odd : even))
        n++;
    return n * text_len;
}

/* Takes everything; returns the bytes of text in it. */
static size_t empty(struct fixture *f)
{
    struct err err;
    size_t bytes = 0;

    for (;;) {
        buf_clear(&f->out);
        if (!chunks_take(&f->chunks, 0, &f->out))
            return bytes;
        assert_int_equal(json_check(buf_span(&f->out), &err), 0);
        bytes += json_string_raw(json_get(buf_span(&f->out), "response")).len;
    }
}

static void test_what_waits_is_bounded_and_nothing_of_it_is_lost(void **state)
{
    const char *plain = "{\"response\":\"0123456789\"}";
    const char *special = "{\"response\":\"0123456789\",\"x\":1}";
    struct fixture f;

    (void)state;
    begin(&f, BODY_GENERATE);
    for (int round = 0; round < 3; round++) {
        size_t merged = fill(&f, plain, plain, 10);
        assert_in_range(merged, MAX_BYTES - 40, MAX_BYTES);
        assert_int_equal(empty(&f), merged);
        size_t apart = fill(&f, special, plain, 10);
        assert_in_range(apart, MAX_BYTES / 4, MAX_BYTES / 2);
        assert_true(f.chunks.closed.len <= MAX_BYTES);
        assert_int_equal(empty(&f), apart);
    }
    end(&f);
}

static void test_an_entry_that_finds_no_room_waits_on(void **state)
{
    struct fixture f;
    struct buf small;

    (void)state;
    begin(&f, BODY_GENERATE);
    buf_init(&small, 8);
    add(&f, "{\"response\":\"0123456789\"}");
    assert_false(chunks_take(&f.chunks, 0, &small));
    assert_true(small.failed);
    takes(&f, 0, "{\"response\":\"0123456789\"}");
    buf_done(&small);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_model_shows_each_token_at_once),
        cmocka_unit_test(test_pieces_within_the_interval_are_merged_and_due_at_its_end),
        cmocka_unit_test(test_many_pieces_are_due_before_the_interval_ends),
        cmocka_unit_test(test_a_fast_model_makes_at_most_one_entry_per_interval),
        cmocka_unit_test(test_an_entry_that_was_taken_late_does_not_make_the_next_one_late),
        cmocka_unit_test(test_texts_are_joined_raw_and_the_first_time_stays),
        cmocka_unit_test(test_arrays_are_joined),
        cmocka_unit_test(test_what_would_change_its_order_is_not_merged),
        cmocka_unit_test(test_a_chunk_with_an_unknown_member_stands_alone_in_its_place),
        cmocka_unit_test(test_another_role_or_model_is_not_merged),
        cmocka_unit_test(test_empty_chunks_are_dropped_but_not_what_they_carry),
        cmocka_unit_test(test_a_final_line_with_tool_calls_is_a_chunk_of_its_own),
        cmocka_unit_test(test_a_piece_that_nothing_is_merged_into_stays_byte_for_byte),
        cmocka_unit_test(test_what_waits_is_bounded_and_nothing_of_it_is_lost),
        cmocka_unit_test(test_an_entry_that_finds_no_room_waits_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
