/* requeue.lua, takeback.lua: from a node back to the origin stream. */

#include <string.h>

#include "script_call.h"

#define SEEN "{\"last_seen\":%.*s,\"last_seen_ms\":%s}"

/* What is on the origin stream now; `end` is what follows the fields that move.lua made. */
static void expect_requeued(struct redis_fixture *fx, const char *answered, const char *end)
{
    const char *text = stream_text(fx, REQUESTS);

    assert_string_equal(answered, text_of("requeued %s", last_id(fx, REQUESTS)));
    assert_starts(text, "request_id=r1 model=m prompt=hi metadata=mine origin_id=");
    assert_contains(text, " submitted_ms=" SUBMITTED " deadline_ms=");
    assert_string_equal(strstr(text, " attempt="), end);
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

/* --- requeue --- */

static void test_a_requeue_leaves_the_request_at_the_origin_and_nowhere_else(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    const char *answered =
        CALL(fx, REQUEUE, .entry = id, .attempt = "2", .tried = "n1", .last_error = "busy");
    expect_requeued(fx, answered, " attempt=2 tried=n1 last_error=busy");
    assert_string_equal(
        hash_text(fx, JOB),
        text_of("attempt=2 entry=%s router=rt1 state=queued ttl_ms=60000", last_id(fx, REQUESTS)));
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(answer(fx, "EXISTS %s", CALLBACK), "0");
    assert_string_equal(
        stream_text(fx, EVENTS),
        "event=requeued request_id=r1 node=n1 attempt=2 model=m why=busy routed_by=rt1");
    REFUSES(fx, "lost", REQUEUE, .entry = id, .attempt = "2");
    REFUSES(fx, "lost", REQUEUE, .entry = id, .attempt = "2", .delivery = "unstarted");
}

static void test_a_second_requeue_replaces_the_fields_of_the_first(void **state)
{
    struct redis_fixture *fx = *state;
    const char *first = submit_returned(fx);

    (void)CALL(fx, MOVE, .entry = first, .came_back = "1", .attempt = "2", .tried = "n0",
               .last_error = "busy");
    const char *answered = CALL(fx, REQUEUE, .entry = deliver(fx, NODE, "n1"), .attempt = "3",
                                .tried = "n0,n1", .last_error = "hang");
    expect_requeued(fx, answered, " attempt=3 tried=n0,n1 last_error=hang");
}

static void test_a_requeue_with_progress_tells_the_client(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, REQUEUE, .entry = submit_started(fx), .attempt = "2", .status = "1");
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=status request_id=r1 attempt=2 state=retrying node=n1");
    assert_ttl(fx, CALLBACK, LEFT_MS + TTL_MS);
}

static void test_the_mode_of_a_requeue_must_fit_the_entry(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    REFUSES(fx, "fenced", REQUEUE, .entry = id, .epoch = "6", .delivery = "unstarted");
    REFUSES(fx, "lost", REQUEUE, .entry = id);
    REFUSES(fx, "lost", REQUEUE, .entry = "5-5", .delivery = "unstarted");
    assert_string_equal(deliver(fx, NODE, "n1"), id);
    REFUSES(fx, "lost", REQUEUE, .entry = id, .delivery = "unstarted");
    REFUSES(fx, "fenced", REQUEUE, .entry = id, .epoch = "8");
}

static void test_what_another_consumer_holds_is_not_requeued(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    assert_string_equal(deliver(fx, NODE, "another"), id);
    REFUSES(fx, "lost", REQUEUE, .entry = id);
    REFUSES(fx, "lost", REQUEUE, .entry = id, .delivery = "unstarted");
}

static void test_an_entry_that_was_not_delivered_is_given_back_unread(void **state)
{
    struct redis_fixture *fx = *state;
    const char *answered =
        CALL(fx, REQUEUE, .entry = submit_routed(fx), .attempt = "1", .delivery = "unstarted");

    expect_requeued(fx, answered, " attempt=1 tried= last_error=");
    assert_string_equal(deliver(fx, NODE, "n1"), "");
}

