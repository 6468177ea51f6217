#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/redis_url.h"

#include "test.h"

static void test_good_addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *host, *path, *user;
        unsigned port, db;
    } cases[] = {
        {"redis://127.0.0.1", "127.0.0.1", "", "", 6379, 0},
        {"redis://pi-1.local:6380", "pi-1.local", "", "", 6380, 0},
        {"redis://host/", "host", "", "", 6379, 0},
        {"redis://host/3", "host", "", "", 6379, 3},
        {"redis://worker@host:1/65535", "host", "", "worker", 1, 65535},
        {"redis://[::1]", "::1", "", "", 6379, 0},
        {"redis://u@[fe80::1%eth0]:65535/0", "fe80::1%eth0", "", "u", 65535, 0},
        {"unix:///run/redis.sock", "", "/run/redis.sock", "", 6379, 0},
        {"unix:///run/redis.sock?db=2", "", "/run/redis.sock", "", 6379, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redis_url url;
        struct err err;
        memset(&url, 'x', sizeof url);
        if (redis_url_parse(cases[i].text, &url, &err) < 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_string_equal(url.host, cases[i].host);
        assert_string_equal(url.path, cases[i].path);
        assert_string_equal(url.user, cases[i].user);
        assert_string_equal(url.password, "");
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.db, cases[i].db);
    }
}

#define FORMS    "redis://[user@]host[:port][/db] or unix:///path[?db=N]"
#define PORT     "the port in the Redis address must be a number from 1 to 65535"
#define DATABASE "the database in the Redis address must be a number from 0 to 65535"
#define HOST     "the Redis address has no valid host: expected " FORMS
#define SOCKET                                                                                     \
    "the socket in the Redis address must be an absolute path of at most 107 bytes: "              \
    "unix:///path[?db=N]"
#define PASSWORD                                                                                   \
    "a password may not stand in the Redis address: put it in a file and name that file in "       \
    "redis_password_file"
#define USER "the user in the Redis address must be 1 to 63 of A-Z a-z 0-9 . _ -"

static void test_bad_addresses_are_refused_in_words(void **state)
{
    static const struct {
        const char *text, *msg;
    } cases[] = {
        {"", "the Redis address must be " FORMS},
        {"localhost:6379", "the Redis address must be " FORMS},
        {"http://host", "the Redis address must be " FORMS},
        {"rediss://host",
         "TLS (rediss://) is not supported: use redis:// inside a trusted network, "
         "or a tunnel"},
        {"redis://", HOST},
        {"redis://:6379", HOST},
        {"redis://ho st", "the Redis address has a blank or control character in it"},
        {"redis://host\n", "the Redis address has a blank or control character in it"},
        {"redis://h?db=1", HOST},
        {"redis://[::1", HOST},
        {"redis://[]", HOST},
        {"redis://[::1]x", "the Redis address is malformed: expected " FORMS},
        {"redis://::1", HOST},
        {"redis://host:", PORT},
        {"redis://host:0", PORT},
        {"redis://host:65536", PORT},
        {"redis://host:6379x", PORT},
        {"redis://host/x", DATABASE},
        {"redis://host/-1", DATABASE},
        {"redis://host/65536", DATABASE},
        {"redis://host/1/2", DATABASE},
        {"redis://@host", USER},
        {"redis://a%40b@host", USER},
        {"unix://run/redis.sock", SOCKET},
        {"unix:///", SOCKET},
        {"unix:///a?db=x", DATABASE},
        {"unix:///a?password=x", "the Redis address is malformed: expected " FORMS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct redis_url url = {.port = 42};
        struct err err = {""};
        assert_int_equal(redis_url_parse(cases[i].text, &url, &err), -EINVAL);
        assert_string_equal(err.msg, cases[i].msg);
        assert_int_equal(url.port, 42);
    }
}

static void test_a_password_is_refused_and_never_repeated(void **state)
{
    static const char *const texts[] = {
        "redis://:hunter2@host",     "redis://u:hunter2@host:1/2", "redis://:hunter2@@host",
        "redis://:hun@hunter2@host", "redis://:hunter2/x@host",    "redis://u:hunter2?x@host",
        "redis://u:a:hunter2@[::1]",
    };
    static const char *const others[] = {
        "redis://:hunter2",       "redis://host:hunter2",
        "redis://host/hunter2",   "hunter2",
        "rediss://:hunter2@host", "unix:///a?password=hunter2",
        "redis://hunter2 @h",     "redis://hunter2!@h",
        "http://:hunter2@h",      "unix://:hunter2@/a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct redis_url url;
        struct err err = {""};
        assert_int_equal(redis_url_parse(texts[i], &url, &err), -EINVAL);
        assert_string_equal(err.msg, PASSWORD);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct redis_url url;
        struct err err = {""};
        assert_int_equal(redis_url_parse(others[i], &url, &err), -EINVAL);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

static void test_names_that_do_not_fit_are_refused(void **state)
{
    char text[400];
    struct redis_url url;
    struct err err;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "redis://", 8);
    text[8 + 255] = '\0';
    assert_int_equal(redis_url_parse(text, &url, &err), 0);
    text[8 + 255] = 'a';
    text[8 + 256] = '\0';
    assert_int_equal(redis_url_parse(text, &url, &err), -EINVAL);
    memcpy(text, "unix:///", 8);
    text[7 + 107] = '\0';
    assert_int_equal(redis_url_parse(text, &url, &err), 0);
    text[7 + 107] = 'a';
    text[7 + 108] = '\0';
    assert_int_equal(redis_url_parse(text, &url, &err), -EINVAL);
    assert_string_equal(err.msg, SOCKET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_addresses_are_taken_apart),
        cmocka_unit_test(test_bad_addresses_are_refused_in_words),
        cmocka_unit_test(test_a_password_is_refused_and_never_repeated),
        cmocka_unit_test(test_names_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
