/* finish.lua, bury.lua: how a worker ends a request. */

#include "script_call.h"

#define DONE LIST("type", "done", "request_id", "r1")

static void test_a_finish_leaves_one_terminal_entry_and_a_job_that_is_done(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(
        CALL(fx, FINISH, .entry = id, .event = "done", .code = "", .error = "", .more_args = DONE),
        "finished");
    assert_string_equal(stream_text(fx, CALLBACK), "type=done request_id=r1");
    assert_ttl(fx, CALLBACK, TTL_MS);
    assert_string_equal(
        hash_text(fx, JOB),
        text_of("attempt=1 code= entry=%s node=n1 router=rt1 state=done ttl_ms=60000", id));
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(answer(fx, "EXISTS %s", DEAD), "0");
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=done request_id=r1 node=n1 attempt=1 model=m code= error= "
                        "run_ms=12 routed_by=rt1");
}

static void test_fields_for_the_event_are_not_in_the_reply(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .event = "done", .code = "", .error = "",
                             .more_args = LIST("type", "done", "event.tokens", "5", "x", "y")),
                        "finished");
    assert_string_equal(stream_text(fx, CALLBACK), "type=done x=y");
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=done request_id=r1 node=n1 attempt=1 model=m code= error= "
                        "run_ms=12 routed_by=rt1 tokens=5");
}

static void test_a_finish_is_done_once(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    (void)CALL(fx, FINISH, .entry = id, .more_args = DONE);
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = DONE);
    assert_string_equal(answer(fx, "XLEN %s", CALLBACK), "1");
}

static void test_an_older_process_of_the_node_finishes_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    REFUSES(fx, "fenced", FINISH, .entry = id, .epoch = "6", .more_args = DONE);
    fixture_ok(fx, "DEL %s", EPOCH);
    REFUSES(fx, "fenced", FINISH, .entry = id, .more_args = DONE);
}

static void test_an_entry_that_is_not_pending_here_is_not_finished(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = DONE);
    REFUSES(fx, "lost", FINISH, .entry = "5-5", .more_args = DONE);
    assert_string_equal(deliver(fx, NODE, "another"), id);
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = DONE);
}

static void test_work_that_was_taken_back_is_not_finished(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = DONE);
    (void)CALL(fx, MOVE, .entry = deliver(fx, REQUESTS, "rt1"), .came_back = "1", .credit = "9");
    const char *second = deliver(fx, NODE, "n1");
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = DONE);
    assert_string_equal(CALL(fx, FINISH, .entry = second, .more_args = DONE), "finished");
    assert_string_equal(answer(fx, "XLEN %s", CALLBACK), "1");
}

static void test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped_unanswered(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "HSET %s state done", JOB);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = DONE), "lost");
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(stream_text(fx, CALLBACK), "");
    (void)reset_world(state);
    id = submit_started(fx);
    fixture_ok(fx, "HSET %s entry 5-5", JOB);
    const char *job = hash_text(fx, JOB);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = DONE), "lost");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(stream_text(fx, CALLBACK), "");
    assert_string_equal(hash_text(fx, JOB), job);
}

static void test_a_job_that_redis_forgot_is_finished_and_expires(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", JOB);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = DONE), "finished");
    assert_ttl(fx, JOB, 3600000);
    assert_ttl(fx, CALLBACK, 3600000);
}

static void test_a_request_whose_callback_is_no_stream_ends_on_dead(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = DONE), "undeliverable");
    assert_string_equal(answer(fx, "GET %s", CALLBACK), "text");
    assert_starts(stream_text(fx, DEAD), "request_id=r1 code=undeliverable error=");
    assert_contains(stream_text(fx, DEAD), "WRONGTYPE");
    assert_contains(stream_text(fx, DEAD), "node=n1 attempt=1");
    assert_contains(hash_text(fx, JOB), "state=done");
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
}

