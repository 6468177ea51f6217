/* cancel.lua, drain.lua, presence.lua, adopt.lua: what routers do for the whole fleet. */

#include <string.h>

#include "script_call.h"

static const char *last_applied(struct redis_fixture *fx)
{
    return answer(fx, "EVAL %s 1 %s",
                  "local g = redis.call('XINFO', 'GROUPS', KEYS[1])[1] "
                  "for i = 1, #g, 2 do if g[i] == 'last-delivered-id' then return g[i + 1] end end",
                  CONTROL);
}

/* --- cancel --- */

static void test_a_cancel_marks_a_job_that_is_underway(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_routed(fx);

    assert_string_equal(CALL(fx, CANCEL, .control_id = "5-1", .control_ms = "5"), "routed");
    assert_string_equal(
        hash_text(fx, JOB),
        text_of("attempt=1 cancel=5 entry=%s node=n1 router=rt1 state=routed ttl_ms=60000", id));
    assert_ttl(fx, JOB, LEFT_MS + TTL_MS);
    assert_string_equal(last_applied(fx), "5-1");
    fixture_ok(fx, "HSET %s state running", JOB);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "6-0", .control_ms = "6"), "running");
    fixture_ok(fx, "HSET %s state queued", JOB);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "7-0", .control_ms = "7"), "queued");
    assert_string_equal(answer(fx, "HGET %s cancel", JOB), "7");
}

static void test_a_cancel_of_what_is_done_or_unknown_changes_only_the_mark(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, CANCEL, .control_id = "5-0", .control_ms = "5"), "unknown");
    assert_string_equal(answer(fx, "EXISTS %s", JOB), "0");
    assert_string_equal(last_applied(fx), "5-0");
    (void)CALL(fx, END, .entry = submit(fx));
    const char *job = hash_text(fx, JOB);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "6-0", .control_ms = "6"), "done");
    assert_string_equal(hash_text(fx, JOB), job);
    assert_ttl(fx, JOB, TTL_MS);
    assert_string_equal(last_applied(fx), "6-0");
}

static void test_a_cancel_of_what_waits_unread_leaves_a_mark_that_expires(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, REQUESTS, LIST("request_id", "r1"));
    assert_string_equal(CALL(fx, CANCEL, .control_id = "1000000000000-0", .control_ms = SUBMITTED),
                        "marked");
    assert_string_equal(hash_text(fx, JOB), "cancel=" SUBMITTED);
    assert_ttl(fx, JOB, 30000);
    REFUSES(fx, "cancelled", MOVE, .entry = deliver(fx, REQUESTS, "rt1"));
}

static void test_a_cancel_is_applied_once_and_in_order(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "9-2", .control_ms = "9"), "routed");
    REFUSES(fx, "seen", CANCEL, .control_id = "9-2", .control_ms = "9");
    REFUSES(fx, "seen", CANCEL, .control_id = "9-1", .control_ms = "9");
    REFUSES(fx, "seen", CANCEL, .control_id = "8-7", .control_ms = "8");
    assert_string_equal(CALL(fx, CANCEL, .control_id = "9-3", .control_ms = "9"), "routed");
    assert_string_equal(CALL(fx, CANCEL, .control_id = "10-0", .control_ms = "10"), "routed");
}

static void test_a_cancel_without_a_group_applies_nothing(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    fixture_ok(fx, "XGROUP DESTROY %s %s", CONTROL, GROUP_ROUTERS);
    REFUSES(fx, "!NOGROUP", CANCEL, .control_id = "5-0");
    REFUSES(fx, "!NOGROUP", DRAIN, .control_id = "5-0");
    fixture_ok(fx, "DEL %s", CONTROL);
    REFUSES(fx, "!ERR", CANCEL, .control_id = "5-0");
    REFUSES(fx, "!ERR", DRAIN, .control_id = "5-0");
}

