/* register.lua, beat.lua, goodbye.lua, forget.lua, outline.lua: the life of a node. */

#include <stdlib.h>
#include <string.h>

#include "script_call.h"

/* The health entry of n1 is the JSON of the world and the time of Redis. */
static void expect_health(struct redis_fixture *fx)
{
    const char *health = answer(fx, "HGET %s n1", HEALTH);
    const char *now = redis_ms_plus(fx, 0);
    const char *digits = strstr(health, "\"last_seen_ms\":") + 15;

    assert_starts(health, "{\"node_id\":\"n1\",\"last_seen\":");
    assert_contains(health, text_of("\"last_seen\":%.10s,\"last_seen_ms\":%.10s", digits, digits));
    assert_int_equal(strlen(digits), 14);
    assert_string_equal(digits + 13, "}");
    assert_true(strncmp(digits, now, 13) <= 0);
    assert_true(strncmp(digits, redis_ms_plus(fx, -10000), 13) > 0);
}

/* --- register --- */

/* Redis time in seconds, as an epoch of a node that Redis did not know. */
static void expect_epoch_of_now(struct redis_fixture *fx, const char *registered)
{
    long long now_s = strtoll(redis_ms_plus(fx, 0), NULL, 10) / 1000;
    long long epoch = strtoll(answer(fx, "GET %s", EPOCH), NULL, 10);

    assert_in_range(epoch, now_s - 10, now_s);
    assert_string_equal(registered, text_of("ok %lld <ms>", epoch));
}

static void test_a_new_node_gets_an_epoch_of_now_a_stream_and_a_group(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "DEL %s %s %s", EPOCH, HEALTH, NODE);
    expect_epoch_of_now(fx, CALL(fx, REGISTER, .low_epoch = "1"));
    assert_string_equal(pending_text(fx, NODE), "");
    assert_string_equal(answer(fx, "XLEN %s", NODE), "0");
    expect_health(fx);
    assert_string_equal(stream_text(fx, EVENTS),
                        text_of("event=node_up node=n1 epoch=%s", answer(fx, "GET %s", EPOCH)));
    assert_ttl(fx, HEALTH, -1);
    assert_ttl(fx, EPOCH, -1);
}

static void test_each_registration_is_a_new_epoch_and_keeps_the_work(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    assert_string_equal(CALL(fx, REGISTER, .low_epoch = "1"), "ok 8 <ms>");
    assert_string_equal(CALL(fx, REGISTER, .low_epoch = "1"), "ok 9 <ms>");
    assert_string_equal(pending_text(fx, NODE), text_of("%s n1 x1", id));
    REFUSES(fx, "fenced", START, .entry = id, .epoch = "7");
    REFUSES(fx, "fenced", BEAT, .epoch = "8");
    assert_string_equal(CALL(fx, START, .entry = id, .epoch = "9"), "started <ms>");
}

static void test_a_process_whose_epoch_redis_forgot_gets_a_higher_one(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "DEL %s", EPOCH);
    assert_string_equal(CALL(fx, REGISTER, .low_epoch = "4000000000"), "ok 4000000000 <ms>");
    assert_string_equal(answer(fx, "GET %s", EPOCH), "4000000000");
    assert_string_equal(CALL(fx, REGISTER, .low_epoch = "1"), "ok 4000000001 <ms>");
}

static void test_entries_that_wait_for_a_node_without_group_reach_it(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    fixture_ok(fx, "XGROUP DESTROY %s %s", NODE, GROUP_WORKERS);
    (void)CALL(fx, REGISTER, .low_epoch = "1");
    assert_string_equal(deliver(fx, NODE, "n1"), id);
}

static void test_a_node_stream_of_another_type_registers_nothing(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "SET %s text", NODE);
    REFUSES(fx, "!WRONGTYPE", REGISTER, .low_epoch = "1");
}

static void test_a_full_memory_does_not_stop_a_registration(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "DEL %s %s %s", EPOCH, HEALTH, NODE);
    fill_memory(fx);
    expect_epoch_of_now(fx, CALL(fx, REGISTER, .low_epoch = "1"));
    assert_string_equal(answer(fx, "XLEN %s", NODE), "0");
    expect_health(fx);
}

