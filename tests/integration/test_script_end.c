/* end.lua: the one terminal error of a request that is still on the origin stream. */

#include <stdlib.h>
#include <string.h>

#include "script_call.h"

#define REPLY                                                                                      \
    "type=error request_id=r1 attempt=1 code=deadline_exceeded error=too late retryable=1 "        \
    "metadata=mine"
#define CLIENT_FIELDS                                                                              \
    "request.request_id=r1 request.model=m request.prompt=hi request.metadata=mine"

static void test_an_end_leaves_one_error_and_a_job_that_is_done(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(CALL(fx, END, .entry = id), "ended");
    assert_string_equal(stream_text(fx, CALLBACK), REPLY);
    assert_ttl(fx, CALLBACK, TTL_MS);
    assert_string_equal(hash_text(fx, JOB), "attempt=1 code=deadline_exceeded state=done");
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(answer(fx, "EXISTS %s", DEAD), "0");
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=failed request_id=r1 code=deadline_exceeded error=too late node= "
                        "attempt=1 router=rt1");
    REFUSES(fx, "lost", END, .entry = id);
}

static void test_an_end_can_name_the_node_and_go_to_dead_too(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_returned(fx);

    assert_string_equal(CALL(fx, END, .entry = id, .came_back = "1", .attempt = "3",
                             .at_node = "n2", .code = "attempts_exhausted", .dead = "1"),
                        "ended");
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=error request_id=r1 attempt=3 code=attempts_exhausted error=too "
                        "late retryable=1 node=n2 metadata=mine");
    assert_contains(hash_text(fx, JOB), "attempt=3 code=attempts_exhausted");
    assert_contains(hash_text(fx, JOB), "state=done");
    assert_starts(stream_text(fx, DEAD),
                  text_of("request_id=r1 code=attempts_exhausted error=too late node=n2 attempt=3 "
                          "origin_id=%s " CLIENT_FIELDS,
                          id));
    assert_ttl(fx, JOB, TTL_MS);
}

static void test_only_the_router_that_holds_it_ends_a_request(void **state)
{
    struct redis_fixture *fx = *state;

    REFUSES(fx, "lost", END, .entry = "5-5");
    const char *id = add_entry(fx, REQUESTS, LIST("request_id", "r1"));
    REFUSES(fx, "lost", END, .entry = id);
    REFUSES(fx, "lost", END, .entry = id, .answerable = "0");
    assert_string_equal(deliver(fx, REQUESTS, "rt2"), id);
    REFUSES(fx, "lost", END, .entry = id);
    REFUSES(fx, "lost", END, .entry = id, .answerable = "0");
}

static void test_a_pending_entry_that_was_deleted_is_only_forgotten(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XDEL %s %s", REQUESTS, id);
    assert_string_equal(CALL(fx, END, .entry = id), "lost");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(answer(fx, "EXISTS %s %s %s", CALLBACK, JOB, EVENTS), "0");
}

static void expect_duplicate(struct redis_fixture *fx)
{
    const char *job = hash_text(fx, JOB), *reply = stream_text(fx, CALLBACK), *id = submit(fx);

    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(CALL(fx, END, .entry = id), "duplicate");
    assert_string_equal(answer(fx, "XRANGE %s %s %s", REQUESTS, id, id), "");
    assert_string_equal(hash_text(fx, JOB), job);
    assert_string_equal(stream_text(fx, CALLBACK), reply);
    assert_string_equal(stream_text(fx, EVENTS), "event=duplicate request_id=r1 router=rt1");
}

static void test_a_second_entry_of_a_known_request_gets_no_second_answer(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, END, .entry = submit(fx));
    expect_duplicate(fx);
    assert_string_equal(stream_text(fx, CALLBACK), REPLY);
    (void)reset_world(state);
    (void)submit_routed(fx);
    expect_duplicate(fx);
    (void)reset_world(state);
    const char *returned = submit_returned(fx);
    expect_duplicate(fx);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", returned));
}

static void test_an_entry_that_only_claims_to_come_back_is_forged(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    REFUSES(fx, "forged", END, .entry = id, .came_back = "1");
    assert_string_equal(CALL(fx, END, .entry = id), "ended");
}

static void test_a_cancel_mark_does_not_stop_an_end(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "HSET %s cancel 1", JOB);
    assert_string_equal(CALL(fx, END, .entry = submit(fx), .code = "cancelled"), "ended");
    assert_contains(hash_text(fx, JOB), "code=cancelled state=done");
    assert_ttl(fx, JOB, TTL_MS);
}

static void test_a_request_whose_callback_is_no_stream_ends_on_dead(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "SET %s text", CALLBACK);
    assert_string_equal(CALL(fx, END, .entry = id), "undeliverable");
    assert_string_equal(answer(fx, "GET %s", CALLBACK), "text");
    assert_ttl(fx, CALLBACK, -1);
    assert_string_equal(stream_text(fx, DEAD),
                        text_of("request_id=r1 code=deadline_exceeded error=too late node= "
                                "attempt=1 origin_id=%s " CLIENT_FIELDS,
                                id));
    assert_string_equal(hash_text(fx, JOB), "attempt=1 code=deadline_exceeded state=done");
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(stream_text(fx, REQUESTS), "");
}