static void test_control_over_a_key_of_another_type_is_not_taken_as_applied(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "SET %s text", JOB);
    fixture_ok(fx, "SET %s text", DRAINED);
    REFUSES(fx, "!WRONGTYPE", CANCEL, .control_id = "5-0");
    REFUSES(fx, "!WRONGTYPE", DRAIN, .control_id = "5-0");
}

static void test_a_cancel_finds_its_group_among_others(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    fixture_ok(fx, "XGROUP CREATE %s aaa 99-0", CONTROL);
    fixture_ok(fx, "XGROUP CREATE %s zzz 99-0", CONTROL);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "9-2", .control_ms = "9"), "routed");
    REFUSES(fx, "seen", CANCEL, .control_id = "9-2", .control_ms = "9");
}

static void test_a_full_memory_does_not_stop_control(void **state)
{
    struct redis_fixture *fx = *state;

    (void)submit_routed(fx);
    fill_memory(fx);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "5-0", .control_ms = "5"), "routed");
    assert_string_equal(answer(fx, "HGET %s cancel", JOB), "5");
    assert_string_equal(CALL(fx, DRAIN, .control_id = "6-0"), "ok");
    assert_string_equal(answer(fx, "SMEMBERS %s", DRAINED), "n1");
}

/* --- drain --- */

static void test_drain_and_undrain_are_applied_once_and_in_order(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, DRAIN, .control_id = "5-0", .op = "drain"), "ok");
    assert_string_equal(answer(fx, "SMEMBERS %s", DRAINED), "n1");
    assert_ttl(fx, DRAINED, -1);
    REFUSES(fx, "seen", DRAIN, .control_id = "5-0", .op = "drain");
    assert_string_equal(CALL(fx, DRAIN, .control_id = "6-0", .op = "undrain"), "ok");
    assert_string_equal(answer(fx, "EXISTS %s", DRAINED), "0");
    REFUSES(fx, "seen", DRAIN, .control_id = "5-0", .op = "drain"); /* a router that is late */
    assert_string_equal(stream_text(fx, EVENTS), "event=drain node=n1; event=undrain node=n1");
    assert_string_equal(last_applied(fx), "6-0");
}

static void test_any_other_control_entry_only_moves_the_mark(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, DRAIN, .control_id = "5-0", .op = "", .node = ""), "ok");
    assert_string_equal(last_applied(fx), "5-0");
    assert_string_equal(answer(fx, "EXISTS %s %s", DRAINED, EVENTS), "0");
    REFUSES(fx, "seen", CANCEL, .control_id = "5-0"); /* both scripts share the mark */
}

/* --- presence --- */

static void test_presence_writes_the_time_and_tells_the_backlog(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, REQUESTS, LIST("a", "b"));
    assert_string_equal(CALL(fx, PRESENCE, .json = "{\"window\":1"), "<ms> 1");
    const char *text = answer(fx, "HGET %s rt1", ROUTERS);
    assert_starts(text, "{\"window\":1,\"last_seen\":");
    const char *digits = strstr(text, "_ms\":") + 5;
    assert_int_equal(strlen(digits), 14);
    assert_true(strncmp(digits, redis_ms_plus(fx, -10000), 13) > 0);
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "1");
    fill_memory(fx);
    assert_string_equal(CALL(fx, PRESENCE, .router = "rt2"), "<ms> 1");
    assert_string_equal(answer(fx, "HLEN %s", ROUTERS), "2");
}

/* --- adopt --- */

static void set_seen(struct redis_fixture *fx, long ago_ms)
{
    fixture_ok(fx, "HSET %s rt2 %s", ROUTERS,
               text_of("{\"last_seen_ms\":%s}", redis_ms_plus(fx, -ago_ms)));
}

static void test_a_router_that_has_been_heard_of_keeps_its_entries(void **state)
{
    struct redis_fixture *fx = *state;
    const char *s = redis_ms_plus(fx, -10000);

    (void)add_entry(fx, REQUESTS, LIST("a", "b"));
    const char *id = deliver(fx, REQUESTS, "rt2");
    set_seen(fx, 10000);
    REFUSES(fx, "alive", ADOPT, .other = "rt2");
    fixture_ok(fx, "HSET %s rt2 %s", ROUTERS,
               text_of("{\"last_seen\": %.*s}", (int)strlen(s) - 3, s));
    REFUSES(fx, "alive", ADOPT, .other = "rt2");
    set_seen(fx, 15100);
    assert_string_equal(CALL(fx, ADOPT, .other = "rt2"), "adopted 1");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
}