/* --- beat --- */

static void test_a_beat_renews_health_and_nothing_else(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, BEAT, .node = "n1"), "ok <ms> 0");
    expect_health(fx);
    assert_string_equal(answer(fx, "EXISTS %s", EVENTS), "0");
    fixture_ok(fx, "SADD %s n1", DRAINED);
    assert_string_equal(CALL(fx, BEAT, .node = "n1"), "ok <ms> 1");
    fixture_ok(fx, "SREM %s n1", DRAINED);
    assert_string_equal(CALL(fx, BEAT, .node = "n1"), "ok <ms> 0");
}

static void test_a_beat_tells_a_newer_process_from_a_redis_that_forgot(void **state)
{
    struct redis_fixture *fx = *state;

    REFUSES(fx, "fenced", BEAT, .epoch = "6");
    REFUSES(fx, "unregistered", BEAT, .epoch = "8");
    fixture_ok(fx, "SET %s 10", EPOCH); /* numbers, not texts: "10" < "9" */
    REFUSES(fx, "fenced", BEAT, .epoch = "9");
    fixture_ok(fx, "DEL %s", EPOCH);
    REFUSES(fx, "unregistered", BEAT, .epoch = "7");
}

static void test_a_beat_tells_which_work_is_still_ours(void **state)
{
    struct redis_fixture *fx = *state;
    const char *ids[4];

    for (int i = 0; i < 4; i++) {
        ids[i] = add_entry(fx, NODE, LIST("a", "b"));
        if (i < 3)
            (void)deliver(fx, NODE, i == 1 ? "another" : "n1");
    }
    fixture_ok(fx, "HSET %s cancel 1", P "job:c");
    assert_string_equal(CALL(fx, BEAT,
                             .more_keys = LIST(P "job:a", P "job:b", P "job:c", P "job:d", JOB),
                             .more_args = LIST(ids[0], ids[1], ids[2], ids[3], "5-5")),
                        "ok <ms> 0 run lost cancel lost lost");
    assert_string_equal(pending_text(fx, NODE),
                        text_of("%s n1 x1; %s another x1; %s n1 x1", ids[0], ids[1], ids[2]));
    fixture_ok(fx, "XGROUP DESTROY %s %s", NODE, GROUP_WORKERS);
    assert_string_equal(CALL(fx, BEAT, .more_keys = LIST(JOB), .more_args = LIST(ids[0])),
                        "ok <ms> 0 lost");
}

static void test_a_full_memory_does_not_stop_a_beat(void **state)
{
    struct redis_fixture *fx = *state;

    fill_memory(fx);
    assert_string_equal(CALL(fx, BEAT, .node = "n1"), "ok <ms> 0");
    expect_health(fx);
}

/* --- goodbye --- */

static void test_a_node_leaves_when_its_stream_is_empty(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    REFUSES(fx, "fenced", GOODBYE, .epoch = "6");
    REFUSES(fx, "busy 1", GOODBYE, .why = "stopping");
    (void)CALL(fx, REQUEUE, .entry = id);
    fixture_ok(fx, "DEL %s", EVENTS);
    assert_string_equal(CALL(fx, GOODBYE, .why = "stopping"), "ok");
    assert_string_equal(answer(fx, "EXISTS %s %s", HEALTH, NODE), "0");
    assert_string_equal(answer(fx, "GET %s", EPOCH), "7");
    assert_string_equal(stream_text(fx, EVENTS), "event=node_down node=n1 why=stopping");
    REFUSES(fx, "unknown_node", MOVE, .entry = deliver(fx, REQUESTS, "rt1"), .came_back = "1");
}

static void test_only_its_own_health_entry_leaves_with_a_node(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "HSET %s n2 {}", HEALTH);
    fill_memory(fx);
    assert_string_equal(CALL(fx, GOODBYE, .why = "stopping"), "ok");
    assert_string_equal(hash_text(fx, HEALTH), "n2={}");
    assert_string_equal(CALL(fx, GOODBYE, .why = "stopping"), "ok");
    assert_string_equal(hash_text(fx, HEALTH), "n2={}");
}

