/* A line of the log as text and as fields. */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "log_line.h"
#include "test.h"

static struct log_line line;

static void __attribute__((format(printf, 1, 2))) make(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line_make(&line, fmt, ap);
    va_end(ap);
}

static const char *field(const char *key)
{
    static char value[LOG_VALUES_MAX + 1];

    for (size_t i = 0; i < line.n; i++) {
        if (span_is(line.fields[i].key, key)) {
            (void)snprintf(value, sizeof value, "%.*s", SPAN_ARG(line.fields[i].value));
            return value;
        }
    }
    return "(none)";
}

static void test_fields_are_those_of_the_format(void **state)
{
    (void)state;
    make("event=node_hot node=%s temp_c=%.1f n=%u big=%lld size=%zu part=%.*s why=\"%s\" x=%d%%",
         "pi-2", 78.06, 7u, -5LL, (size_t)99, 2, "abc", "too hot", 5);
    assert_string_equal(line.text, "event=node_hot node=pi-2 temp_c=78.1 n=7 big=-5 size=99 "
                                   "part=ab why=\"too hot\" x=5%");
    assert_int_equal(line.n, 9);
    assert_string_equal(field("event"), "node_hot");
    assert_string_equal(field("why"), "too hot");
    assert_string_equal(field("part"), "ab");
    make("event=node_%s redis=%s", "up", "redis://h:1/?a=b");
    assert_string_equal(line.text, "event=node_up redis=redis://h:1/?a=b");
    assert_string_equal(field("event"), "node_up");
}

static void test_a_value_can_neither_end_its_field_nor_begin_another(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        {"x node=evil", "event=e v=\"x node=evil\" w=\"x node=evil\""},
        {"x\" node=\"evil", "event=e v=\"x\\\" node=\\\"evil\" w=\"x\\\" node=\\\"evil\""},
        {"a\\", "event=e v=\"a\\\\\" w=\"a\\\\\""},
        {"a\nevent=b", "event=e v=\"a\\nevent=b\" w=\"a\\nevent=b\""},
        {"\x1b[31m\x7f", "event=e v=\"\\x1b[31m\\x7f\" w=\"\\x1b[31m\\x7f\""},
        {"\xc2\x9b[31m", "event=e v=\"\\xc2\\x9b[31m\" w=\"\\xc2\\x9b[31m\""}, /* C1 */
        {"\xff\xc3", "event=e v=\"\\xff\\xc3\" w=\"\\xff\\xc3\""},
        {"\xc3\xa4\xf0\x9f\x98\x80",
         "event=e v=\xc3\xa4\xf0\x9f\x98\x80 w=\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"", "event=e v=\"\" w=\"\""},
        {"%s%n", "event=e v=%s%n w=\"%s%n\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make("event=e v=%s w=\"%s\"", cases[i].value, cases[i].value);
        assert_string_equal(line.text, cases[i].text);
        assert_int_equal(line.n, 3);
        assert_string_equal(field("v"), cases[i].value);
        assert_string_equal(field("w"), cases[i].value);
    }
}

static void test_what_is_too_long_is_cut_and_still_a_line(void **state)
{
    static char text[3 * LOG_VALUES_MAX];

    (void)state;
    memset(text, '\n', sizeof text - 1); /* two bytes each in the text */
    make("event=e a=\"%s\" b=\"%s\"", text, "end");
    assert_true(line.len <= LOG_TEXT_MAX);
    assert_int_equal(line.text[line.len - 1], '"');
    assert_int_equal(line.text[line.len], '\0');
    memset(text, 'x', sizeof text - 1);
    make("%s", text);
    assert_int_equal(line.n, 0);
    assert_true(line.len <= LOG_TEXT_MAX && line.len > LOG_TEXT_MAX - 8);
}

static void test_more_fields_than_there_is_room_for_stay_in_the_text(void **state)
{
    (void)state;
    make("event=e a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1 q=1 r=1 s=1 t=1 "
         "u=1 v=1 w=1 x=1 y=1 z=%d",
         2);
    assert_int_equal(line.n, LOG_FIELDS_MAX);
    assert_non_null(strstr(line.text, " z=2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_those_of_the_format),
        cmocka_unit_test(test_a_value_can_neither_end_its_field_nor_begin_another),
        cmocka_unit_test(test_what_is_too_long_is_cut_and_still_a_line),
        cmocka_unit_test(test_more_fields_than_there_is_room_for_stay_in_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