static void expect_dropped(struct redis_fixture *fx, const char *field, const char *value)
{
    const char *id = submit_started(fx);

    fixture_ok(fx, "HSET %s %s %s", JOB, field, value);
    const char *job = hash_text(fx, JOB);
    assert_string_equal(CALL(fx, REQUEUE, .entry = id), "lost");
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(hash_text(fx, JOB), job);
}

static void test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped(void **state)
{
    struct redis_fixture *fx = *state;

    expect_dropped(fx, "state", "done");
    (void)reset_world(state);
    expect_dropped(fx, "entry", "5-5");
}

static void test_a_pending_entry_that_was_deleted_is_only_forgotten(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "XDEL %s %s", NODE, id);
    assert_string_equal(CALL(fx, REQUEUE, .entry = id), "lost");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(stream_text(fx, REQUESTS), "");
}

static void test_a_started_request_that_is_cancelled_ends_here_an_unstarted_goes_back(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    fixture_ok(fx, "HSET %s cancel " SUBMITTED, JOB);
    assert_string_equal(deliver(fx, NODE, "n1"), id);
    REFUSES(fx, "cancelled", REQUEUE, .entry = id);
    (void)reset_world(state);
    id = submit_routed(fx);
    fixture_ok(fx, "HSET %s cancel " SUBMITTED, JOB);
    assert_starts(CALL(fx, REQUEUE, .entry = id, .delivery = "unstarted"), "requeued ");
    REFUSES(fx, "cancelled", MOVE, .entry = deliver(fx, REQUESTS, "rt1"), .came_back = "1");
}

static void test_a_full_memory_does_not_stop_a_requeue(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fill_memory(fx);
    const char *answered =
        CALL(fx, REQUEUE, .entry = id, .attempt = "2", .tried = "n1", .last_error = "busy");
    expect_requeued(fx, answered, " attempt=2 tried=n1 last_error=busy");
    assert_contains(stream_text(fx, EVENTS), "event=requeued");
}

static void test_an_origin_stream_of_another_type_loses_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", REQUESTS);
    fixture_ok(fx, "SET %s text", REQUESTS);
    REFUSES(fx, "!WRONGTYPE", REQUEUE, .entry = id);
    REFUSES(fx, "!WRONGTYPE", TAKEBACK, .entry = id, .delivery = "lost");
    assert_string_equal(pending_text(fx, NODE), text_of("%s n1 x1", id));
}

/* --- takeback --- */

static void set_seen(struct redis_fixture *fx, long ago_ms)
{
    const char *ms = redis_ms_plus(fx, -ago_ms);

    fixture_ok(fx, "HSET %s n1 %s", HEALTH, text_of(SEEN, (int)strlen(ms) - 3, ms, ms));
}

static void test_a_node_that_has_been_heard_of_keeps_its_work(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx), *s = redis_ms_plus(fx, -10000);

    set_seen(fx, 10000);
    REFUSES(fx, "alive", TAKEBACK, .entry = id, .delivery = "lost");
    fixture_ok(fx, "HSET %s n1 %s", HEALTH,
               text_of("{\"last_seen\": %.*s}", (int)strlen(s) - 3, s));
    REFUSES(fx, "alive", TAKEBACK, .entry = id, .delivery = "lost");
    set_seen(fx, 15100);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
}

static void test_what_a_lost_node_had_counts_as_an_attempt(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    const char *answered = CALL(fx, TAKEBACK, .entry = id, .delivery = "lost", .status = "1");
    expect_requeued(fx, answered,
                    " attempt=2 tried=n1 last_error=node n1 was lost while it had the request");
    assert_string_equal(
        hash_text(fx, JOB),
        text_of("attempt=2 entry=%s router=rt1 state=queued ttl_ms=60000", last_id(fx, REQUESTS)));
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=status request_id=r1 attempt=2 state=retrying node=n1");
    assert_ttl(fx, CALLBACK, LEFT_MS + TTL_MS);
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=requeued request_id=r1 node=n1 attempt=2 model=m router=rt1 "
                        "why=node n1 was lost while it had the request");
    REFUSES(fx, "lost", TAKEBACK, .entry = id, .delivery = "lost");
}