static void test_the_entries_of_a_dead_router_are_claimed_before_its_consumer_goes(void **state)
{
    struct redis_fixture *fx = *state;
    const char *ids[4];

    for (int i = 0; i < 4; i++) {
        (void)add_entry(fx, REQUESTS, LIST("a", "b"));
        ids[i] = deliver(fx, REQUESTS, i == 3 ? "rt3" : "rt2");
    }
    set_seen(fx, 16000);
    assert_string_equal(CALL(fx, ADOPT, .count = "2"), "adopted 2");
    assert_string_equal(
        pending_text(fx, REQUESTS),
        text_of("%s rt1 x1; %s rt1 x1; %s rt2 x1; %s rt3 x1", ids[0], ids[1], ids[2], ids[3]));
    assert_string_equal(CALL(fx, ADOPT, .count = "2"), "adopted 1");
    assert_string_equal(answer(fx, "HEXISTS %s rt2", ROUTERS), "1");
    assert_string_equal(CALL(fx, ADOPT, .count = "2"), "deleted");
    assert_string_equal(answer(fx, "EXISTS %s", ROUTERS), "0");
    assert_string_equal(
        pending_text(fx, REQUESTS),
        text_of("%s rt1 x1; %s rt1 x1; %s rt1 x1; %s rt3 x1", ids[0], ids[1], ids[2], ids[3]));
    assert_null(strstr(answer(fx, "XINFO CONSUMERS %s %s", REQUESTS, GROUP_ROUTERS), "rt2"));
    REFUSES(fx, "deleted", ADOPT, .count = "2");
}

static void test_a_router_without_presence_is_gone(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, REQUESTS, LIST("a", "b"));
    (void)deliver(fx, REQUESTS, "rt2");
    fill_memory(fx);
    assert_string_equal(CALL(fx, ADOPT, .other = "rt2"), "adopted 1");
    assert_string_equal(CALL(fx, ADOPT, .other = "rt2"), "deleted");
}

static void test_a_dead_routers_deleted_entries_do_not_hold_its_consumer(void **state)
{
    struct redis_fixture *fx = *state;

    (void)add_entry(fx, REQUESTS, LIST("a", "b"));
    fixture_ok(fx, "XDEL %s %s", REQUESTS, deliver(fx, REQUESTS, "rt2"));
    assert_string_equal(CALL(fx, ADOPT, .other = "rt2"), "adopted 1");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(CALL(fx, ADOPT, .other = "rt2"), "deleted");
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_cancel_marks_a_job_that_is_underway),
        TEST(test_a_cancel_of_what_is_done_or_unknown_changes_only_the_mark),
        TEST(test_a_cancel_of_what_waits_unread_leaves_a_mark_that_expires),
        TEST(test_a_cancel_is_applied_once_and_in_order),
        TEST(test_a_cancel_without_a_group_applies_nothing),
        TEST(test_control_over_a_key_of_another_type_is_not_taken_as_applied),
        TEST(test_a_cancel_finds_its_group_among_others),
        TEST(test_a_full_memory_does_not_stop_control),
        TEST(test_drain_and_undrain_are_applied_once_and_in_order),
        TEST(test_any_other_control_entry_only_moves_the_mark),
        TEST(test_presence_writes_the_time_and_tells_the_backlog),
        TEST(test_a_router_that_has_been_heard_of_keeps_its_entries),
        TEST(test_the_entries_of_a_dead_router_are_claimed_before_its_consumer_goes),
        TEST(test_a_router_without_presence_is_gone),
        TEST(test_a_dead_routers_deleted_entries_do_not_hold_its_consumer),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
