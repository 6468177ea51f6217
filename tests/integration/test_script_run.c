/* start.lua, chunk.lua, status.lua: what is written while a request is underway. */

#include "script_call.h"

#define CHUNK      LIST("type", "chunk", "seq", "0")
#define CANCEL_OLD "999999999999"
#define CANCEL_NEW "1000000000000"
#define MAX_ID     "18446744073709551615-18446744073709551615"

/* --- start --- */

static void test_a_start_marks_the_job_and_writes_an_event(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(CALL(fx, START, .entry = id), "started <ms>");
    assert_string_equal(
        hash_text(fx, JOB),
        text_of("attempt=1 entry=%s node=n1 router=rt1 state=running ttl_ms=60000", id));
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(pending_text(fx, NODE), text_of("%s n1 x1", id));
    assert_string_equal(stream_text(fx, CALLBACK), "");
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=started request_id=r1 node=n1 attempt=1 model=m");
}

static void test_an_attempt_begins_once_unless_its_answer_was_lost(void **state)
{
    static const char *const sent_before[] = {"1", NULL};
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    assert_string_equal(CALL(fx, START, .entry = id), "started <ms>");
    REFUSES(fx, "again <ms>", START, .entry = id);
    assert_string_equal(CALL(fx, START, .entry = id, .more_args = sent_before), "started <ms>");
    assert_string_equal(pending_text(fx, NODE), text_of("%s n1 x1", id));
}

static void test_a_start_with_progress_tells_the_client(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, START, .entry = submit_delivered(fx), .state = "loading");
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=status request_id=r1 attempt=1 state=loading node=n1");
    assert_ttl(fx, CALLBACK, LEFT_MS + TTL_MS);
}

static void test_what_is_not_this_processs_is_not_started(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    REFUSES(fx, "lost", START, .entry = id);
    REFUSES(fx, "lost", START, .entry = "5-5");
    REFUSES(fx, "fenced", START, .entry = id, .epoch = "6");
    REFUSES(fx, "fenced", START, .entry = id, .epoch = "8");
    assert_string_equal(deliver(fx, NODE, "another"), id);
    REFUSES(fx, "lost", START, .entry = id);
}

/* The job says `field` is `value`: the entry is dropped, and nothing else happens. */
static void expect_dropped(struct redis_fixture *fx, const char *field, const char *value)
{
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "HSET %s %s %s", JOB, field, value);
    fixture_ok(fx, "DEL %s", EVENTS);
    const char *job = hash_text(fx, JOB);
    assert_string_equal(CALL(fx, START, .entry = id, .state = "running"), "lost");
    assert_string_equal(hash_text(fx, JOB), job);
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(answer(fx, "EXISTS %s %s", CALLBACK, EVENTS), "0");
}

static void test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped(void **state)
{
    struct redis_fixture *fx = *state;

    expect_dropped(fx, "state", "done");
    (void)reset_world(state);
    expect_dropped(fx, "entry", "5-5");
}

static void test_a_cancelled_or_expired_request_is_not_started(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    REFUSES(fx, "expired <ms>", START, .entry = id, .deadline = redis_ms_plus(fx, 0));
    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_NEW);
    REFUSES(fx, "cancelled <ms>", START, .entry = id);
    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_OLD);
    assert_string_equal(CALL(fx, START, .entry = id), "started <ms>");
}

static void test_a_request_whose_callback_is_no_stream_is_not_started(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    REFUSES(fx, "undeliverable <ms>", START, .entry = id);
    REFUSES(fx, "undeliverable <ms>", START, .entry = id, .state = "running");
}

static void test_a_request_whose_callback_takes_no_more_ids_is_not_started(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "XADD %s " MAX_ID " a b", CALLBACK);
    REFUSES(fx, "undeliverable <ms>", START, .entry = id, .state = "running");
}

static void test_a_full_memory_starts_nothing_and_loses_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fill_memory(fx);
    REFUSES(fx, "!OOM", START, .entry = id);
    REFUSES(fx, "!OOM", START, .entry = id, .state = "running");
    fixture_ok(fx, "CONFIG SET maxmemory 0");
    assert_string_equal(CALL(fx, START, .entry = id), "started <ms>");
}

/* --- chunk --- */