static void test_what_a_node_had_not_read_counts_as_no_attempt(void **state)
{
    struct redis_fixture *fx = *state;
    const char *answered = CALL(fx, TAKEBACK, .entry = submit_routed(fx), .delivery = "lost",
                                .tried = "n0", .more_tried = "n0,n1", .status = "1");

    expect_requeued(fx, answered, " attempt=1 tried=n0 last_error=node n1 cannot take it now");
    assert_string_equal(answer(fx, "EXISTS %s", CALLBACK), "0");
}

static void test_a_node_that_lives_loses_only_what_it_has_not_started(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    set_seen(fx, 0);
    REFUSES(fx, "started", TAKEBACK, .entry = id, .delivery = "unstarted");
    REFUSES(fx, "alive", TAKEBACK, .entry = id, .delivery = "lost");
    (void)reset_world(state);
    id = submit_routed(fx);
    set_seen(fx, 0);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "unstarted"), "requeued ");
    assert_string_equal(deliver(fx, NODE, "n1"), "");
}

static void test_a_node_without_group_or_health_gives_back_all(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    fixture_ok(fx, "XGROUP DESTROY %s %s", NODE, GROUP_WORKERS);
    fixture_ok(fx, "DEL %s", HEALTH);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    assert_string_equal(stream_text(fx, NODE), "");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "1");
}

static void test_what_was_started_is_known_also_without_the_group(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "XGROUP DESTROY %s %s", NODE, GROUP_WORKERS);
    REFUSES(fx, "started", TAKEBACK, .entry = id, .delivery = "unstarted");
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    assert_contains(stream_text(fx, REQUESTS), " attempt=2 ");
}

static void test_what_is_done_or_elsewhere_is_dropped_from_a_lost_node(void **state)
{
    struct redis_fixture *fx = *state;

    for (int i = 0; i < 2; i++) {
        (void)reset_world(state);
        const char *id = submit_started(fx);
        fixture_ok(fx, i == 0 ? "HSET %s state done" : "HSET %s entry 5-5", JOB);
        const char *job = hash_text(fx, JOB);
        assert_string_equal(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "lost");
        assert_string_equal(stream_text(fx, NODE), "");
        assert_string_equal(pending_text(fx, NODE), "");
        assert_string_equal(stream_text(fx, REQUESTS), "");
        assert_string_equal(hash_text(fx, JOB), job);
    }
}

static void test_a_cancel_survives_a_takeback(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fixture_ok(fx, "HSET %s cancel " SUBMITTED, JOB);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    REFUSES(fx, "cancelled", MOVE, .entry = deliver(fx, REQUESTS, "rt1"), .came_back = "1",
            .attempt = "2");
}

static void test_a_full_memory_does_not_stop_a_takeback(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);

    fill_memory(fx);
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "1");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_requeue_leaves_the_request_at_the_origin_and_nowhere_else),
        TEST(test_a_second_requeue_replaces_the_fields_of_the_first),
        TEST(test_a_requeue_with_progress_tells_the_client),
        TEST(test_the_mode_of_a_requeue_must_fit_the_entry),
        TEST(test_what_another_consumer_holds_is_not_requeued),
        TEST(test_an_entry_that_was_not_delivered_is_given_back_unread),
        TEST(test_an_entry_of_a_job_that_is_done_or_elsewhere_is_dropped),
        TEST(test_a_pending_entry_that_was_deleted_is_only_forgotten),
        TEST(test_a_started_request_that_is_cancelled_ends_here_an_unstarted_goes_back),
        TEST(test_a_full_memory_does_not_stop_a_requeue),
        TEST(test_an_origin_stream_of_another_type_loses_nothing),
        TEST(test_a_node_that_has_been_heard_of_keeps_its_work),
        TEST(test_what_a_lost_node_had_counts_as_an_attempt),
        TEST(test_what_a_node_had_not_read_counts_as_no_attempt),
        TEST(test_a_node_that_lives_loses_only_what_it_has_not_started),
        TEST(test_a_node_without_group_or_health_gives_back_all),
        TEST(test_what_was_started_is_known_also_without_the_group),
        TEST(test_what_is_done_or_elsewhere_is_dropped_from_a_lost_node),
        TEST(test_a_cancel_survives_a_takeback),
        TEST(test_a_full_memory_does_not_stop_a_takeback),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
