/* A key of another type in a job's place: the name is poisoned, the request is not. */

#include "script_call.h"

static void poison(struct redis_fixture *fx)
{
    fixture_ok(fx, "DEL %s", JOB);
    fixture_ok(fx, "SET %s text", JOB);
}

static void test_a_move_removes_what_is_no_job_and_says_so(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    poison(fx);
    const char *outcome = CALL(fx, MOVE, .entry = id);
    assert_string_equal(outcome, text_of("moved %s foreign job", last_id(fx, NODE)));
    assert_contains(hash_text(fx, JOB), "state=routed");
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

static void test_an_end_over_what_is_no_job_is_the_only_one(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    poison(fx);
    assert_string_equal(CALL(fx, END, .entry = id), "ended");
    assert_contains(hash_text(fx, JOB), "state=done");
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(answer(fx, "XLEN %s", CALLBACK), "1");
    REFUSES(fx, "lost", END, .entry = id);
}

static void test_a_node_finishes_over_what_is_no_job(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    poison(fx);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = LIST("type", "done")),
                        "finished");
    assert_contains(hash_text(fx, JOB), "state=done");
    assert_string_equal(answer(fx, "XLEN %s", NODE), "0");
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = LIST("type", "done"));
}

static void test_work_is_given_back_and_taken_back_over_what_is_no_job(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    poison(fx);
    assert_starts(CALL(fx, REQUEUE, .entry = id, .attempt = "2"), "requeued ");
    assert_contains(hash_text(fx, JOB), "state=queued");
    (void)reset_world(state);
    id = submit_started(fx);
    poison(fx);
    fixture_ok(fx, "DEL %s", HEALTH);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    assert_contains(hash_text(fx, JOB), "state=queued");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "1");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_move_removes_what_is_no_job_and_says_so),
        TEST(test_an_end_over_what_is_no_job_is_the_only_one),
        TEST(test_a_node_finishes_over_what_is_no_job),
        TEST(test_work_is_given_back_and_taken_back_over_what_is_no_job),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