static void test_a_chunk_is_appended_and_the_callback_expires(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);
    const char *job = hash_text(fx, JOB);
    static const char *const next[] = {"type", "chunk", "seq", "1", NULL};

    assert_string_equal(CALL(fx, CHUNK, .entry = id, .left_ms = "50000", .more_args = CHUNK), "ok");
    assert_string_equal(stream_text(fx, CALLBACK), "type=chunk seq=0");
    assert_ttl(fx, CALLBACK, 50000 + TTL_MS);
    fixture_ok(fx, "PEXPIRE %s 30000", CALLBACK);
    assert_string_equal(CALL(fx, CHUNK, .entry = id, .more_args = next), "ok");
    assert_ttl(fx, CALLBACK, 30000); /* it is set once */
    assert_string_equal(answer(fx, "XLEN %s", CALLBACK), "2");
    assert_string_equal(hash_text(fx, JOB), job);
    assert_string_equal(pending_text(fx, NODE), text_of("%s n1 x1", id));
}

static void test_a_chunk_whose_answer_was_lost_is_there_once(void **state)
{
    static const char *const next[] = {"type", "chunk", "seq", "1", NULL};
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    assert_string_equal(CALL(fx, CHUNK, .entry = id, .more_args = CHUNK), "ok");
    REFUSES(fx, "ok", CHUNK, .entry = id, .sent_before = "1", .more_args = CHUNK);
    assert_string_equal(CALL(fx, CHUNK, .entry = id, .more_args = next), "ok");
    REFUSES(fx, "ok", CHUNK, .entry = id, .sent_before = "1", .more_args = CHUNK);
    assert_string_equal(stream_text(fx, CALLBACK), "type=chunk seq=0; type=chunk seq=1");
}

static void test_a_chunk_that_was_sent_and_never_written_is_written(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    assert_string_equal(
        CALL(fx, CHUNK, .entry = id, .sent_before = "1", .more_args = LIST("a", "b")), "ok");
    assert_string_equal(CALL(fx, CHUNK, .entry = id, .sent_before = "1", .more_args = CHUNK), "ok");
    assert_string_equal(stream_text(fx, CALLBACK), "a=b; type=chunk seq=0");
}

static void test_a_callback_that_its_client_deleted_expires_again(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    (void)CALL(fx, CHUNK, .entry = id, .more_args = CHUNK);
    fixture_ok(fx, "DEL %s", CALLBACK);
    (void)CALL(fx, CHUNK, .entry = id, .left_ms = "50000", .more_args = LIST("a", "b"));
    assert_ttl(fx, CALLBACK, 50000 + TTL_MS);
}

static void test_a_chunk_after_the_deadline_still_expires(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, CHUNK, .entry = submit_started(fx), .left_ms = "-70000", .more_args = CHUNK);
    assert_ttl(fx, CALLBACK, TTL_MS);
}

static void test_a_node_from_which_the_work_was_taken_writes_no_chunk(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    REFUSES(fx, "fenced", CHUNK, .entry = id, .epoch = "6", .more_args = CHUNK);
    REFUSES(fx, "lost", CHUNK, .entry = "5-5", .more_args = CHUNK);
    fixture_ok(fx, "HSET %s entry 5-5", JOB);
    REFUSES(fx, "lost", CHUNK, .entry = id, .more_args = CHUNK);
    fixture_ok(fx, "HSET %s entry %s state done", JOB, id);
    REFUSES(fx, "lost", CHUNK, .entry = id, .more_args = CHUNK);
    fixture_ok(fx, "HSET %s state running", JOB);
    fixture_ok(fx, "XCLAIM %s %s another 0 %s", NODE, GROUP_WORKERS, id);
    REFUSES(fx, "lost", CHUNK, .entry = id, .more_args = CHUNK);
}

static void test_a_cancelled_request_gets_no_more_chunks(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_NEW);
    REFUSES(fx, "cancelled", CHUNK, .entry = id, .more_args = CHUNK);
}

