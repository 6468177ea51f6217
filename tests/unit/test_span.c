#include <string.h>

#include "common/span.h"

#include "test.h"

#define BYTES(text) ((struct span){(text), sizeof(text) - 1})

static const struct span absent = {NULL, 0};

static void test_absent_equals_empty_and_nothing_else(void **state)
{
    (void)state;
    assert_true(span_eq(absent, BYTES("")));
    assert_false(span_eq(absent, BYTES("a")));
    assert_true(span_eq(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(span_eq(BYTES("a\0b"), BYTES("a\0c")));
    assert_null(span_str(NULL).ptr);
    assert_true(span_is(span_str("abc"), "abc"));
    assert_false(span_is(span_str("abc"), "ab"));
}

static void test_starts_compares_whole_prefix(void **state)
{
    (void)state;
    assert_true(span_starts(BYTES("redis://x"), "redis://"));
    assert_false(span_starts(BYTES("redis:"), "redis://"));
    assert_true(span_starts(absent, ""));
    assert_false(span_starts(absent, "a"));
}

static void test_trim_takes_blanks_at_both_ends_only(void **state)
{
    (void)state;
    assert_true(span_is(span_trim(BYTES(" \t a b\r\n")), "a b"));
    assert_true(span_is(span_trim(BYTES(" \r\n")), ""));
    assert_int_equal(span_trim(BYTES("\0 ")).len, 1);
    assert_null(span_trim(absent).ptr);
}

static void test_i64_takes_digits_up_to_its_maximum(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"9999999999999999999", false, 0},
        {"00000000000000000001", false, 0}, /* 20 digits */
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = -42;
        assert_int_equal(span_to_i64(span_str(cases[i].text), &value), cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : -42);
    }
}

static void test_copy_terminates_and_says_when_it_cut(void **state)
{
    char buf[4];

    (void)state;
    assert_true(span_copy(BYTES("abc"), buf, sizeof buf));
    assert_string_equal(buf, "abc");
    assert_false(span_copy(BYTES("abcd"), buf, sizeof buf));
    assert_string_equal(buf, "abc");
    assert_true(span_copy(absent, buf, sizeof buf));
    assert_string_equal(buf, "");
}

static void test_utf8_is_told_from_what_only_looks_like_it(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"", true},
        {"plain", true},
        {"\xc3\xa4", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},  /* U+10FFFF */
        {"\xf4\x90\x80\x80", false}, /* above it */
        {"\xc0\xaf", false},         /* overlong '/' */
        {"\xe0\x80\xaf", false},     /* overlong */
        {"\xf0\x80\x80\xaf", false}, /* overlong */
        {"\xed\xa0\x80", false},     /* surrogate */
        {"\xed\x9f\xbf", true},      /* just below */
        {"\xee\x80\x80", true},      /* just above */
        {"\x80", false},             /* tail alone */
        {"\xc3", false},             /* head alone */
        {"\xe2\x82", false},         /* cut */
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"a\xc3z", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(span_is_utf8(span_str(cases[i].text)), cases[i].ok);
    assert_true(span_is_utf8(BYTES("a\0b")));
    assert_int_equal(span_utf8_len(BYTES("\xe2\x82\xac"
                                         "z")),
                     3);
    assert_int_equal(span_utf8_len(absent), 0);
}

/* Every byte at every place of a text long enough for two words and a rest. */
static void test_plain_text_ends_at_every_byte_that_is_not(void **state)
{
    char text[20];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_plain = byte >= ' ' && byte < 0x80 && byte != '"' && byte != '\\';

        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)byte;
            assert_int_equal(span_plain_len((struct span){text, sizeof text}),
                             is_plain ? sizeof text : at);
            assert_int_equal(span_is_utf8((struct span){text, sizeof text}), byte < 0x80);
        }
    }
    assert_int_equal(span_plain_len(absent), 0);
}

static void test_a_fingerprint_changes_with_every_byte_and_with_the_length(void **state)
{
    char text[20] = "";
    uint64_t before = span_fingerprint((struct span){text, sizeof text});

    (void)state;
    assert_true(before == span_fingerprint((struct span){text, sizeof text}));
    for (size_t len = 0; len < sizeof text; len++)
        assert_true(before != span_fingerprint((struct span){text, len}));
    for (size_t at = 0; at < sizeof text; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)(1 << bit);
            assert_true(before != span_fingerprint((struct span){text, sizeof text}));
        }
        text[at] = 0;
    }
}

static void test_numbers_become_their_digits(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {7, "7"},
        {10, "10"},
        {-1, "-1"},
        {1764028800123, "1764028800123"},
        {INT64_MAX, "9223372036854775807"},
        {INT64_MIN, "-9223372036854775808"},
    };
    char text[SPAN_NUMBER_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(span_i64_text(cases[i].value, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    assert_int_equal(span_u64_text(UINT64_MAX, text), 20);
    assert_string_equal(text, "18446744073709551615");
}

static void test_hash_is_fnv_1a(void **state)
{
    (void)state; /* test vectors of the FNV reference code */
    assert_true(span_hash(absent) == UINT64_C(0xcbf29ce484222325));
    assert_true(span_hash(BYTES("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(span_hash(BYTES("foobar")) == UINT64_C(0x85944171f73967e8));
    assert_true(span_hash_add(span_hash(BYTES("foo")), BYTES("bar")) == span_hash(BYTES("foobar")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent_equals_empty_and_nothing_else),
        cmocka_unit_test(test_starts_compares_whole_prefix),
        cmocka_unit_test(test_trim_takes_blanks_at_both_ends_only),
        cmocka_unit_test(test_i64_takes_digits_up_to_its_maximum),
        cmocka_unit_test(test_copy_terminates_and_says_when_it_cut),
        cmocka_unit_test(test_utf8_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(test_plain_text_ends_at_every_byte_that_is_not),
        cmocka_unit_test(test_a_fingerprint_changes_with_every_byte_and_with_the_length),
        cmocka_unit_test(test_numbers_become_their_digits),
        cmocka_unit_test(test_hash_is_fnv_1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
