#include "job.h"
#include "test.h"

/* Every state and every event: what the table must say, told in rules instead of rows. */
static enum job_state rule(enum job_state state, enum job_event event)
{
    bool holds = state != JOB_FREE && state != JOB_RESTING;

    switch (event) {
    case JOB_EVENT_FETCH:
        return state == JOB_FREE ? JOB_FETCHED : JOB_STATE_COUNT;
    case JOB_EVENT_SEND:
        return state == JOB_FETCHED ? JOB_STARTING : JOB_STATE_COUNT;
    case JOB_EVENT_UNSENT:
        return state == JOB_STARTING ? JOB_FETCHED : JOB_STATE_COUNT;
    case JOB_EVENT_STARTED:
        return state == JOB_STARTING ? JOB_RUNNING : JOB_STATE_COUNT;
    case JOB_EVENT_END:
        return holds ? JOB_FINISHING : JOB_STATE_COUNT;
    case JOB_EVENT_SETTLED:
        return state == JOB_FINISHING ? JOB_RESTING : JOB_STATE_COUNT;
    case JOB_EVENT_LOST:
        return holds ? JOB_RESTING : JOB_STATE_COUNT;
    case JOB_EVENT_RESTED:
        return state == JOB_RESTING ? JOB_FREE : JOB_STATE_COUNT;
    case JOB_EVENT_COUNT:
        break;
    }
    return JOB_STATE_COUNT;
}

static void test_every_event_in_every_state_leads_where_the_rules_say(void **state)
{
    (void)state;
    for (unsigned s = 0; s < JOB_STATE_COUNT; s++) {
        for (unsigned e = 0; e < JOB_EVENT_COUNT; e++) {
            enum job_state got = job_next((enum job_state)s, (enum job_event)e);

            if (got != rule((enum job_state)s, (enum job_event)e))
                fail_msg("state %s event %u", job_state_name((enum job_state)s), e);
        }
    }
}

static void test_a_job_goes_through_its_whole_life(void **state)
{
    static const struct {
        enum job_event event;
        enum job_state then;
    } life[] = {
        {JOB_EVENT_FETCH, JOB_FETCHED},   {JOB_EVENT_SEND, JOB_STARTING},
        {JOB_EVENT_UNSENT, JOB_FETCHED},  {JOB_EVENT_SEND, JOB_STARTING},
        {JOB_EVENT_STARTED, JOB_RUNNING}, {JOB_EVENT_END, JOB_FINISHING},
        {JOB_EVENT_END, JOB_FINISHING},   {JOB_EVENT_SETTLED, JOB_RESTING},
        {JOB_EVENT_RESTED, JOB_FREE},
    };
    enum job_state now = JOB_FREE;

    (void)state;
    for (size_t i = 0; i < sizeof life / sizeof life[0]; i++) {
        job_step(&now, life[i].event);
        assert_int_equal(now, life[i].then);
    }
}

static void test_an_entry_is_ours_from_fetched_to_finishing(void **state)
{
    (void)state;
    assert_false(job_holds_entry(JOB_FREE));
    assert_true(job_holds_entry(JOB_FETCHED));
    assert_true(job_holds_entry(JOB_STARTING));
    assert_true(job_holds_entry(JOB_RUNNING));
    assert_true(job_holds_entry(JOB_FINISHING));
    assert_false(job_holds_entry(JOB_RESTING));
}

static void test_a_limit_passes_at_its_moment_and_the_deadline_goes_first(void **state)
{
    static const struct job_limits limits = {.first_byte_timeout_ms = 600, .stall_timeout_ms = 120};
    static const struct {
        struct job_times times;
        int64_t now_ms;
        enum job_limit want;
    } rows[] = {
        {{1000, 0, 9000}, 1000, JOB_LIMIT_NONE},
        {{1000, 0, 9000}, 1599, JOB_LIMIT_NONE},
        {{1000, 0, 9000}, 1600, JOB_LIMIT_FIRST_BYTE},
        {{1000, 1599, 9000}, 1718, JOB_LIMIT_NONE}, /* the first byte came: the other limit */
        {{1000, 1599, 9000}, 1719, JOB_LIMIT_STALL},
        {{1000, 8999, 9000}, 9000, JOB_LIMIT_DEADLINE},
        {{1000, 0, 1600}, 1600, JOB_LIMIT_DEADLINE}, /* both: final, not a retry */
        {{1000, 1100, 1220}, 1220, JOB_LIMIT_DEADLINE},
        {{1000, 0, INT64_MIN}, 1000, JOB_LIMIT_DEADLINE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum job_limit got = job_limit_passed(&rows[i].times, &limits, rows[i].now_ms);

        if (got != rows[i].want)
            fail_msg("row %zu: %d instead of %d", i, (int)got, (int)rows[i].want);
    }
}

static void test_a_deadline_moves_to_our_clock_and_never_overflows(void **state)
{
    (void)state;
    assert_int_equal(job_deadline_ms(1700000005000, 1700000000000, 42), 5042);
    assert_int_equal(job_deadline_ms(1700000000000, 1700000005000, 42), -4958);
    assert_true(job_deadline_ms(INT64_MAX, 0, 42) == INT64_MAX);
    assert_true(job_deadline_ms(INT64_MAX, -1, 42) == INT64_MAX);
    assert_true(job_deadline_ms(INT64_MIN, 1, 42) < 0);
}

static void test_the_rest_doubles_with_failures_up_to_its_maximum(void **state)
{
    (void)state;
    assert_int_equal(job_rest_ms(0), 0);
    assert_int_equal(job_rest_ms(1), 250);
    assert_int_equal(job_rest_ms(2), 500);
    assert_int_equal(job_rest_ms(5), 4000);
    assert_int_equal(job_rest_ms(6), 5000);
    assert_int_equal(job_rest_ms(4000000000U), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state_leads_where_the_rules_say),
        cmocka_unit_test(test_a_job_goes_through_its_whole_life),
        cmocka_unit_test(test_an_entry_is_ours_from_fetched_to_finishing),
        cmocka_unit_test(test_a_limit_passes_at_its_moment_and_the_deadline_goes_first),
        cmocka_unit_test(test_a_deadline_moves_to_our_clock_and_never_overflows),
        cmocka_unit_test(test_the_rest_doubles_with_failures_up_to_its_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
