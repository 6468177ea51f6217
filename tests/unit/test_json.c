#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "test.h"

#define BYTES(text) ((struct span){(text), sizeof(text) - 1})
#define RAW(text)                                                                                  \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    } /* in a table: a constant for gcc 12 */

static void assert_span(struct span got, const char *want)
{
    char text[256];

    assert_non_null(got.ptr);
    assert_true(span_copy(got, text, sizeof text));
    assert_string_equal(text, want);
}

static void test_good_texts_pass(void **state)
{
    static const char *const texts[] = {"null",
                                        "true",
                                        "false",
                                        "0",
                                        "-0",
                                        "12.5",
                                        "1e9",
                                        "1E+9",
                                        "-1.25e-3",
                                        "\"\"",
                                        "[]",
                                        "{}",
                                        " [ ] ",
                                        "\t{ }\r\n",
                                        "[1,2]",
                                        "[[],{}]",
                                        "{\"a\":1,\"b\":[true,null]}",
                                        "{\"\":{\"\":{}}}",
                                        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"",
                                        "\"\\ud83d\\ude00\"",
                                        "\"\\ud800\"", /* a lone surrogate is JSON, if poor JSON */
                                        "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"",
                                        "{\"a\":1,\"a\":2}",
                                        "9223372036854775808",
                                        "[ 1 , 2 ]",
                                        "{ \"a\" : 1 , \"b\" : 2 }"};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int rc = json_check(span_str(texts[i]), &err);
        if (rc < 0)
            fail_msg("%s: %s", texts[i], err.msg);
    }
}

static void test_bad_texts_are_refused_with_place_and_expectation(void **state)
{
    static const struct {
        struct span text;
        const char *msg;
    } cases[] = {
        {RAW(""), "byte 0: expected a value"},
        {RAW("  "), "byte 2: expected a value"},
        {RAW("nul"), "byte 0: expected a value"},
        {RAW("True"), "byte 0: expected a value"},
        {RAW("NaN"), "byte 0: expected a value"},
        {RAW("Infinity"), "byte 0: expected a value"},
        {RAW("'a'"), "byte 0: expected a value"},
        {RAW("\xef\xbb\xbf{}"), "byte 0: expected a value"},
        {RAW("[1,]"), "byte 3: expected a value"},
        {RAW("[,1]"), "byte 1: expected a value"},
        {RAW("[1 2]"), "byte 3: expected ',' or ']'"},
        {RAW("[1}"), "byte 2: expected ',' or ']'"},
        {RAW("[1"), "byte 2: expected ',' or ']'"},
        {RAW("["), "byte 1: expected a value"},
        {RAW("{"), "byte 1: expected a name in quotes"},
        {RAW("{a:1}"), "byte 1: expected a name in quotes"},
        {RAW("{1:1}"), "byte 1: expected a name in quotes"},
        {RAW("{\"a\"}"), "byte 4: expected ':'"},
        {RAW("{\"a\":}"), "byte 5: expected a value"},
        {RAW("{\"a\":1,}"), "byte 7: expected a name in quotes"},
        {RAW("{\"a\":1]"), "byte 6: expected ',' or '}'"},
        {RAW("{\"a\":1 \"b\":2}"), "byte 7: expected ',' or '}'"},
        {RAW("{} {}"), "byte 3: expected nothing more"},
        {RAW("1 // no"), "byte 2: expected nothing more"},
        {RAW("]"), "byte 0: expected a value"},
        {RAW("01"), "byte 1: expected nothing more"},
        {RAW("-"), "byte 1: expected a digit"},
        {RAW("+1"), "byte 0: expected a value"},
        {RAW(".5"), "byte 0: expected a value"},
        {RAW("1."), "byte 2: expected a digit"},
        {RAW("1e"), "byte 2: expected a digit"},
        {RAW("1e+"), "byte 3: expected a digit"},
        {RAW("0x10"), "byte 1: expected nothing more"},
        {RAW("\"a"), "byte 2: expected '\"'"},
        {RAW("\"a\\"), "byte 3: expected one of \" \\ / b f n r t u after \\"},
        {RAW("\"\\x41\""), "byte 2: expected one of \" \\ / b f n r t u after \\"},
        {RAW("\"\\\0\""), "byte 2: expected one of \" \\ / b f n r t u after \\"},
        {RAW("\"\\u12g4\""), "byte 5: expected four hexadecimal digits"},
        {RAW("\"\\u12"), "byte 5: expected four hexadecimal digits"},
        {RAW("\"a\nb\""), "byte 2: expected a \\u escape instead of a control character"},
        {RAW("\"a\0b\""), "byte 2: expected a \\u escape instead of a control character"},
        {RAW("\"\xff\""), "byte 1: expected UTF-8"},
        {RAW("\"\xc3\""), "byte 1: expected UTF-8"},
        {RAW("\"\xed\xa0\x80\""), "byte 1: expected UTF-8"},
        {RAW("\0"), "byte 0: expected a value"},
        {RAW("1\0"), "byte 1: expected nothing more"},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        err.msg[0] = '\0';
        assert_int_equal(json_check(cases[i].text, &err), -EINVAL);
        assert_string_equal(err.msg, cases[i].msg);
    }
}

