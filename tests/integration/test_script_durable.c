/* What the scripts write to the append-only file, and what a kill -9 of Redis leaves of it. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_call.h"

#define BEATS         50
#define CUTS          6
#define AOF_BYTES_MAX (1 << 20)

static long aof_bytes(struct redis_fixture *fx)
{
    redisReply *reply = fixture_cmd(fx, "INFO persistence");
    const char *at = strstr(reply->str, "aof_current_size:");

    assert_non_null(at);
    long bytes = strtol(at + 17, NULL, 10);
    freeReplyObject(reply);
    return bytes;
}

/* All that a restart must keep, as text. */
static const char *everything(struct redis_fixture *fx)
{
    return text_of("%s | %s | %s | %s | %s | %s | %s | %s | %s %s", stream_text(fx, REQUESTS),
                   pending_text(fx, REQUESTS), stream_text(fx, NODE), pending_text(fx, NODE),
                   hash_text(fx, JOB), stream_text(fx, CALLBACK), stream_text(fx, EVENTS),
                   stream_text(fx, DEAD), answer(fx, "PEXPIRETIME %s", JOB),
                   answer(fx, "PEXPIRETIME %s", CALLBACK));
}

/* --- bytes --- */

static void test_heartbeats_write_nothing_to_the_file(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);
    long before = aof_bytes(fx);

    for (int i = 0; i < BEATS; i++) {
        assert_string_equal(CALL(fx, BEAT, .more_keys = LIST(JOB), .more_args = LIST(id)),
                            "ok <ms> 0 run");
        assert_string_equal(CALL(fx, PRESENCE, .router = "rt1"), "<ms> 0");
    }
    assert_int_equal(aof_bytes(fx), before);
    fixture_ok(fx, "HSET %s n2 {}", HEALTH); /* a plain write does: the measure has teeth */
    assert_true(aof_bytes(fx) > before);
}

static void test_a_question_that_is_refused_writes_nothing_to_the_file(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx);
    long before = aof_bytes(fx);

    REFUSES(fx, "lost", MOVE, .entry = "5-5");
    REFUSES(fx, "fenced", FINISH, .entry = id, .epoch = "6", .more_args = LIST("a", "b"));
    REFUSES(fx, "started", TAKEBACK, .entry = id, .delivery = "unstarted");
    assert_int_equal(aof_bytes(fx), before);
}

static void test_a_claim_writes_to_the_file_even_in_an_unreplicated_script(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_delivered(fx);
    long before = aof_bytes(fx);

    (void)answer(fx, "EVAL %s 1 %s %s %s",
                 "redis.set_repl(redis.REPL_NONE) "
                 "return redis.call('XCLAIM', KEYS[1], ARGV[1], 'n1', 0, ARGV[2], 'JUSTID')",
                 NODE, GROUP_WORKERS, id);
    assert_true(aof_bytes(fx) > before);
}

/* --- kill -9 between the calls --- */

static void restart(struct redis_fixture *fx)
{
    const char *before = everything(fx);

    assert_true(redis_fixture_restart(fx));
    assert_string_equal(everything(fx), before);
}

static void test_a_request_survives_a_kill_after_each_step_of_its_way(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    restart(fx);
    assert_starts(CALL(fx, MOVE, .entry = id, .status = "1"), "moved ");
    restart(fx);
    id = deliver(fx, NODE, "n1");
    restart(fx);
    assert_string_equal(CALL(fx, START, .entry = id, .state = "running"), "started <ms>");
    restart(fx);
    assert_string_equal(CALL(fx, CHUNK, .entry = id, .more_args = LIST("type", "chunk")), "ok");
    restart(fx);
    assert_starts(CALL(fx, REQUEUE, .entry = id, .attempt = "2", .status = "1"), "requeued ");
    restart(fx);
    id = deliver(fx, REQUESTS, "rt1");
    assert_starts(CALL(fx, MOVE, .entry = id, .came_back = "1", .attempt = "2"), "moved ");
    id = deliver(fx, NODE, "n1");
    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost", .attempt = "2"), "requeued ");
    restart(fx);
    id = deliver(fx, REQUESTS, "rt1");
    assert_starts(CALL(fx, MOVE, .entry = id, .came_back = "1", .attempt = "3"), "moved ");
    id = deliver(fx, NODE, "n1");
    assert_string_equal(CALL(fx, FINISH, .entry = id, .more_args = LIST("type", "done")),
                        "finished");
    restart(fx);
    REFUSES(fx, "lost", FINISH, .entry = id, .more_args = LIST("type", "done"));
    assert_string_equal(CALL(fx, END, .entry = submit(fx)), "duplicate");
}

static void test_an_end_a_drain_and_a_cancel_survive_a_kill(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, END, .entry = submit(fx), .dead = "1"), "ended");
    restart(fx);
    assert_string_equal(CALL(fx, DRAIN, .control_id = "5-0"), "ok");
    restart(fx);
    assert_string_equal(answer(fx, "SMEMBERS %s", DRAINED), "n1");
    REFUSES(fx, "seen", DRAIN, .control_id = "5-0");
    (void)reset_world(state);
    (void)submit_routed(fx);
    assert_string_equal(CALL(fx, CANCEL, .control_id = "6-0", .control_ms = "6"), "routed");
    restart(fx);
    REFUSES(fx, "seen", CANCEL, .control_id = "6-0");
}