static void test_a_full_memory_does_not_stop_a_finish(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fill_memory(fx);
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = DONE), "finished");
    assert_string_equal(stream_text(fx, CALLBACK), "type=done request_id=r1");
    assert_ttl(fx, CALLBACK, TTL_MS);
    assert_contains(hash_text(fx, JOB), "state=done");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_contains(stream_text(fx, EVENTS), "event=failed");
}

/* --- bury --- */

static void test_a_burial_keeps_what_was_sent_and_ends_the_entry(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, NODE, LIST("garbage", "1"));
    const char *id = deliver(fx, NODE, "n1");
    assert_string_equal(CALL(fx, BURY, .entry = id, .error = "no id"), "buried");
    assert_string_equal(stream_text(fx, DEAD),
                        text_of("code=invalid_request error=no id node=n1 entry=%s "
                                "request.garbage=1",
                                id));
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=dead node=n1 code=invalid_request error=no id");
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    REFUSES(fx, "lost", BURY, .entry = id);
}

static void test_an_entry_that_was_not_delivered_is_buried_too(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = add_entry(fx, NODE, LIST("garbage", "1"));

    assert_string_equal(CALL(fx, BURY, .entry = id), "buried");
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(answer(fx, "XLEN %s", DEAD), "1");
    REFUSES(fx, "lost", BURY, .entry = id);
    assert_string_equal(deliver(fx, NODE, "n1"), "");
}

static void test_an_older_process_of_the_node_buries_nothing(void **state)
{
    struct redis_fixture *fx = *state;

    REFUSES(fx, "fenced", BURY, .entry = submit_delivered(fx), .epoch = "6");
    fixture_ok(fx, "DEL %s", EPOCH);
    REFUSES(fx, "fenced", BURY, .entry = last_id(fx, NODE));
}

static void test_the_burial_of_an_entry_with_129_fields_tells_only_its_size(void **state)
{
    struct redis_fixture *fx = *state;
    const char *fields[131] = {NULL};

    for (int i = 0; i < 130; i++)
        fields[i] = "ab";
    (void)add_entry(fx, NODE, fields);
    (void)CALL(fx, BURY, .entry = deliver(fx, NODE, "n1"));
    assert_contains(stream_text(fx, DEAD), "request_bytes=260");
}

static void test_a_full_memory_does_not_stop_a_burial(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, NODE, LIST("garbage", "1"));
    const char *id = deliver(fx, NODE, "n1");
    fill_memory(fx);
    assert_string_equal(CALL(fx, BURY, .entry = id), "buried");
    assert_string_equal(answer(fx, "XLEN %s", DEAD), "1");
    assert_string_equal(pending_text(fx, NODE), "");
}

static void test_the_burial_of_a_deleted_entry_only_forgets_it(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "XDEL %s %s", NODE, id);
    assert_string_equal(CALL(fx, BURY, .entry = id), "lost");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(answer(fx, "EXISTS %s", DEAD), "0");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_finish_leaves_one_terminal_entry_and_a_job_that_is_done),
        TEST(test_fields_for_the_event_are_not_in_the_reply),
        TEST(test_a_finish_is_done_once),
        TEST(test_an_older_process_of_the_node_finishes_nothing),
        TEST(test_an_entry_that_is_not_pending_here_is_not_finished),
        TEST(test_work_that_was_taken_back_is_not_finished),
        TEST(test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped_unanswered),
        TEST(test_a_job_that_redis_forgot_is_finished_and_expires),
        TEST(test_a_request_whose_callback_is_no_stream_ends_on_dead),
        TEST(test_a_full_memory_does_not_stop_a_finish),
        TEST(test_a_burial_keeps_what_was_sent_and_ends_the_entry),
        TEST(test_an_entry_that_was_not_delivered_is_buried_too),
        TEST(test_an_older_process_of_the_node_buries_nothing),
        TEST(test_the_burial_of_an_entry_with_129_fields_tells_only_its_size),
        TEST(test_a_full_memory_does_not_stop_a_burial),
        TEST(test_the_burial_of_a_deleted_entry_only_forgets_it),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