static struct span nested(char *buf, size_t depth, const char *open, const char *close)
{
    size_t len = 0;

    for (size_t i = 0; i < depth; i++, len += strlen(open))
        memcpy(buf + len, open, strlen(open));
    buf[len++] = '1';
    for (size_t i = 0; i < depth; i++, len += strlen(close))
        memcpy(buf + len, close, strlen(close));
    return (struct span){buf, len};
}

static void test_depth_64_passes_and_65_does_not(void **state)
{
    static char buf[2000000];
    struct err err;

    (void)state;
    assert_int_equal(json_check(nested(buf, 64, "[", "]"), &err), 0);
    assert_int_equal(json_check(nested(buf, 64, "{\"a\":", "}"), &err), 0);
    assert_int_equal(json_check(nested(buf, 65, "[", "]"), &err), -EINVAL);
    assert_string_equal(err.msg, "byte 64: expected no more than 64 levels of [ and {");
    assert_int_equal(json_check(nested(buf, 65, "{\"a\":", "}"), &err), -EINVAL);
    assert_int_equal(json_check(nested(buf, 900000, "[", "]"), &err), -EINVAL);
    /* An empty one counts too. */
    struct span text = nested(buf, 64, "[", "]");
    buf[64] = '{';
    memmove(buf + 66, buf + 65, 64);
    buf[65] = '}';
    text.len++;
    assert_int_equal(json_check(text, &err), -EINVAL);
}

static void test_the_first_byte_tells_the_type(void **state)
{
    (void)state;
    assert_int_equal(json_type(BYTES(" {")), JSON_OBJECT);
    assert_int_equal(json_type(BYTES("[")), JSON_ARRAY);
    assert_int_equal(json_type(BYTES("\"")), JSON_STRING);
    assert_int_equal(json_type(BYTES("true")), JSON_BOOL);
    assert_int_equal(json_type(BYTES("false")), JSON_BOOL);
    assert_int_equal(json_type(BYTES("null")), JSON_NULL);
    assert_int_equal(json_type(BYTES("-1")), JSON_NUMBER);
    assert_int_equal(json_type(BYTES("7")), JSON_NUMBER);
    assert_int_equal(json_type(BYTES("x")), JSON_NONE);
    assert_int_equal(json_type(BYTES("")), JSON_NONE);
    assert_int_equal(json_type((struct span){NULL, 0}), JSON_NONE);
}

static void test_members_are_walked_in_order_with_raw_text(void **state)
{
    struct json_iter it;

    (void)state;
    json_begin(&it, BYTES(" { \"a\" : [1, {\"x\":\"]}\"}] , \"b\\n\":\"q\\\"\" ,\"c\":-1.50e3 } "));
    assert_true(json_next(&it));
    assert_span(it.key, "a");
    assert_span(it.value, "[1, {\"x\":\"]}\"}]");
    assert_true(json_next(&it));
    assert_span(it.key, "b\\n");
    assert_span(it.value, "\"q\\\"\"");
    assert_true(json_next(&it));
    assert_span(it.key, "c");
    assert_span(it.value, "-1.50e3");
    assert_false(json_next(&it));
    assert_false(json_next(&it));
}

static void test_elements_have_no_key(void **state)
{
    struct json_iter it;
    size_t n = 0;

    (void)state;
    for (json_begin(&it, BYTES("[ \"a\" , 2,[],null ]")); json_next(&it); n++)
        assert_null(it.key.ptr);
    assert_int_equal(n, 4);
    json_begin(&it, BYTES("[]"));
    assert_false(json_next(&it));
    json_begin(&it, BYTES("\"text\""));
    assert_false(json_next(&it));
    json_begin(&it, (struct span){NULL, 0});
    assert_false(json_next(&it));
}

static void test_get_finds_the_first_member_after_decoding(void **state)
{
    struct span text = BYTES("{\"A\":0,\"\\u0061\":1,\"a\":2,\"ab\":{\"a\":3}}");

    (void)state;
    assert_span(json_get(text, "a"), "1");
    assert_span(json_get(json_get(text, "ab"), "a"), "3");
    assert_span(json_get(text, "A"), "0");
    assert_null(json_get(text, "b").ptr);
    assert_null(json_get(text, "").ptr);
    assert_null(json_get(BYTES("[\"a\"]"), "a").ptr);
    assert_null(json_get(BYTES("{\"a\\u0000b\":1}"), "a").ptr);
}

