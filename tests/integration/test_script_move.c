/* move.lua: every gate, and the state that a move leaves. */

#include <hiredis/hiredis.h>

#include "script_call.h"

#define CANCEL_OLD "999999999999"
#define CANCEL_NEW "1000000000000"

static void test_a_move_leaves_the_request_on_the_node_and_nowhere_else(void **state)
{
    struct redis_fixture *fx = *state;
    const char *origin = submit(fx);
    const char *moved = CALL(fx, MOVE, .entry = origin, .why = "coolest");

    assert_string_equal(moved, text_of("moved %s", last_id(fx, NODE)));
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, NODE), "");
    assert_starts(stream_text(fx, NODE),
                  text_of("request_id=r1 model=m prompt=hi metadata=mine attempt=1 origin_id=%s "
                          "submitted_ms=" SUBMITTED " deadline_ms=",
                          origin));
    assert_string_equal(hash_text(fx, JOB),
                        text_of("attempt=1 entry=%s node=n1 router=rt1 state=routed "
                                "ttl_ms=60000",
                                moved + 6));
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(stream_text(fx, CALLBACK), "");
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=routed request_id=r1 node=n1 attempt=1 model=m router=rt1 "
                        "why=coolest");
}

static void test_a_move_is_done_once(void **state)
{
    struct redis_fixture *fx = *state;
    const char *origin = submit(fx);

    (void)CALL(fx, MOVE, .entry = origin, .credit = "100");
    REFUSES(fx, "lost", MOVE, .entry = origin, .credit = "100");
    assert_string_equal(answer(fx, "XLEN %s", NODE), "1");
}

static void test_a_request_that_asked_for_progress_is_told_where_it_is(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, MOVE, .entry = submit(fx), .status = "1");
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=status request_id=r1 attempt=1 state=routed node=n1");
    assert_ttl(fx, CALLBACK, LEFT_MS + TTL_MS);
}

/* The origin_id in the one entry of a stream. */
static const char origin_source[] =
    "local fields = redis.call('XRANGE', KEYS[1], '-', '+')[1][2] "
    "for i = 1, #fields, 2 do if fields[i] == 'origin_id' then return fields[i + 1] end end";

static void test_fields_of_ours_in_an_entry_are_replaced_not_repeated(void **state)
{
    struct redis_fixture *fx = *state;

    const char *returned = submit_returned(fx);
    const char *origin = answer(fx, "EVAL %s 1 %s", origin_source, REQUESTS);

    (void)CALL(fx, MOVE, .entry = returned, .came_back = "1", .attempt = "2", .tried = "n1,n2",
               .last_error = "gone", .deadline = "9000000000001");
    assert_string_equal(stream_text(fx, NODE),
                        text_of("request_id=r1 model=m prompt=hi metadata=mine attempt=2 "
                                "origin_id=%s submitted_ms=" SUBMITTED
                                " deadline_ms=9000000000001 tried=n1,n2 last_error=gone",
                                origin));
}

static void test_an_entry_that_is_not_pending_here_is_not_moved(void **state)
{
    struct redis_fixture *fx = *state;

    REFUSES(fx, "lost", MOVE, .entry = "5-5");
    const char *unread = add_entry(fx, REQUESTS, LIST("request_id", "r1"));
    REFUSES(fx, "lost", MOVE, .entry = unread);
    assert_string_equal(deliver(fx, REQUESTS, "rt2"), unread);
    REFUSES(fx, "lost", MOVE, .entry = unread);
    REFUSES(fx, "lost", MOVE, .entry = unread, .router = "nobody");
}

static void test_a_pending_entry_that_was_deleted_is_only_forgotten(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XDEL %s %s", REQUESTS, id);
    assert_string_equal(CALL(fx, MOVE, .entry = id), "lost");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(answer(fx, "EXISTS %s %s", JOB, EVENTS), "0");
    assert_string_equal(stream_text(fx, NODE), "");
}

