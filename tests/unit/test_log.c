#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"

#include "capture.h"
#include "test.h"

static char out[8192];

static const char *log_one(const char *text)
{
    struct capture capture;

    capture_start(&capture, 2);
    log_open("/nonexistent/socket");
    log_info("%s", text);
    capture_end(&capture, out, sizeof out);
    return out;
}

/* stderr is the stream to the journal, and journald is not there. */
static void begin_stream(struct capture *capture)
{
    char stream[64];
    struct stat st;

    capture_start(capture, 2);
    assert_int_equal(fstat(2, &st), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    (void)setenv("JOURNAL_STREAM", stream, 1);
    log_open("/nonexistent/socket");
}

static void test_without_journald_a_line_of_a_service_begins_with_the_syslog_level(void **state)
{
    struct capture capture;

    (void)state;
    begin_stream(&capture);
    log_err("event=%s n=%d", "a", 1);
    log_warn("event=b");
    log_info("event=c");
    log_debug("event=d"); /* below the default level */
    capture_end(&capture, out, sizeof out);
    assert_string_equal(out, "<3>event=a n=1\n<4>event=b\n<6>event=c\n");
}

static void test_elsewhere_it_begins_with_time_and_level(void **state)
{
    (void)state;
    (void)setenv("JOURNAL_STREAM", "8:1", 1); /* a parent's: our stderr is a file */
    log_one("event=x");
    assert_int_equal(strlen(out), strlen("2026-01-01T00:00:00Z info event=x\n"));
    assert_memory_equal(out, "20", 2);
    assert_string_equal(out + 19, "Z info event=x\n");
}

static void test_the_level_decides_what_is_written(void **state)
{
    enum log_level level = LOG_LEVEL_ERROR;

    (void)state;
    assert_true(log_level_parse("debug", &level));
    log_set_level(level);
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    log_set_level(LOG_LEVEL_WARNING);
    assert_false(log_enabled(LOG_LEVEL_INFO));
    assert_string_equal(log_one("x"), "");
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    log_set_level(LOG_LEVEL_INFO);
}

static void test_a_clients_bytes_can_neither_break_nor_forge_a_line(void **state)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"a\nb", "a?b\n"},
        {"a\r\x1b[31mb\x7f", "a??[31mb?\n"},
        {"\xc3\xa4\xf0\x9f\x98\x80", "\xc3\xa4\xf0\x9f\x98\x80\n"},
        {"\xff\xc3", "??\n"},
        {"\xc2\x9b[31m", "??[31m\n"}, /* C1: an escape sequence without ESC */
        {"\xc2\xa0", "\xc2\xa0\n"},
        {"x\xe2\x82", "x??\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(strstr(log_one(cases[i].text), " info ") + 6, cases[i].line);
}

static void test_a_long_line_is_cut_and_still_one_line(void **state)
{
    static char text[5000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    log_one(text);
    assert_true(strlen(out) < 2100);
    assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
}

static void test_a_failure_that_repeats_is_logged_at_growing_distances(void **state)
{
    struct log_repeat gate = {0};
    int64_t minute = 60000, logged[32];
    size_t n = 0;

    (void)state;
    assert_false(log_repeat_end(&gate));
    for (int64_t now_ms = 5; now_ms <= 5 + 250 * minute; now_ms += 1000) {
        if (log_repeat_begin(&gate, "refused", now_ms))
            logged[n++] = (now_ms - 5) / minute;
    }
    static const int64_t want[] = {0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244}; /* minutes */
    assert_int_equal(n, sizeof want / sizeof want[0]);
    assert_memory_equal(logged, want, sizeof want);
    assert_int_equal(gate.repeats, 250 * 60);

    assert_true(log_repeat_end(&gate));
    assert_int_equal(gate.repeats, 250 * 60); /* for the line that says it is over */
    assert_false(log_repeat_end(&gate));
    assert_true(log_repeat_begin(&gate, "refused", 0)); /* the next failure starts afresh */
    assert_int_equal(gate.repeats, 0);
}

static void test_another_reason_is_logged_at_once(void **state)
{
    struct log_repeat gate = {0};

    (void)state;
    assert_true(log_repeat_begin(&gate, "refused", 0));
    assert_false(log_repeat_begin(&gate, "refused", 1000));
    assert_true(log_repeat_begin(&gate, "loading", 2000));
    assert_int_equal(gate.repeats, 2);
    assert_false(log_repeat_begin(&gate, "loading", 3000));
    assert_false(log_repeat_begin(&gate, "refused", 4000)); /* told a moment ago */
    assert_true(log_repeat_begin(&gate, "refused", 60000));
    assert_true(log_repeat_end(&gate));
    assert_true(log_repeat_begin(&gate, "loading", 61000)); /* the next failure starts afresh */
}

/* Every reason of `n` in turn, one a second for four hours: how many lines that makes. */
static unsigned lines_of(unsigned n)
{
    struct log_repeat gate = {0};
    unsigned lines = 0;
    char why[16];

    for (unsigned i = 0; i < 4 * 3600; i++) {
        (void)snprintf(why, sizeof why, "reason %u", i % n);
        lines += log_repeat_begin(&gate, why, (int64_t)i * 1000);
    }
    return lines;
}

static void test_reasons_that_take_turns_do_not_flood_the_log(void **state)
{
    (void)state;
    assert_int_equal(lines_of(1), 10); /* at 0, 1, 2, 4, 8, 16, 32, 64, 124, 184 minutes */
    assert_int_equal(lines_of(2), 2 * 10);
    assert_int_equal(lines_of(LOG_REASONS_MAX), LOG_REASONS_MAX * 10);
    assert_int_equal(lines_of(5 * 3600), 3 + 10); /* never the same again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_journald_a_line_of_a_service_begins_with_the_syslog_level),
        cmocka_unit_test(test_elsewhere_it_begins_with_time_and_level),
        cmocka_unit_test(test_the_level_decides_what_is_written),
        cmocka_unit_test(test_a_clients_bytes_can_neither_break_nor_forge_a_line),
        cmocka_unit_test(test_a_long_line_is_cut_and_still_one_line),
        cmocka_unit_test(test_a_failure_that_repeats_is_logged_at_growing_distances),
        cmocka_unit_test(test_another_reason_is_logged_at_once),
        cmocka_unit_test(test_reasons_that_take_turns_do_not_flood_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