static void test_after_a_kill_health_is_that_of_the_registration(void **state)
{
    struct redis_fixture *fx = *state;

    assert_string_equal(CALL(fx, REGISTER, .json = "{\"age\":1"), "ok 8 <ms>");
    const char *registered = hash_text(fx, HEALTH);
    assert_string_equal(CALL(fx, BEAT, .epoch = "8", .json = "{\"age\":2"), "ok <ms> 0");
    assert_starts(hash_text(fx, HEALTH), "n1={\"age\":2,");
    assert_true(redis_fixture_restart(fx));
    assert_string_equal(hash_text(fx, HEALTH), registered);
    assert_string_equal(CALL(fx, BEAT, .epoch = "8"), "ok <ms> 0");
    assert_string_equal(answer(fx, "GET %s", EPOCH), "8");
}

static void test_after_a_kill_the_server_has_forgotten_the_scripts(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "SCRIPT LOAD %s", script_source(SCRIPT_PRESENCE));
    assert_true(redis_fixture_restart(fx));
    assert_string_equal(answer(fx, "EVALSHA %s 0", script_sha(SCRIPT_PRESENCE)), "!NOSCRIPT");
}

/* --- a file that ends in the middle of what a script wrote --- */

struct aof {
    char path[128];
    size_t len;
    char bytes[AOF_BYTES_MAX];
};

static void aof_read(const struct redis_fixture *fx, struct aof *aof)
{
    (void)snprintf(aof->path, sizeof aof->path, "%s/appendonlydir/appendonly.aof.1.incr.aof",
                   fx->dir);
    FILE *file = fopen(aof->path, "rb");
    assert_non_null(file);
    aof->len = fread(aof->bytes, 1, sizeof aof->bytes, file);
    assert_true(aof->len > 0 && aof->len < sizeof aof->bytes);
    (void)fclose(file);
}

static void aof_write(const struct aof *aof, size_t len)
{
    FILE *file = fopen(aof->path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(aof->bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Restarts Redis on a file that was cut at some bytes of what came after `from`: its state is
 * always `before`. Whole, it is that of now. */
static void expect_all_or_nothing(struct redis_fixture *fx, size_t from, const char *before)
{
    static struct aof aof;
    const char *after = everything(fx);

    redis_fixture_kill(fx);
    aof_read(fx, &aof);
    assert_true(aof.len > from + CUTS);
    for (size_t i = 1; i <= CUTS; i++) {
        size_t cut = i == CUTS ? aof.len - 1 : from + (aof.len - from) * i / CUTS;

        aof_write(&aof, cut);
        assert_true(redis_fixture_run(fx));
        assert_string_equal(everything(fx), before);
        redis_fixture_kill(fx);
    }
    aof_write(&aof, aof.len);
    assert_true(redis_fixture_run(fx));
    assert_string_equal(everything(fx), after);
}

static void test_a_move_is_in_the_file_whole_or_not_at_all(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx), *before = everything(fx);
    size_t from = (size_t)aof_bytes(fx);

    assert_starts(CALL(fx, MOVE, .entry = id, .status = "1"), "moved ");
    expect_all_or_nothing(fx, from, before);
}

static void test_a_finish_is_in_the_file_whole_or_not_at_all(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx), *before = everything(fx);
    size_t from = (size_t)aof_bytes(fx);

    (void)CALL(fx, FINISH, .entry = id, .more_args = LIST("type", "done"));
    expect_all_or_nothing(fx, from, before);
}

static void test_a_takeback_is_in_the_file_whole_or_not_at_all(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit_started(fx), *before = everything(fx);
    size_t from = (size_t)aof_bytes(fx);

    assert_starts(CALL(fx, TAKEBACK, .entry = id, .delivery = "lost"), "requeued ");
    expect_all_or_nothing(fx, from, before);
}

static void test_an_end_is_in_the_file_whole_or_not_at_all(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx), *before = everything(fx);
    size_t from = (size_t)aof_bytes(fx);

    assert_string_equal(CALL(fx, END, .entry = id, .dead = "1"), "ended");
    expect_all_or_nothing(fx, from, before);
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_heartbeats_write_nothing_to_the_file),
        TEST(test_a_question_that_is_refused_writes_nothing_to_the_file),
        TEST(test_a_claim_writes_to_the_file_even_in_an_unreplicated_script),
        TEST(test_a_request_survives_a_kill_after_each_step_of_its_way),
        TEST(test_an_end_a_drain_and_a_cancel_survive_a_kill),
        TEST(test_after_a_kill_health_is_that_of_the_registration),
        TEST(test_after_a_kill_the_server_has_forgotten_the_scripts),
        TEST(test_a_move_is_in_the_file_whole_or_not_at_all),
        TEST(test_a_finish_is_in_the_file_whole_or_not_at_all),
        TEST(test_a_takeback_is_in_the_file_whole_or_not_at_all),
        TEST(test_an_end_is_in_the_file_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up_durable, redis_fixture_down);
}
