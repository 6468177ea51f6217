/* Lines come out whole wherever the reads cut the stream. */

#include <stdio.h>
#include <string.h>

#include "lines.h"
#include "test.h"

#define LINE_MAX_BYTES 16

/* Every line with "|" behind, then "!" if one was too long. */
struct seen {
    char text[256];
    size_t len;
};

static bool drain(struct lines *lines, struct seen *seen,
                  enum lines_result (*next)(struct lines *, struct span *))
{
    struct span line;
    enum lines_result got;

    while ((got = next(lines, &line)) == LINES_LINE)
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len,
                                      "%.*s|", (int)line.len, line.ptr);
    if (got == LINES_TOO_LONG)
        seen->len += (size_t)snprintf(seen->text + seen->len, sizeof seen->text - seen->len, "!");
    return got == LINES_NONE;
}

/* Feeds the text in pieces that end at each of the cuts; what was too long ends it. */
static void split(const char *text, const size_t *cuts, size_t n, struct seen *seen)
{
    struct lines lines;
    size_t at = 0;
    bool ok = true;

    *seen = (struct seen){.len = 0};
    lines_init(&lines, LINE_MAX_BYTES);
    for (size_t i = 0; i < n && ok; at = cuts[i++]) {
        lines_feed(&lines, (struct span){text + at, cuts[i] - at});
        ok = drain(&lines, seen, lines_next);
    }
    if (ok)
        (void)drain(&lines, seen, lines_end);
    lines_done(&lines);
    lines_done(&lines);
}

static const struct row {
    const char *text;
    const char *expected;
} rows[] = {
    {"", ""},
    {"a\nbc\n", "a|bc|"},
    {"\n\n a\n \t\r\nb\r\n\n", " a|b|"},
    {"a\nno end", "a|no end|"},
    {"a\n  ", "a|"},
    {"1234567890123456\nx\n", "1234567890123456|x|"},
    {"ok\n12345678901234567\nx\n", "ok|!"},
    {"ok\n12345678901234567", "ok|!"},
    {"123456789012345\r\nx", "123456789012345|x|"},
};

static void test_lines_are_the_same_at_every_pair_of_cuts(void **state)
{
    struct seen seen;

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        size_t len = strlen(rows[r].text);
        for (size_t a = 0; a <= len; a++) {
            for (size_t b = a; b <= len; b++) {
                split(rows[r].text, (size_t[]){a, b, len}, 3, &seen);
                if (strcmp(seen.text, rows[r].expected) != 0)
                    fail_msg("row %zu cut at %zu and %zu: got '%s'", r, a, b, seen.text);
            }
        }
    }
}

static void test_lines_come_byte_by_byte(void **state)
{
    struct seen seen;
    size_t cuts[64];

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        size_t len = strlen(rows[r].text);
        for (size_t i = 0; i < len; i++)
            cuts[i] = i + 1;
        split(rows[r].text, cuts, len, &seen);
        assert_string_equal(seen.text, rows[r].expected);
    }
}

static void test_a_line_in_one_read_is_not_copied(void **state)
{
    struct lines lines;
    struct span line;
    const char *text = "abc\n";

    (void)state;
    lines_init(&lines, LINE_MAX_BYTES);
    lines_feed(&lines, span_str(text));
    assert_int_equal(lines_next(&lines, &line), LINES_LINE);
    assert_ptr_equal(line.ptr, text);
    assert_int_equal(lines.partial.cap, 0);
    lines_done(&lines);
}

static void test_too_long_stays_too_long(void **state)
{
    struct lines lines;
    struct span line = {NULL, 0};

    (void)state;
    lines_init(&lines, LINE_MAX_BYTES);
    lines_feed(&lines, span_str("12345678901234567"));
    assert_int_equal(lines_next(&lines, &line), LINES_TOO_LONG);
    lines_feed(&lines, span_str("x\n"));
    assert_int_equal(lines_next(&lines, &line), LINES_TOO_LONG);
    assert_int_equal(lines_end(&lines, &line), LINES_TOO_LONG);
    assert_null(line.ptr);
    assert_true(lines.partial.len <= LINE_MAX_BYTES);
    lines_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_the_same_at_every_pair_of_cuts),
        cmocka_unit_test(test_lines_come_byte_by_byte),
        cmocka_unit_test(test_a_line_in_one_read_is_not_copied),
        cmocka_unit_test(test_too_long_stays_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
