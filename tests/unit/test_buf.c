#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#include "test.h"

static void test_appends_up_to_the_cap_and_not_one_byte_more(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    assert_true(buf_add(&buf, "12345678", 8));
    assert_false(buf.failed);
    assert_false(buf_add(&buf, "9", 1));
    assert_true(buf.failed);
    assert_true(span_is(buf_span(&buf), "12345678"));
    buf_done(&buf);
}

static void test_after_a_failure_everything_is_refused_until_clear(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 4);
    assert_true(buf_add_str(&buf, "ab"));
    assert_false(buf_add_str(&buf, "cde"));
    assert_false(buf_add_str(&buf, "c")); /* it would fit */
    assert_true(span_is(buf_span(&buf), "ab"));
    buf_clear(&buf);
    assert_true(buf_add_str(&buf, "wxyz"));
    assert_true(span_is(buf_span(&buf), "wxyz"));
    buf_done(&buf);
    buf_done(&buf);
}

static void test_growth_keeps_the_contents_and_respects_the_cap(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100000);
    for (int i = 0; i < 100000; i++)
        assert_true(buf_add(&buf, &"0123456789"[i % 10], 1));
    assert_int_equal(buf.len, 100000);
    assert_true(buf.cap <= buf.max_bytes);
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], "0123456789"[i % 10]);
    buf_done(&buf);
}

static void test_format_works_for_short_and_long_texts(void **state)
{
    struct buf buf;
    char *text = malloc(1000);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 999);
    text[999] = '\0';
    buf_init(&buf, 1010);
    assert_true(buf_add_fmt(&buf, "%d-%s|", 42, "a"));
    assert_true(buf_add_fmt(&buf, "%s", text));
    assert_int_equal(buf.len, 5 + 999);
    assert_memory_equal(buf.ptr, "42-a|xxx", 8);
    assert_false(buf_add_fmt(&buf, "%s", text));
    assert_true(buf.failed);
    buf_done(&buf);
    free(text);
}

static void test_json_strings_are_escaped_where_json_requires(void **state)
{
    struct buf buf;
    const char input[] = "a\"b\\c\n\r\t\x01\x1f\x7f/\xc3\xa4\0z";

    (void)state;
    buf_init(&buf, 1000);
    assert_true(buf_add_json_str(&buf, (struct span){input, sizeof input - 1}));
    assert_true(
        span_is(buf_span(&buf), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\x7f/\xc3\xa4\\u0000z\""));
    buf_clear(&buf);
    assert_true(buf_add_json_str(&buf, (struct span){NULL, 0}));
    assert_true(span_is(buf_span(&buf), "\"\""));
    buf_done(&buf);
    buf_init(&buf, 3);
    assert_false(buf_add_json_str(&buf, span_str("ab")));
    buf_done(&buf);
}

static void test_drop_front_moves_the_rest_up(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    assert_true(span_is(buf_span(&buf), ""));
    assert_non_null(buf_span(&buf).ptr);
    assert_true(buf_add_str(&buf, "abcdef"));
    buf_drop_front(&buf, 2);
    assert_true(span_is(buf_span(&buf), "cdef"));
    buf_drop_front(&buf, 4);
    assert_true(span_is(buf_span(&buf), ""));
    buf_drop_front(&buf, 0);
    buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_up_to_the_cap_and_not_one_byte_more),
        cmocka_unit_test(test_after_a_failure_everything_is_refused_until_clear),
        cmocka_unit_test(test_growth_keeps_the_contents_and_respects_the_cap),
        cmocka_unit_test(test_format_works_for_short_and_long_texts),
        cmocka_unit_test(test_json_strings_are_escaped_where_json_requires),
        cmocka_unit_test(test_drop_front_moves_the_rest_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