static void test_a_callback_that_cannot_take_a_chunk_is_undeliverable(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    REFUSES(fx, "undeliverable", CHUNK, .entry = id, .more_args = CHUNK);
    REFUSES(fx, "undeliverable", CHUNK, .entry = id, .sent_before = "1", .more_args = CHUNK);
    fixture_ok(fx, "DEL %s", CALLBACK);
    fixture_ok(fx, "XADD %s " MAX_ID " a b", CALLBACK);
    REFUSES(fx, "undeliverable", CHUNK, .entry = id, .more_args = CHUNK);
}

static void test_a_full_memory_takes_no_chunk(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fill_memory(fx);
    REFUSES(fx, "!OOM", CHUNK, .entry = id, .more_args = CHUNK);
}

/* --- status --- */

static void test_a_waiting_request_is_told_so(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(
        CALL(fx, STATUS, .entry = id, .ttl_ms = "45000", .more_args = LIST("type", "status")),
        "ok");
    assert_string_equal(stream_text(fx, CALLBACK), "type=status");
    assert_ttl(fx, CALLBACK, 45000);
    assert_string_equal(answer(fx, "EXISTS %s", JOB), "0");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
}

static void test_a_request_that_came_back_is_told_so(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_returned(fx);

    assert_string_equal(CALL(fx, STATUS, .entry = id, .more_args = LIST("a", "b")), "ok");
    assert_string_equal(stream_text(fx, CALLBACK), "a=b");
}

static void test_only_a_request_that_waits_here_gets_a_status(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = add_entry(fx, REQUESTS, LIST("request_id", "r1"));

    REFUSES(fx, "lost", STATUS, .entry = id, .more_args = LIST("a", "b"));
    assert_string_equal(deliver(fx, REQUESTS, "rt2"), id);
    REFUSES(fx, "lost", STATUS, .entry = id, .more_args = LIST("a", "b"));
    (void)reset_world(state);
    (void)submit_routed(fx);
    REFUSES(fx, "lost", STATUS, .entry = submit(fx), .more_args = LIST("a", "b"));
    fixture_ok(fx, "HSET %s state done", JOB);
    REFUSES(fx, "lost", STATUS, .entry = last_id(fx, REQUESTS), .more_args = LIST("a", "b"));
}

static void test_a_callback_that_cannot_take_a_status_is_undeliverable(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    REFUSES(fx, "undeliverable", STATUS, .entry = id, .more_args = LIST("a", "b"));
    fixture_ok(fx, "DEL %s", CALLBACK);
    fixture_ok(fx, "XADD %s " MAX_ID " a b", CALLBACK);
    REFUSES(fx, "undeliverable", STATUS, .entry = id, .more_args = LIST("a", "b"));
}

static void test_a_full_memory_takes_no_status(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fill_memory(fx);
    REFUSES(fx, "!OOM", STATUS, .entry = id, .more_args = LIST("a", "b"));
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_start_marks_the_job_and_writes_an_event),
        TEST(test_an_attempt_begins_once_unless_its_answer_was_lost),
        TEST(test_a_start_with_progress_tells_the_client),
        TEST(test_what_is_not_this_processs_is_not_started),
        TEST(test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped),
        TEST(test_a_cancelled_or_expired_request_is_not_started),
        TEST(test_a_request_whose_callback_is_no_stream_is_not_started),
        TEST(test_a_request_whose_callback_takes_no_more_ids_is_not_started),
        TEST(test_a_full_memory_starts_nothing_and_loses_nothing),
        TEST(test_a_chunk_is_appended_and_the_callback_expires),
        TEST(test_a_chunk_whose_answer_was_lost_is_there_once),
        TEST(test_a_chunk_that_was_sent_and_never_written_is_written),
        TEST(test_a_callback_that_its_client_deleted_expires_again),
        TEST(test_a_chunk_after_the_deadline_still_expires),
        TEST(test_a_node_from_which_the_work_was_taken_writes_no_chunk),
        TEST(test_a_cancelled_request_gets_no_more_chunks),
        TEST(test_a_callback_that_cannot_take_a_chunk_is_undeliverable),
        TEST(test_a_full_memory_takes_no_chunk),
        TEST(test_a_waiting_request_is_told_so),
        TEST(test_a_request_that_came_back_is_told_so),
        TEST(test_only_a_request_that_waits_here_gets_a_status),
        TEST(test_a_callback_that_cannot_take_a_status_is_undeliverable),
        TEST(test_a_full_memory_takes_no_status),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
