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
    assert_int_equal(redis_command_block_ms(501, MAX_MS), MAX_MS); /* nobody reads in circles */
    assert_int_equal(redis_command_block_ms(0, MAX_MS), MAX_MS);
    assert_int_equal(redis_command_block_ms(-70000, MAX_MS), MAX_MS); /* 0 would block for ever */
    assert_int_equal(redis_command_block_ms(60000, MAX_MS), MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_ends_just_before_the_heartbeat),
        cmocka_unit_test(test_a_heartbeat_that_is_near_or_far_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
