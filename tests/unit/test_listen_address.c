/* http_listen: an address and a port. */

#include <string.h>

#include "common/err.h"
#include "common/listen_address.h"

#include "test.h"

static void test_an_address_and_a_port(void **state)
{
    static const struct {
        const char *text, *host;
        int port;
    } cases[] = {
        {"127.0.0.1:9464", "127.0.0.1", 9464},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"[::1]:9464", "::1", 9464},
        {"[::]:65535", "::", 65535},
    };
    struct listen_address address;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(listen_address_parse(cases[i].text, &address, &err), 0);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(setting_check_listen(cases[i].text, &err), 0);
    }
    assert_int_equal(setting_check_listen("", &err), 0);
}

static void test_what_is_neither_is_refused(void **state)
{
    static const char *const bad[] = {
        "9464",  ":9464", "127.0.0.1", "127.0.0.1:",     "127.0.0.1:65536", "127.0.0.1:-1",
        "::1:9", "[]:9",  "[::1]",     "localhost:9464", "127.0.0.1:94 64", "[::1]9464"};
    struct listen_address address = {.port = 7};
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(listen_address_parse(bad[i], &address, &err) < 0);
        assert_non_null(strstr(err.msg, "127.0.0.1:9464"));
        assert_true(setting_check_listen(bad[i], &err) < 0);
    }
    assert_int_equal(address.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_and_a_port),
        cmocka_unit_test(test_what_is_neither_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