/* The job of r1 is as it is; a second entry of the same id comes. */
static void expect_duplicate(struct redis_fixture *fx, const char *came_back)
{
    const char *before = hash_text(fx, JOB), *node = stream_text(fx, NODE), *id = submit(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(CALL(fx, MOVE, .entry = id, .came_back = came_back, .credit = "100"),
                        "duplicate");
    assert_string_equal(answer(fx, "XRANGE %s %s %s", REQUESTS, id, id), "");
    assert_string_equal(hash_text(fx, JOB), before);
    assert_string_equal(stream_text(fx, NODE), node);
    assert_string_equal(stream_text(fx, EVENTS), "event=duplicate request_id=r1 router=rt1");
    REFUSES(fx, "lost", MOVE, .entry = id, .came_back = came_back, .credit = "100");
}

static void test_a_second_entry_of_a_request_that_is_underway_is_dropped(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    expect_duplicate(fx, "0");
    expect_duplicate(fx, "1");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

static void test_a_second_entry_of_a_request_that_is_done_is_dropped(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, FINISH, .entry = submit_started(fx), .more_args = LIST("type", "done"));
    expect_duplicate(fx, "0");
    expect_duplicate(fx, "1");
    assert_string_equal(stream_text(fx, CALLBACK), "type=done");
}

static void test_a_second_entry_of_a_request_that_came_back_is_dropped(void **state)
{
    struct redis_fixture *fx = *state;
    const char *returned = submit_returned(fx);

    expect_duplicate(fx, "0");
    expect_duplicate(fx, "1"); /* it copies our fields, but the job names the other entry */
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", returned));
    assert_starts(CALL(fx, MOVE, .entry = returned, .came_back = "1", .attempt = "2"), "moved ");
}

static void test_an_entry_that_came_back_is_no_news_to_a_plain_move(void **state)
{
    struct redis_fixture *fx = *state;
    const char *returned = submit_returned(fx);

    assert_string_equal(CALL(fx, MOVE, .entry = returned), "duplicate");
}

static void test_an_entry_that_only_claims_to_come_back_is_forged(void **state)
{
    struct redis_fixture *fx = *state;

    REFUSES(fx, "forged", MOVE, .entry = submit(fx), .came_back = "1");
}

static void test_a_cancel_mark_stops_the_request_that_is_older(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_NEW);
    REFUSES(fx, "cancelled", MOVE, .entry = id);
    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_OLD);
    assert_starts(CALL(fx, MOVE, .entry = id), "moved ");
    assert_string_equal(answer(fx, "HEXISTS %s cancel", JOB), "0");
}

static void test_a_cancel_of_a_request_that_came_back_stops_it(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_returned(fx);

    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_NEW);
    REFUSES(fx, "cancelled", MOVE, .entry = id, .came_back = "1");
}

static void test_what_is_past_its_deadline_is_not_moved(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    REFUSES(fx, "expired", MOVE, .entry = id, .deadline = redis_ms_plus(fx, 0));
    assert_starts(CALL(fx, MOVE, .entry = id, .deadline = redis_ms_plus(fx, 20000)), "moved ");
    assert_ttl(fx, JOB, 20000 + TTL_MS);
}

static void test_a_drained_or_unknown_node_gets_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "SADD %s n1", DRAINED);
    REFUSES(fx, "drained", MOVE, .entry = id);
    fixture_ok(fx, "DEL %s", DRAINED);
    fixture_ok(fx, "HDEL %s n1", HEALTH);
    REFUSES(fx, "unknown_node", MOVE, .entry = id);
}

static void test_a_node_that_says_it_is_unavailable_gets_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "HSET %s n1 %s", HEALTH, "{\"a\":1,\"available\":false,\"b\":2}");
    REFUSES(fx, "unavailable", MOVE, .entry = id);
    fixture_ok(fx, "HSET %s n1 %s", HEALTH, "{\"available\" : false}");
    REFUSES(fx, "unavailable", MOVE, .entry = id);
    fixture_ok(fx, "HSET %s n1 %s", HEALTH,
               "{\"available\":true,\"reason\":\"\\\"available\\\":false\"}");
    assert_starts(CALL(fx, MOVE, .entry = id), "moved ");
}

static void test_a_node_gets_no_more_than_its_credit(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    REFUSES(fx, "full", MOVE, .entry = id, .credit = "0");
    (void)add_entry(fx, NODE, LIST("a", "b"));
    (void)add_entry(fx, NODE, LIST("a", "b"));
    REFUSES(fx, "full", MOVE, .entry = id, .credit = "2");
    assert_starts(CALL(fx, MOVE, .entry = id, .credit = "3"), "moved ");
}