static void test_a_callback_that_takes_no_more_ids_ends_on_dead(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XADD %s 18446744073709551615-18446744073709551615 a b", CALLBACK);
    assert_string_equal(CALL(fx, END, .entry = id), "undeliverable");
    assert_string_equal(answer(fx, "XLEN %s", DEAD), "1");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

static void test_what_cannot_be_answered_goes_to_dead_and_touches_no_other_key(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(CALL(fx, END, .entry = id, .answerable = "0", .code = "invalid_request",
                             .callback = "", .job = "", .request_id = "r 1"),
                        "ended");
    assert_string_equal(stream_text(fx, DEAD),
                        text_of("request_id=r 1 code=invalid_request error=too late node= "
                                "attempt=1 origin_id=%s " CLIENT_FIELDS,
                                id));
    assert_string_equal(stream_text(fx, EVENTS),
                        "event=dead request_id=r 1 code=invalid_request error=too late router=rt1");
    assert_string_equal(answer(fx, "EXISTS %s %s %s", CALLBACK, JOB, ""), "0");
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

/* An entry with one value of so many bytes is buried; answers what dead says. */
static const char *dead_of_size(struct redis_fixture *fx, size_t bytes)
{
    char *value = calloc(1, bytes + 1);

    assert_non_null(value);
    memset(value, 'x', bytes);
    (void)add_entry(fx, REQUESTS, LIST("v", value));
    free(value);
    (void)CALL(fx, END, .entry = deliver(fx, REQUESTS, "rt1"), .answerable = "0");
    return answer(fx, "EVAL %s 1 %s",
                  "local f = redis.call('XREVRANGE', KEYS[1], '+', '-')[1][2] "
                  "return {f[#f - 1], #f[#f]}",
                  DEAD);
}

static void test_dead_keeps_what_is_small_and_the_size_of_what_is_not(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(dead_of_size(fx, 16383), "request.v 16383");
    assert_string_equal(dead_of_size(fx, 16384), "request_bytes 5");
}

static void test_large_metadata_is_not_echoed(void **state)
{
    struct redis_fixture *fx = *state;
    char metadata[4098] = {0};

    memset(metadata, 'm', 4097);
    (void)add_entry(fx, REQUESTS, LIST("request_id", "r1", "metadata", metadata));
    (void)CALL(fx, END, .entry = deliver(fx, REQUESTS, "rt1"));
    assert_string_equal(stream_text(fx, CALLBACK),
                        "type=error request_id=r1 attempt=1 code=deadline_exceeded error=too late "
                        "retryable=1");
    metadata[4096] = '\0';
    (void)add_entry(fx, REQUESTS, LIST("request_id", "r2", "metadata", metadata));
    (void)CALL(fx, END, .entry = deliver(fx, REQUESTS, "rt1"), .job = P "job:r2",
               .callback = P "responses:r2");
    assert_contains(stream_text(fx, P "responses:r2"), "retryable=1 metadata=mmmm");
}

static void test_a_queue_that_is_too_long_sheds_what_nobody_else_holds(void **state)
{
    struct redis_fixture *fx = *state;
    const char *first = submit(fx), *ids[2];

    for (int i = 0; i < 2; i++)
        ids[i] = add_entry(fx, REQUESTS, LIST("request_id", "r2"));
    REFUSES(fx, "lost", END, .entry = ids[1], .max_queue = "3", .job = P "job:r2");
    REFUSES(fx, "lost", END, .entry = "5-5", .max_queue = "1", .job = P "job:r2");
    assert_string_equal(CALL(fx, END, .entry = ids[1], .max_queue = "2", .code = "queue_full",
                             .job = P "job:r2", .request_id = "r2", .callback = P "responses:r2"),
                        "ended");
    assert_contains(stream_text(fx, P "responses:r2"), "code=queue_full");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", first));
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "2");
    assert_string_equal(deliver(fx, REQUESTS, "rt2"), ids[0]);
    REFUSES(fx, "lost", END, .entry = ids[0], .max_queue = "1", .job = P "job:r3");
    assert_string_equal(CALL(fx, END, .entry = first, .max_queue = "1"), "ended");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt2 x1", ids[0]));
}

static void test_a_deadline_is_judged_by_the_clock_of_redis(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    REFUSES(fx, "early", END, .entry = id, .passed = "9000000000000");
    assert_string_equal(CALL(fx, END, .entry = id, .passed = "1000"), "ended");
}

static void test_a_full_memory_does_not_stop_an_end(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fill_memory(fx);
    assert_string_equal(CALL(fx, END, .entry = id, .dead = "1"), "ended");
    assert_string_equal(stream_text(fx, CALLBACK), REPLY);
    assert_ttl(fx, CALLBACK, TTL_MS);
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(answer(fx, "XLEN %s", DEAD), "1");
    assert_string_equal(answer(fx, "XLEN %s", EVENTS), "1");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_end_leaves_one_error_and_a_job_that_is_done),
        TEST(test_an_end_can_name_the_node_and_go_to_dead_too),
        TEST(test_only_the_router_that_holds_it_ends_a_request),
        TEST(test_a_pending_entry_that_was_deleted_is_only_forgotten),
        TEST(test_a_second_entry_of_a_known_request_gets_no_second_answer),
        TEST(test_an_entry_that_only_claims_to_come_back_is_forged),
        TEST(test_a_cancel_mark_does_not_stop_an_end),
        TEST(test_a_request_whose_callback_is_no_stream_ends_on_dead),
        TEST(test_a_callback_that_takes_no_more_ids_ends_on_dead),
        TEST(test_what_cannot_be_answered_goes_to_dead_and_touches_no_other_key),
        TEST(test_dead_keeps_what_is_small_and_the_size_of_what_is_not),
        TEST(test_large_metadata_is_not_echoed),
        TEST(test_a_queue_that_is_too_long_sheds_what_nobody_else_holds),
        TEST(test_a_deadline_is_judged_by_the_clock_of_redis),
        TEST(test_a_full_memory_does_not_stop_an_end),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
