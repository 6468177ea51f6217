/* The journal's native protocol: a socket of ours takes journald's place. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

#include "capture.h"
#include "test.h"

static char dir[] = "/tmp/journal-XXXXXX", path[64], out[4096];
static int journald = -1;
static char datagram[65536];
static size_t len;

static int begin(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)state;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    journald = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(journald >= 0);
    return bind(journald, (struct sockaddr *)&address, sizeof address);
}

static int end(void **state)
{
    (void)state;
    log_set_self("", "");
    (void)close(journald);
    (void)unlink(path);
    return 0;
}

/* stderr becomes a file that $JOURNAL_STREAM names. */
static void begin_service(struct capture *capture)
{
    char stream[64];
    struct stat st;

    capture_start(capture, 2);
    assert_int_equal(fstat(2, &st), 0);
    (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
                   (unsigned long long)st.st_ino);
    (void)setenv("JOURNAL_STREAM", stream, 1);
    log_open(path);
}

static bool hear(void)
{
    ssize_t n = recv(journald, datagram, sizeof datagram, MSG_DONTWAIT);

    len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static bool has(const char *text, size_t text_len)
{
    return memmem(datagram, len, text, text_len) != NULL;
}

static bool has_line(const char *text)
{
    char line[256];
    int n = snprintf(line, sizeof line, "%s\n", text);

    return (len >= (size_t)n && memcmp(datagram, line, (size_t)n) == 0) ||
           (n = snprintf(line, sizeof line, "\n%s\n", text), has(line, (size_t)n));
}

static void test_a_line_is_a_datagram_of_fields(void **state)
{
    struct capture capture;

    (void)state;
    begin_service(&capture);
    log_set_self("node", "pi-7");
    log_warn("event=attempt_failed request_id=%s model=%s why=\"%s\"", "r1", "gemma3:1b", "a b");
    log_info("event=redis_up conn=%s node=%s", "x", "pi-2");
    capture_end(&capture, out, sizeof out);
    assert_string_equal(out, "");

    assert_true(hear());
    assert_true(has_line("MESSAGE=event=attempt_failed request_id=r1 model=gemma3:1b why=\"a b\""));
    assert_true(has_line("PRIORITY=4"));
    assert_true(has_line("SYSLOG_IDENTIFIER=test_log_journal"));
    assert_true(has_line("ORION_EVENT=attempt_failed"));
    assert_true(has_line("ORION_REQUEST_ID=r1"));
    assert_true(has_line("ORION_MODEL=gemma3:1b"));
    assert_true(has_line("ORION_WHY=a b"));
    assert_true(has_line("ORION_NODE=pi-7"));
    assert_true(has("\nMESSAGE_ID=", 12));

    assert_true(hear());
    assert_true(has_line("PRIORITY=6"));
    assert_true(has_line("ORION_NODE=pi-2")); /* the line's own */
    assert_false(has_line("ORION_NODE=pi-7"));
    assert_false(hear());
}

static void test_an_event_that_nobody_searches_for_has_no_message_id(void **state)
{
    struct capture capture;

    (void)state;
    begin_service(&capture);
    log_info("event=reloaded");
    capture_end(&capture, out, sizeof out);
    assert_true(hear());
    assert_false(has("MESSAGE_ID", 10));
    assert_false(has("ORION_NODE", 10));
}

static void test_line_breaks_of_a_value_can_add_no_field(void **state)
{
    struct capture capture;

    (void)state;
    begin_service(&capture);
    log_info("event=x why=\"%s\"", "a\nPRIORITY=0");
    capture_end(&capture, out, sizeof out);
    assert_true(hear());
    assert_true(has_line("PRIORITY=6"));
    assert_true(has("\nORION_WHY\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n", 32));
    assert_true(has_line("MESSAGE=event=x why=\"a\\nPRIORITY=0\""));
}

static void test_the_largest_line_fits(void **state)
{
    static char text[20000];
    struct capture capture;

    (void)state;
    memset(text, '\x01', sizeof text - 1);
    begin_service(&capture);
    log_info("event=x a=\"%s\" b=\"%s\"", text, text);
    capture_end(&capture, out, sizeof out);
    assert_true(hear());
    assert_true(has("ORION_A=", 8));
    assert_int_equal(datagram[len - 1], '\n');
}

static void test_what_journald_does_not_take_is_counted_and_told(void **state)
{
    struct capture capture;
    unsigned sent = 1000, taken = 0;

    (void)state;
    begin_service(&capture);
    for (unsigned i = 0; i < sent; i++)
        log_info("event=x n=%u", i); /* nobody reads: the socket is full after some */
    while (hear())
        taken++;
    assert_true(taken > 0 && taken < sent);
    log_info("event=y");
    capture_end(&capture, out, sizeof out);
    assert_true(hear());
    (void)snprintf(out, sizeof out, "ORION_LINES=%u", sent - taken);
    assert_true(has_line("ORION_EVENT=log_lost"));
    assert_true(has_line(out));
    assert_true(hear());
    assert_true(has_line("ORION_EVENT=y"));
    assert_false(hear());
}

static void test_without_journald_lines_go_to_stderr(void **state)
{
    struct capture capture;

    (void)state;
    begin_service(&capture);
    (void)close(journald);
    log_info("event=x");
    (void)unlink(path);
    log_info("event=y");
    capture_end(&capture, out, sizeof out);
    assert_string_equal(out, "<6>event=x\n<6>event=y\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_line_is_a_datagram_of_fields, begin, end),
        cmocka_unit_test_setup_teardown(test_an_event_that_nobody_searches_for_has_no_message_id,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_line_breaks_of_a_value_can_add_no_field, begin, end),
        cmocka_unit_test_setup_teardown(test_the_largest_line_fits, begin, end),
        cmocka_unit_test_setup_teardown(test_what_journald_does_not_take_is_counted_and_told, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_without_journald_lines_go_to_stderr, begin, end),
    };

    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(dir);
    return failed;
}
