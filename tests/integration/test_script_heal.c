/* heal.lua: entry ids from the future, and what becomes of those who have them. */

#include <stdio.h>
#include <string.h>

#include "script_call.h"

#define HIGHEST "18446744073709551615-18446744073709551615"
#define DAY_MS  "86400000"

static const char *last_generated(struct redis_fixture *fx)
{
    return answer(fx, "EVAL %s 1 %s", "return redis.call('XINFO','STREAM',KEYS[1])[8]", REQUESTS);
}

/* Redis 8 cannot put ids back below those of deleted entries: the script must then touch nothing.
 */
static bool only_refuses(struct redis_fixture *fx)
{
    if (!strstr(answer(fx, "INFO server"), "redis_version:8."))
        return false;
    char before[32];
    (void)snprintf(before, sizeof before, "%s", answer(fx, "XLEN %s", REQUESTS));
    REFUSES(fx, "busy", HEAL, .mark_ms = DAY_MS, .count = "100");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), before);
    return true;
}

static void test_ids_of_the_clock_are_fine(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit(fx);
    REFUSES(fx, "fine", HEAL, .mark_ms = DAY_MS, .count = "100");
}

static void test_an_entry_with_the_highest_id_is_added_again_and_delivered(void **state)
{
    struct redis_fixture *fx = *state;
    const char *before = submit(fx);

    fixture_ok(fx, "XADD %s %s request_id evil model m prompt hi", REQUESTS, HIGHEST);
    assert_string_equal(deliver(fx, REQUESTS, "rt1"), HIGHEST);
    assert_starts(answer(fx, "XADD %s * a b", REQUESTS), "!");
    if (only_refuses(fx))
        return;
    assert_string_equal(CALL(fx, HEAL, .mark_ms = DAY_MS, .count = "100"), "healed 1");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "2");
    assert_contains(pending_text(fx, REQUESTS), before);
    const char *again = deliver(fx, REQUESTS, "rt1");
    assert_int_equal(strlen(again), strlen(before)); /* 13 digits of the clock */
    assert_contains(answer(fx, "XRANGE %s %s %s", REQUESTS, again, again), "evil");
    assert_string_equal(CALL(fx, HEAL, .mark_ms = DAY_MS, .count = "100"), "fine");
}

static void test_an_id_that_was_left_without_its_entry_is_put_back(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "XADD %s MAXLEN 0 %s a b", REQUESTS, HIGHEST);
    assert_starts(answer(fx, "XADD %s * a b", REQUESTS), "!");
    assert_string_equal(CALL(fx, HEAL, .mark_ms = DAY_MS, .count = "100"), "healed 0");
    fixture_ok(fx, "XADD %s * a b", REQUESTS);
    assert_string_not_equal(deliver(fx, REQUESTS, "rt1"), "");
}

static void test_what_cannot_be_added_again_must_leave_first(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "XADD %s 9000000000000-1 request_id r2 origin_id 1-1", REQUESTS);
    if (only_refuses(fx))
        return;
    REFUSES(fx, "busy", HEAL, .mark_ms = DAY_MS, .count = "100");
    fixture_ok(fx, "XDEL %s 9000000000000-1", REQUESTS);
    fixture_ok(fx, "XADD %s 9000000000000-2 a b", REQUESTS);
    fixture_ok(fx, "XADD %s 9000000000000-3 a b", REQUESTS);
    REFUSES(fx, "busy", HEAL, .mark_ms = DAY_MS, .count = "1");
    assert_string_equal(CALL(fx, HEAL, .mark_ms = DAY_MS, .count = "2"), "healed 2");
    assert_int_equal(strlen(last_generated(fx)) < strlen("9000000000000-2") + 5, 1);
    assert_string_not_equal(deliver(fx, REQUESTS, "rt1"), "9000000000000-2");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids_of_the_clock_are_fine),
        TEST(test_an_entry_with_the_highest_id_is_added_again_and_delivered),
        TEST(test_an_id_that_was_left_without_its_entry_is_put_back),
        TEST(test_what_cannot_be_added_again_must_leave_first),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
