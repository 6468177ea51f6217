#include "common/redis_command.h"

#include "test.h"

#define MAX_MS 5000

static void test_a_read_ends_just_before_the_heartbeat(void **state)
{
    (void)state;
    assert_int_equal(redis_command_block_ms(5000, MAX_MS), 4998);
    assert_int_equal(redis_command_block_ms(502, MAX_MS), 500);
}

static void test_a_heartbeat_that_is_near_or_far_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(redis_command_block_ms(501, MAX_MS), 4998); /* nobody reads in circles */
    assert_int_equal(redis_command_block_ms(0, MAX_MS), 4998);
    assert_int_equal(redis_command_block_ms(-70000, MAX_MS), 4998); /* 0 would block for ever */
    assert_int_equal(redis_command_block_ms(60000, MAX_MS), MAX_MS);
}

static void test_who_wakes_just_before_a_heartbeat_need_not_sleep_for_the_rest(void **state)
{
    (void)state;
    for (int64_t beat_ms = 5000; beat_ms > 1000; beat_ms--) {
        int64_t left_ms = beat_ms - redis_command_block_ms(beat_ms, MAX_MS);

        assert_true(redis_command_is_beat_near(left_ms)); /* when its read ends */
    }
    assert_true(redis_command_is_beat_near(-5));
    assert_false(redis_command_is_beat_near(10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_ends_just_before_the_heartbeat),
        cmocka_unit_test(test_a_heartbeat_that_is_near_or_far_does_not_count),
        cmocka_unit_test(test_who_wakes_just_before_a_heartbeat_need_not_sleep_for_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
