#include <stdio.h>
#include <string.h>

#include "test.h"
#include "warm_sessions.h"

static struct warm_sessions sessions;

static int start_empty(void **state)
{
    (void)state;
    sessions.n = 0;
    return 0;
}

static void touch(const char *key, const char *model, size_t keep)
{
    warm_sessions_touch(&sessions, span_str(key), span_str(model), keep);
}

/* Compares with "key@model key@model ...". */
static void assert_list(const char *want)
{
    char got[1024] = "";
    size_t len = 0;

    for (size_t i = 0; i < sessions.n; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%.20s@%.20s", i ? " " : "",
                                sessions.items[i].key, sessions.items[i].model);
    assert_string_equal(got, want);
}

static void test_the_newest_comes_first_and_once(void **state)
{
    (void)state;
    touch("a", "m", 8);
    touch("b", "m", 8);
    touch("c", "m", 8);
    assert_list("c@m b@m a@m");
    touch("a", "m", 8);
    assert_list("a@m c@m b@m");
    touch("a", "m", 8);
    assert_list("a@m c@m b@m");
}

static void test_one_slot_keeps_one_conversation_per_model(void **state)
{
    (void)state;
    touch("a", "m", 1);
    touch("x", "other", 1);
    touch("b", "m", 1);
    assert_list("b@m x@other");
    touch("b", "other", 1);
    assert_list("b@other b@m");
}

static void test_a_request_of_no_conversation_takes_a_slot(void **state)
{
    (void)state;
    touch("a", "m", 2);
    touch("b", "m", 2);
    touch("", "m", 2);
    assert_list("b@m");
    touch("", "m", 1);
    assert_list("");
}

static void test_a_model_that_is_unloaded_is_forgotten(void **state)
{
    struct span resident[] = {{"m", 1}, {"k", 1}};

    (void)state;
    touch("a", "m", 8);
    touch("b", "n", 8);
    touch("c", "k", 8);
    touch("d", "n", 8);
    warm_sessions_keep_resident(&sessions, resident, 2);
    assert_list("c@k a@m");
    warm_sessions_keep_resident(&sessions, NULL, 0);
    assert_list("");
}

static void test_the_list_is_bounded(void **state)
{
    char key[8];

    (void)state;
    for (int i = 0; i < 3 * WARM_SESSIONS_MAX; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        touch(key, "m", WARM_SESSIONS_MAX);
        assert_int_equal(sessions.n, i < WARM_SESSIONS_MAX ? i + 1 : WARM_SESSIONS_MAX);
        assert_string_equal(sessions.items[0].key, key);
    }
    assert_int_equal(sessions.n, WARM_SESSIONS_MAX);
    assert_string_equal(sessions.items[WARM_SESSIONS_MAX - 1].key, "32");
}

static void test_keys_that_cannot_be_published_are_not_listed(void **state)
{
    char key[WARM_SESSION_KEY_MAX + 1];

    (void)state;
    memset(key, 'k', sizeof key);
    touch("\xff", "m", 8);
    warm_sessions_touch(&sessions, (struct span){"a\0b", 3}, span_str("m"), 8);
    warm_sessions_touch(&sessions, (struct span){key, sizeof key}, span_str("m"), 8);
    touch("a", "", 8);
    assert_list("");
    warm_sessions_touch(&sessions, (struct span){key, WARM_SESSION_KEY_MAX}, span_str("m"), 8);
    assert_int_equal(sessions.n, 1);
    assert_int_equal(strlen(sessions.items[0].key), WARM_SESSION_KEY_MAX);
}

static void test_how_many_stay_warm_depends_on_the_version(void **state)
{
    (void)state;
    assert_int_equal(warm_sessions_per_model("0.24.0", 1), 1);
    assert_int_equal(warm_sessions_per_model("0.9.6", 4), 4);
    assert_int_equal(warm_sessions_per_model("0.30.0", 1), WARM_SESSIONS_MAX);
    assert_int_equal(warm_sessions_per_model("0.32.15", 1), WARM_SESSIONS_MAX);
    assert_int_equal(warm_sessions_per_model("1.0.0", 1), WARM_SESSIONS_MAX);
    assert_int_equal(warm_sessions_per_model("", 2), 2);
    assert_int_equal(warm_sessions_per_model(NULL, 0), 1);
    assert_int_equal(warm_sessions_per_model("0.", 2), 2);
    assert_int_equal(warm_sessions_per_model("x.30", 2), 2);
    assert_int_equal(warm_sessions_per_model("0.99999999999", 2), 2);
    assert_int_equal(warm_sessions_per_model("9", 100), WARM_SESSIONS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_newest_comes_first_and_once, start_empty),
        cmocka_unit_test_setup(test_one_slot_keeps_one_conversation_per_model, start_empty),
        cmocka_unit_test_setup(test_a_request_of_no_conversation_takes_a_slot, start_empty),
        cmocka_unit_test_setup(test_a_model_that_is_unloaded_is_forgotten, start_empty),
        cmocka_unit_test_setup(test_the_list_is_bounded, start_empty),
        cmocka_unit_test_setup(test_keys_that_cannot_be_published_are_not_listed, start_empty),
        cmocka_unit_test_setup(test_how_many_stay_warm_depends_on_the_version, start_empty),
    };

    return cmocka_run_group_tests_name("warm_sessions", tests, NULL, NULL);
}