static void test_a_node_stream_of_another_type_loses_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "SET %s text", NODE);
    REFUSES(fx, "!WRONGTYPE", MOVE, .entry = id);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
    fixture_ok(fx, "DEL %s", NODE);
    assert_starts(CALL(fx, MOVE, .entry = id), "moved ");
}

static void test_a_node_stream_that_takes_no_more_ids_loses_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XADD %s 18446744073709551615-18446744073709551615 a b", NODE);
    REFUSES(fx, "!ERR", MOVE, .entry = id, .credit = "10");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
}

static void test_a_callback_or_event_stream_of_another_type_does_not_stop_a_move(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    fixture_ok(fx, "SET %s text", EVENTS);
    assert_starts(CALL(fx, MOVE, .entry = id, .status = "1"), "moved ");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(answer(fx, "GET %s", CALLBACK), "text");
    assert_ttl(fx, CALLBACK, -1);
}

static void test_a_full_memory_moves_nothing_and_loses_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fill_memory(fx);
    REFUSES(fx, "!OOM", MOVE, .entry = id);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
    fixture_ok(fx, "CONFIG SET maxmemory 0");
    assert_starts(CALL(fx, MOVE, .entry = id), "moved ");
}

static void test_a_duplicate_leaves_also_when_memory_is_full(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    const char *again = submit(fx);
    fill_memory(fx);
    assert_string_equal(CALL(fx, MOVE, .entry = again, .credit = "100"), "duplicate");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

/* A job that lives less long than response_ttl and is not done has lost its entry: the request may
 * be sent again. Found by tests/model: a cancel of the new one was lost with the old job. */
static void test_a_job_that_should_have_ended_gives_way_and_its_cancel_stays(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    fixture_ok(fx, "PEXPIRE %s 30000", JOB);
    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_NEW);
    const char *again = submit(fx);
    REFUSES(fx, "cancelled", MOVE, .entry = again, .credit = "100");
    fixture_ok(fx, "HSET %s cancel %s", JOB, CANCEL_OLD);
    assert_starts(CALL(fx, MOVE, .entry = again, .credit = "100"), "moved ");
    assert_string_equal(answer(fx, "HMGET %s state attempt cancel", JOB), "routed 2 nil");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_move_leaves_the_request_on_the_node_and_nowhere_else),
        TEST(test_a_move_is_done_once),
        TEST(test_a_request_that_asked_for_progress_is_told_where_it_is),
        TEST(test_fields_of_ours_in_an_entry_are_replaced_not_repeated),
        TEST(test_an_entry_that_is_not_pending_here_is_not_moved),
        TEST(test_a_pending_entry_that_was_deleted_is_only_forgotten),
        TEST(test_a_second_entry_of_a_request_that_is_underway_is_dropped),
        TEST(test_a_second_entry_of_a_request_that_is_done_is_dropped),
        TEST(test_a_second_entry_of_a_request_that_came_back_is_dropped),
        TEST(test_an_entry_that_came_back_is_no_news_to_a_plain_move),
        TEST(test_an_entry_that_only_claims_to_come_back_is_forged),
        TEST(test_a_cancel_mark_stops_the_request_that_is_older),
        TEST(test_a_cancel_of_a_request_that_came_back_stops_it),
        TEST(test_what_is_past_its_deadline_is_not_moved),
        TEST(test_a_drained_or_unknown_node_gets_nothing),
        TEST(test_a_node_that_says_it_is_unavailable_gets_nothing),
        TEST(test_a_node_gets_no_more_than_its_credit),
        TEST(test_a_node_stream_of_another_type_loses_nothing),
        TEST(test_a_node_stream_that_takes_no_more_ids_loses_nothing),
        TEST(test_a_callback_or_event_stream_of_another_type_does_not_stop_a_move),
        TEST(test_a_full_memory_moves_nothing_and_loses_nothing),
        TEST(test_a_duplicate_leaves_also_when_memory_is_full),
        TEST(test_a_job_that_should_have_ended_gives_way_and_its_cancel_stays),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