/* --- forget --- */

static void set_seen(struct redis_fixture *fx, long ago_ms)
{
    const char *ms = redis_ms_plus(fx, -ago_ms);

    fixture_ok(fx, "HSET %s n1 %s", HEALTH,
               text_of("{\"last_seen\":%.*s}", (int)strlen(ms) - 3, ms));
}

static void test_a_node_that_was_silent_and_has_no_work_is_forgotten(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);

    fixture_ok(fx, "HSET %s n2 {}", HEALTH);
    set_seen(fx, 50000);
    REFUSES(fx, "alive", FORGET, .forget_ms = "60000");
    REFUSES(fx, "busy", FORGET, .forget_ms = "40000");
    (void)CALL(fx, TAKEBACK, .entry = id, .delivery = "lost");
    assert_string_equal(CALL(fx, FORGET, .forget_ms = "40000"), "forgotten");
    assert_string_equal(hash_text(fx, HEALTH), "n2={}");
    assert_string_equal(answer(fx, "EXISTS %s %s", NODE, EPOCH), "0");
    REFUSES(fx, "forgotten", FORGET, .forget_ms = "40000");
}

static void test_a_node_whose_health_tells_no_time_is_forgotten(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "HSET %s n1 garbage", HEALTH);
    fill_memory(fx);
    assert_string_equal(CALL(fx, FORGET, .forget_ms = "40000"), "forgotten");
    assert_string_equal(answer(fx, "EXISTS %s %s %s", NODE, EPOCH, HEALTH), "0");
}

/* Found by tests/model: a counter that began again gave a new process the epoch of one that had
 * been frozen for longer than node_forget. */
static void test_a_forgotten_node_never_gets_an_epoch_again_that_it_had(void **state)
{
    struct redis_fixture *fx = *state;

    (void)CALL(fx, FORGET, .forget_ms = "40000");
    REFUSES(fx, "unregistered", BEAT, .epoch = "7");
    expect_epoch_of_now(fx, CALL(fx, REGISTER, .low_epoch = "1"));
    REFUSES(fx, "fenced", BEAT, .epoch = "7");
    assert_string_equal(CALL(fx, BEAT, .epoch = answer(fx, "GET %s", EPOCH)), "ok <ms> 0");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

/* --- outline --- */

static void test_an_outline_leaves_out_what_is_long_and_changes_nothing(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id =
        add_entry(fx, NODE, LIST("request_id", "r1", "prompt", "12345", "tried", "n2"));

    REFUSES(fx, text_of("%s request_id r1 prompt 12345 tried n2", id), OUTLINE, .entry = id,
            .longest = "5");
    REFUSES(fx, text_of("%s request_id r1 prompt  tried n2", id), OUTLINE, .entry = id,
            .longest = "4");
    REFUSES(fx, "", OUTLINE, .entry = "7-7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_node_gets_an_epoch_of_now_a_stream_and_a_group),
        TEST(test_each_registration_is_a_new_epoch_and_keeps_the_work),
        TEST(test_a_process_whose_epoch_redis_forgot_gets_a_higher_one),
        TEST(test_entries_that_wait_for_a_node_without_group_reach_it),
        TEST(test_a_node_stream_of_another_type_registers_nothing),
        TEST(test_a_full_memory_does_not_stop_a_registration),
        TEST(test_a_beat_renews_health_and_nothing_else),
        TEST(test_a_beat_tells_a_newer_process_from_a_redis_that_forgot),
        TEST(test_a_beat_tells_which_work_is_still_ours),
        TEST(test_a_full_memory_does_not_stop_a_beat),
        TEST(test_a_node_leaves_when_its_stream_is_empty),
        TEST(test_only_its_own_health_entry_leaves_with_a_node),
        TEST(test_an_outline_leaves_out_what_is_long_and_changes_nothing),
        TEST(test_a_node_that_was_silent_and_has_no_work_is_forgotten),
        TEST(test_a_node_whose_health_tells_no_time_is_forgotten),
        TEST(test_a_forgotten_node_never_gets_an_epoch_again_that_it_had),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
