/* What systemd is told: a socket of ours takes systemd's place. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/notify.h"

#include "test.h"

static char dir[] = "/tmp/notify-XXXXXX", path[64];
static int manager = -1;

/* The next message, "" if there is none. */
static const char *heard(void)
{
    static char text[1024];
    ssize_t n = recv(manager, text, sizeof text - 1, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);

    memcpy(address.sun_path, name, len);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    manager = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(manager >= 0);
    assert_int_equal(
        bind(manager, (struct sockaddr *)&address, (socklen_t)(sizeof(sa_family_t) + len)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
}

static int begin(void **state)
{
    (void)state;
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    listen_at(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)close(manager);
    (void)unlink(path);
    return 0;
}

static void test_a_life_is_told_in_order(void **state)
{
    (void)state;
    notify_open();
    assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=30000000");
    notify_alive();
    assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=30000000");
    notify_reloading(); /* means nothing yet */
    notify_ready();
    assert_string_equal(heard(), "READY=1");
    notify_ready(); /* Redis was away and is back: no news for systemd */
    notify_alive(); /* no watchdog */
    assert_string_equal(heard(), "");
    notify_reloading();
    assert_memory_equal(heard(), "RELOADING=1\nMONOTONIC_USEC=", 27);
    notify_reloaded();
    assert_string_equal(heard(), "READY=1");
    notify_stopping(2000);
    assert_string_equal(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=7000000");
    notify_reloaded();
    assert_string_equal(heard(), "");
}

static void test_a_status_is_told_once_and_is_one_line(void **state)
{
    (void)state;
    notify_open();
    (void)heard();
    notify_status("3 nodes up");
    assert_string_equal(heard(), "STATUS=3 nodes up");
    notify_status("3 nodes up");
    assert_string_equal(heard(), "");
    notify_status("a\nMAINPID=1");
    assert_string_equal(heard(), "STATUS=a MAINPID=1");
}

static void test_the_watchdog_is_fed_three_times_as_often_as_it_bites(void **state)
{
    char pid[32];

    (void)state;
    (void)setenv("WATCHDOG_USEC", "3000000", 1);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("WATCHDOG_PID", pid, 1);
    notify_open();
    assert_int_equal(notify_alive_interval_ms(), 1000);
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=30000000");
    (void)setenv("WATCHDOG_USEC", "600000000", 1);
    notify_open();
    assert_int_equal(notify_alive_interval_ms(), NOTIFY_ALIVE_MAX_MS);
    while (heard()[0]) {
    }
    (void)setenv("WATCHDOG_PID", "1", 1); /* meant for another process */
    notify_open();
    assert_string_equal(heard(), "EXTEND_TIMEOUT_USEC=30000000");
    assert_string_equal(heard(), "");
}

static void test_an_abstract_socket_is_a_socket(void **state)
{
    char name[64];

    (void)state;
    (void)close(manager);
    (void)snprintf(name, sizeof name, "@orion-test-notify-%d", (int)getpid());
    listen_at(name);
    notify_open();
    (void)heard();
    notify_ready();
    assert_string_equal(heard(), "READY=1");
}

static void test_without_a_socket_nothing_happens(void **state)
{
    static const char *const bad[] = {"relative", "", "/", "vsock:2:1"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        (void)setenv("NOTIFY_SOCKET", bad[i], 1);
        notify_open();
        assert_int_equal(notify_alive_interval_ms(), 0);
        notify_ready();
        notify_status("x");
    }
    (void)unsetenv("NOTIFY_SOCKET");
    notify_open();
    assert_int_equal(notify_alive_interval_ms(), 0);
    assert_string_equal(heard(), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_life_is_told_in_order, begin, end),
        cmocka_unit_test_setup_teardown(test_a_status_is_told_once_and_is_one_line, begin, end),
        cmocka_unit_test_setup_teardown(test_the_watchdog_is_fed_three_times_as_often_as_it_bites,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_an_abstract_socket_is_a_socket, begin, end),
        cmocka_unit_test_setup_teardown(test_without_a_socket_nothing_happens, begin, end),
    };

    if (!mkdtemp(dir))
        return 1;
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(dir);
    return failed;
}
