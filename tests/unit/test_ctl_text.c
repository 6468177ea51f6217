#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "test.h"
#include "text.h"

static char bytes[512];
static struct buf out;

static struct buf *fresh(void)
{
    text_fixed(&out, bytes, sizeof bytes);
    return &out;
}

static const char *line(const char *text, size_t max_cols)
{
    (void)text_add(fresh(), span_str(text), max_cols);
    return text_fixed_str(&out);
}

static void test_nothing_that_a_terminal_acts_on_passes(void **state)
{
    (void)state;
    assert_string_equal(line("a\033[31mb\007", TEXT_NO_LIMIT), "a?[31mb?");
    assert_string_equal(line("a\nb\tc\r", TEXT_NO_LIMIT), "a b c ");
    assert_string_equal(line("\xc2\x9b"
                             "31m",
                             TEXT_NO_LIMIT),
                        "?31m"); /* C1 CSI */
    assert_string_equal(line("\x9b\xff x", TEXT_NO_LIMIT), "?? x");
    assert_string_equal(line("user\xe2\x80\xaegpj.exe", TEXT_NO_LIMIT), "user?gpj.exe");
    assert_string_equal(line("\xf3\xa0\x81\x81\x7f", TEXT_NO_LIMIT), "??");
    for (unsigned c = 0; c < 0xa0; c++) {
        char utf8[3] = {(char)c, 0, 0};
        if (c >= 0x80) {
            utf8[0] = (char)0xc2;
            utf8[1] = (char)c;
        }
        (void)text_add(fresh(), (struct span){utf8, c < 0x80 ? 1 : 2}, TEXT_NO_LIMIT);
        assert_int_equal(out.len, 1);
        assert_true(out.ptr[0] >= ' ' && out.ptr[0] <= '~');
    }
}

static void test_a_line_is_cut_by_columns(void **state)
{
    (void)state;
    assert_string_equal(line("abcdef", 6), "abcdef");
    assert_string_equal(line("abcdefg", 6), "abcde~");
    assert_string_equal(line("\xe4\xb8\xad\xe6\x96\x87", 4), "\xe4\xb8\xad\xe6\x96\x87");
    assert_string_equal(line("\xe4\xb8\xad\xe6\x96\x87x", 4), "\xe4\xb8\xad~");
    assert_string_equal(line("e\xcc\x81", 1), "e\xcc\x81"); /* a combining accent */
    assert_string_equal(line("abc", 0), "");
    assert_string_equal(line("abc", 1), "~");
}

static void test_an_answer_keeps_its_lines(void **state)
{
    (void)state;
    text_add_lines(fresh(), span_str("a\r\n\tb\rc\033]0;x\007"));
    assert_string_equal(text_fixed_str(&out), "a\n\tb c?]0;x?");
}

static void check_json(const char *text, size_t len, const char *expected)
{
    struct err err;

    text_add_json(fresh(), (struct span){text, len});
    assert_string_equal(text_fixed_str(&out), expected);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
}

static void test_a_json_string_is_valid_whatever_it_holds(void **state)
{
    (void)state;
    check_json("a\"\\\n\t", 5, "\"a\\\"\\\\\\n\\t\"");
    check_json("\xff\0", 2, "\"\\ufffd\\u0000\"");
    check_json("\xc2\x9b\xe2\x80\xae", 5, "\"\\u009b\\u202e\"");
    check_json("\xf3\xa0\x80\x81", 4, "\"\\udb40\\udc01\"");
    text_add_raw_json(fresh(), span_str("{\"a\":\n\"\xc2\x9b\"}"));
    assert_string_equal(text_fixed_str(&out), "{\"a\": \"\\u009b\"}");
}

static void test_a_paragraph_is_broken_at_blanks(void **state)
{
    (void)state;
    text_wrap(fresh(), span_str("one two  three\nfour"), 3, 2, 10);
    assert_string_equal(text_fixed_str(&out), "one two\n  three\n  four");
    text_wrap(fresh(), span_str("abcdefghijkl"), 0, 2, 10);
    assert_string_equal(text_fixed_str(&out), "abcdefg~");
}

static void test_durations_bytes_and_moments(void **state)
{
    static const struct {
        int64_t ms;
        const char *duration, *age;
    } rows[] = {
        {-1, "-", "-"},
        {0, "0ms", "0s"},
        {999, "999ms", "0s"},
        {1000, "1s", "1s"},
        {9999, "9.9s", "9s"},
        {59999, "59s", "59s"},
        {192000, "3m12s", "3m"},
        {99000, "1m39s", "99s"},
        {7500000, "2h05m", "2h"},
        {5999000, "1h39m", "99m"},
        {273600000, "3d04h", "76h"},
        {INT64_MAX, NULL, "999d"},
    };
    char buf[TEXT_NUMBER_SIZE], moment[32];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].duration)
            assert_string_equal(text_duration(rows[i].ms, buf), rows[i].duration);
        assert_string_equal(text_age(rows[i].ms, buf), rows[i].age);
    }
    assert_string_equal(text_bytes(1023, buf), "1023 B");
    assert_string_equal(text_bytes(1536, buf), "1.5 KiB");
    assert_string_equal(text_bytes(INT64_C(3) << 30, buf), "3.0 GiB");
    assert_string_equal(text_moment(INT64_C(1796156317042), true, moment),
                        "2026-12-01 20:18:37.042Z");
    assert_string_equal(text_moment(INT64_C(951782400000), true, moment),
                        "2000-02-29 00:00:00.000Z");
    assert_string_equal(text_moment(-5, false, moment), "00:00:00.000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_that_a_terminal_acts_on_passes),
        cmocka_unit_test(test_a_line_is_cut_by_columns),
        cmocka_unit_test(test_an_answer_keeps_its_lines),
        cmocka_unit_test(test_a_json_string_is_valid_whatever_it_holds),
        cmocka_unit_test(test_a_paragraph_is_broken_at_blanks),
        cmocka_unit_test(test_durations_bytes_and_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