static void test_get_all_finds_what_get_finds(void **state)
{
    static const char *const texts[] = {"{\"a\":1,\"b\":{\"a\":2},\"a\":3,\"\\u0063\":4,\"\":5}",
                                        "{\"b\" : null }", "{}", "[\"a\"]", "7"};
    static const char *const names[] = {"c", "a", "", "absent", "b"};
    enum { N = sizeof names / sizeof names[0] };
    struct span found[N];

    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        json_get_all(span_str(texts[t]), names, N, found);
        for (size_t i = 0; i < N; i++)
            assert_ptr_equal(found[i].ptr, json_get(span_str(texts[t]), names[i]).ptr);
    }
    json_get_all(span_str(texts[0]), names, N, found);
    assert_span(found[0], "4");
    assert_span(found[1], "1");
    assert_null(found[3].ptr);
}

static void test_keys_fold_as_in_go(void **state)
{
    static const struct {
        const char *raw, *name;
        bool matches;
    } cases[] = {
        {"stream", "stream", true},
        {"STREAM", "stream", true},
        {"Stream", "STREAM", true},
        {"\\u0053tream", "stream", true},
        {"\xc5\xbf"
         "tream",
         "stream", true}, /* U+017F */
        {"\\u017ftream", "stream", true},
        {"\xe2\x84\xaa"
         "eep_alive",
         "keep_alive", true}, /* U+212A */
        {"\\u212Aeep_alive", "keep_alive", true},
        {"strea", "stream", false},
        {"streams", "stream", false},
        {"", "stream", false},
        {"", "", true},
        {"keep-alive", "keep_alive", false},
        {"keep_alive\\u0000", "keep_alive", false},
        {"\xc3\x9f", "ss", false}, /* sharp s does not fold */
        {"@tream", "`tream", false},
        {"[", "{", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(json_key_matches_go(span_str(cases[i].raw), cases[i].name),
                         cases[i].matches);
}

static void test_raw_strings_keep_their_escapes(void **state)
{
    (void)state;
    assert_span(json_string_raw(BYTES(" \"a\\n\" ")), "a\\n");
    assert_span(json_string_raw(BYTES("\"\"")), "");
    assert_null(json_string_raw(BYTES("1")).ptr);
    assert_null(json_string_raw(BYTES("\"")).ptr);
    assert_null(json_string_raw((struct span){NULL, 0}).ptr);
}

static void test_strings_decode_to_utf8(void **state)
{
    static const struct {
        const char *value, *text; /* NULL: refused */
    } cases[] = {
        {"\"\"", ""},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz"},
        {"\"\\u003c\\u00e4\\u20AC\"", "<\xc3\xa4\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
        {"\"\\ude00\"", "\xef\xbf\xbd"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
        {"\"\xe2\x82\xac\"", "\xe2\x82\xac"},
        {"\"a\\u0000b\"", NULL},
        {"1", NULL},
        {"\"open", NULL},
        {"\"123456789012345\"", "123456789012345"},
        {"\"1234567890123456\"", NULL}, /* no room for NUL */
        {"\"12345678901234\\u00e4\"", NULL},
    };
    char buf[16];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ok = json_string_decode(span_str(cases[i].value), buf, sizeof buf);
        assert_int_equal(ok, cases[i].text != NULL);
        if (ok)
            assert_string_equal(buf, cases[i].text);
    }
}

static void test_integers_are_exact_over_64_bits(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {" 42 ", true, 42},
        {"9007199254740993", true, INT64_C(9007199254740993)}, /* no double holds it */
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"01", false, 0},
        {"--1", false, 0},
        {"-", false, 0},
        {"\"1\"", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 99;
        assert_int_equal(json_to_i64(span_str(cases[i].text), &value), cases[i].ok);
        assert_true(value == (cases[i].ok ? cases[i].value : 99));
    }
}

static void test_booleans_are_only_true_and_false(void **state)
{
    bool value = false;

    (void)state;
    assert_true(json_to_bool(BYTES(" true "), &value));
    assert_true(value);
    assert_true(json_to_bool(BYTES("false"), &value));
    assert_false(value);
    assert_false(json_to_bool(BYTES("1"), &value));
    assert_false(json_to_bool(BYTES("\"true\""), &value));
    assert_false(json_to_bool((struct span){NULL, 0}, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts_pass),
        cmocka_unit_test(test_bad_texts_are_refused_with_place_and_expectation),
        cmocka_unit_test(test_depth_64_passes_and_65_does_not),
        cmocka_unit_test(test_the_first_byte_tells_the_type),
        cmocka_unit_test(test_members_are_walked_in_order_with_raw_text),
        cmocka_unit_test(test_elements_have_no_key),
        cmocka_unit_test(test_get_finds_the_first_member_after_decoding),
        cmocka_unit_test(test_get_all_finds_what_get_finds),
        cmocka_unit_test(test_keys_fold_as_in_go),
        cmocka_unit_test(test_raw_strings_keep_their_escapes),
        cmocka_unit_test(test_strings_decode_to_utf8),
        cmocka_unit_test(test_integers_are_exact_over_64_bits),
        cmocka_unit_test(test_booleans_are_only_true_and_false),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
