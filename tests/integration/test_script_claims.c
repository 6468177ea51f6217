/* What the scripts take for granted about Redis Streams, scripts and memory, shown on this server.
 */

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "script_call.h"

#define LAST_ID "18446744073709551615-18446744073709551615"
#define POLLS   50000
#define ENTRIES 2000
#define ONE_KIB 1024

/* --- why one script, and in this order --- */

static void test_a_transaction_does_not_stop_at_a_failed_add_and_loses_the_request(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "DEL %s", NODE);
    fixture_ok(fx, "SET %s text", NODE);
    fixture_ok(fx, "MULTI");
    fixture_ok(fx, "XADD %s * a b", NODE);
    fixture_ok(fx, "XACK %s %s %s", REQUESTS, GROUP_ROUTERS, id);
    fixture_ok(fx, "XDEL %s %s", REQUESTS, id);
    assert_string_equal(answer(fx, "EXEC"), "!WRONGTYPE 1 1");
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

static void test_a_script_that_fails_keeps_what_it_wrote_before(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "DEL %s", NODE);
    fixture_ok(fx, "SET %s text", NODE);
    assert_string_equal(answer(fx, "EVAL %s 2 %s %s %s %s",
                               "redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) "
                               "redis.call('XADD', KEYS[2], '*', 'a', 'b')",
                               REQUESTS, NODE, GROUP_ROUTERS, id),
                        "!WRONGTYPE");
    assert_string_equal(pending_text(fx, REQUESTS), ""); /* so the acknowledgement comes last */
}

static void test_an_acknowledgement_succeeds_once_and_asks_for_no_consumer(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(answer(fx, "XACK %s %s %s", REQUESTS, GROUP_ROUTERS, id), "1");
    assert_string_equal(answer(fx, "XACK %s %s %s", REQUESTS, GROUP_ROUTERS, id), "0");
    assert_string_equal(answer(fx, "XLEN %s", REQUESTS), "1"); /* it frees nothing */
}

static void test_a_deleted_entry_stays_pending_until_it_is_acknowledged(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XDEL %s %s", REQUESTS, id);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
    assert_string_equal(answer(fx, "XRANGE %s %s %s", REQUESTS, id, id), "");
}

static void test_trimming_throws_away_what_is_pending(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    fixture_ok(fx, "XADD %s MAXLEN 0 * a b", REQUESTS);
    assert_string_equal(stream_text(fx, REQUESTS), "");
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
}

static void test_a_stream_whose_last_id_is_the_greatest_takes_no_more(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "XADD %s %s a b", CALLBACK, LAST_ID);
    assert_string_equal(answer(fx, "XADD %s * a b", CALLBACK), "!ERR");
    fixture_ok(fx, "XDEL %s %s", CALLBACK, LAST_ID);
    assert_string_equal(answer(fx, "XADD %s * a b", CALLBACK), "!ERR");
}

static void test_a_write_to_a_stream_keeps_its_time_to_live(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "XADD %s * a b", CALLBACK);
    fixture_ok(fx, "PEXPIRE %s 50000", CALLBACK);
    fixture_ok(fx, "XADD %s * a b", CALLBACK);
    assert_ttl(fx, CALLBACK, 50000);
}

/* --- groups and consumers --- */

static void test_reading_ones_own_entries_again_counts_deliveries_looking_does_not(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
    (void)stream_text(fx, REQUESTS);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x1", id));
    fixture_ok(fx, "XREADGROUP GROUP %s rt1 STREAMS %s 0", GROUP_ROUTERS, REQUESTS);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt1 x2", id));
}

static void test_deleting_a_consumer_loses_what_it_has_pending(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(answer(fx, "XGROUP DELCONSUMER %s %s rt1", REQUESTS, GROUP_ROUTERS), "1");
    assert_string_equal(pending_text(fx, REQUESTS), "");
    assert_string_equal(deliver(fx, REQUESTS, "rt2"), "");
    assert_string_equal(answer(fx, "XAUTOCLAIM %s %s rt2 0 0-0 JUSTID", REQUESTS, GROUP_ROUTERS),
                        "0-0  ");
    assert_string_equal(last_id(fx, REQUESTS), id); /* a ghost */
}

static void test_a_claim_without_idle_time_steals_and_counts_no_delivery(void **state)
{
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(answer(fx, "XCLAIM %s %s rt2 0 %s JUSTID", REQUESTS, GROUP_ROUTERS, id),
                        id);
    assert_string_equal(pending_text(fx, REQUESTS), text_of("%s rt2 x1", id));
    fixture_ok(fx, "XDEL %s %s", REQUESTS, id);
    assert_string_equal(answer(fx, "XCLAIM %s %s rt1 0 %s JUSTID", REQUESTS, GROUP_ROUTERS, id),
                        "");
    assert_string_equal(pending_text(fx, REQUESTS), ""); /* it drops what was deleted */
}

static void test_a_group_made_again_at_zero_delivers_what_is_unfinished_and_only_that(void **state)
{
    struct redis_fixture *fx = *state;
    const char *done = submit(fx), *open = submit(fx);

    fixture_ok(fx, "XACK %s %s %s", REQUESTS, GROUP_ROUTERS, done);
    fixture_ok(fx, "XDEL %s %s", REQUESTS, done);
    fixture_ok(fx, "XGROUP DESTROY %s %s", REQUESTS, GROUP_ROUTERS);
    assert_string_equal(answer(fx, "XREADGROUP GROUP %s rt1 STREAMS %s >", GROUP_ROUTERS, REQUESTS),
                        "!NOGROUP");
    assert_string_equal(answer(fx, "XPENDING %s %s %s %s 1", REQUESTS, GROUP_ROUTERS, open, open),
                        "!NOGROUP");
    fixture_ok(fx, "XGROUP CREATE %s %s 0 MKSTREAM", REQUESTS, GROUP_ROUTERS);
    assert_string_equal(answer(fx, "XGROUP CREATE %s %s 0 MKSTREAM", REQUESTS, GROUP_ROUTERS),
                        "!BUSYGROUP");
    assert_string_equal(deliver(fx, REQUESTS, "rt1"), open);
    assert_string_equal(deliver(fx, REQUESTS, "rt1"), "");
}

static void test_a_group_made_at_the_end_skips_what_is_there(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "XGROUP DESTROY %s %s", REQUESTS, GROUP_ROUTERS);
    fixture_ok(fx, "XADD %s * a b", REQUESTS);
    fixture_ok(fx, "XGROUP CREATE %s %s $ MKSTREAM", REQUESTS, GROUP_ROUTERS);
    assert_string_equal(deliver(fx, REQUESTS, "rt1"), "");
}

static bool is_blocked(struct redis_fixture *fx)
{
    redisReply *reply = fixture_cmd(fx, "INFO clients");
    bool is = strstr(reply->str, "blocked_clients:1\r") != NULL;

    freeReplyObject(reply);
    return is;
}

/* Blocks a second connection in XREADGROUP, runs the command, answers what the reader was told. */
static const char *told_while_blocked(struct redis_fixture *fx, const char *command)
{
    redisContext *reader = redisConnectUnix(fx->socket_path);
    void *reply = NULL;
    int flushed = 0;

    assert_true(reader && !reader->err);
    assert_int_equal(redisAppendCommand(reader, "XREADGROUP GROUP %s rt1 BLOCK 20000 STREAMS %s >",
                                        GROUP_ROUTERS, REQUESTS),
                     REDIS_OK);
    while (!flushed)
        assert_int_equal(redisBufferWrite(reader, &flushed), REDIS_OK);
    for (int i = 0; !is_blocked(fx); i++)
        assert_true(i < POLLS);
    fixture_ok(fx, command, REQUESTS, GROUP_ROUTERS);
    assert_int_equal(redisGetReply(reader, &reply), REDIS_OK);
    redisFree(reader);
    return text_of_reply(reply);
}

static void test_a_blocked_reader_is_told_when_its_stream_or_group_goes(void **state)
{
    struct redis_fixture *fx = *state;
    const char *told = told_while_blocked(fx, "DEL %s");

    assert_true(!strcmp(told, "!UNBLOCKED") || !strcmp(told, "!NOGROUP"));
    (void)reset_world(state);
    assert_string_equal(told_while_blocked(fx, "XGROUP DESTROY %s %s"), "!NOGROUP");
}

/* --- scripts --- */

static void test_a_forgotten_script_is_told_by_noscript(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "SCRIPT LOAD %s", script_source(SCRIPT_MOVE));
    assert_string_equal(answer(fx, "SCRIPT EXISTS %s", script_sha(SCRIPT_MOVE)), "1");
    fixture_ok(fx, "SCRIPT FLUSH");
    assert_string_equal(answer(fx, "EVALSHA %s 0", script_sha(SCRIPT_MOVE)), "!NOSCRIPT");
}

static void test_a_script_sees_the_time_of_redis(void **state)
{
    struct redis_fixture *fx = *state;
    const char *before = redis_ms_plus(fx, 0);
    const char *in_script = answer(fx, "EVAL %s 0",
                                   "local t = redis.call('TIME') return string.format('%.0f', "
                                   "t[1] * 1000 + math.floor(t[2] / 1000))");

    assert_int_equal(strlen(in_script), 13);
    assert_true(strcmp(before, in_script) <= 0);
    assert_true(strcmp(in_script, redis_ms_plus(fx, 0)) <= 0);
}

static void test_an_entry_of_10000_fields_stays_pending_and_can_be_ended(void **state)
{
    static const char *fields[20001];
    struct redis_fixture *fx = *state;
    redisReply *reply;

    fields[0] = "XADD";
    fields[1] = REQUESTS;
    fields[2] = "*";
    for (int i = 3; i < 20001; i++)
        fields[i] = "ab";
    reply = redisCommandArgv(fx->client, 20001, fields, NULL);
    assert_non_null(reply);
    freeReplyObject(reply);
    const char *id = deliver(fx, REQUESTS, "rt1");
    REFUSES(fx, "!ERR", MOVE, .entry = id);
    assert_string_equal(CALL(fx, END, .entry = id, .dead = "1"), "ended");
    assert_contains(stream_text(fx, DEAD), "request_bytes=39996");
    assert_string_equal(pending_text(fx, REQUESTS), "");
}

/* --- memory --- */

static void test_in_a_full_memory_only_a_script_that_may_can_write(void **state)
{
    static const char add[] = "return redis.call('XADD', KEYS[1], '1-1', 'a', 'b')";
    struct redis_fixture *fx = *state;
    const char *id = submit(fx);

    assert_string_equal(answer(fx, "CONFIG GET maxmemory-policy"), "maxmemory-policy noeviction");
    fill_memory(fx);
    assert_string_equal(answer(fx, "EVAL %s 1 %s", add, DEAD), "!OOM");
    assert_string_equal(answer(fx, "EVAL %s 1 %s", text_of("#!lua\n%s", add), DEAD), "!OOM");
    assert_string_equal(answer(fx, "EVAL %s 1 %s", text_of("#!lua flags=allow-oom\n%s", add), DEAD),
                        "1-1");
    assert_string_equal(answer(fx, "XACK %s %s %s", REQUESTS, GROUP_ROUTERS, id), "1");
    assert_string_equal(answer(fx, "XDEL %s %s", REQUESTS, id), "1");
    assert_string_equal(answer(fx, "XREADGROUP GROUP %s rt1 STREAMS %s >", GROUP_ROUTERS, REQUESTS),
                        "nil");
}

/* Bytes of a stream of 1 KiB entries after three of four were deleted, in per cent of before. */
static long kept_pct(struct redis_fixture *fx)
{
    static const char fill[] =
        "for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], i .. '-1', "
        "'v', string.rep('x', tonumber(ARGV[2]))) end";
    static const char thin[] = "for i = 1, tonumber(ARGV[1]) do if i % 4 ~= 0 then "
                               "redis.call('XDEL', KEYS[1], i .. '-1') end end";

    fixture_ok(fx, "DEL %s", DEAD);
    fixture_ok(fx, "EVAL %s 1 %s %d %d", fill, DEAD, ENTRIES, ONE_KIB);
    long before = strtol(answer(fx, "MEMORY USAGE %s SAMPLES 0", DEAD), NULL, 10);
    fixture_ok(fx, "EVAL %s 1 %s %d", thin, DEAD, ENTRIES);
    return strtol(answer(fx, "MEMORY USAGE %s SAMPLES 0", DEAD), NULL, 10) * 100 / before;
}

static void test_small_stream_nodes_give_back_the_memory_of_deleted_entries(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "CONFIG SET stream-node-max-bytes 4096");
    assert_in_range(kept_pct(fx), 70, 100);
    fixture_ok(fx, "CONFIG SET stream-node-max-bytes 1024");
    assert_in_range(kept_pct(fx), 15, 40);
}

#define TEST(name) cmocka_unit_test_setup(name, reset_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_transaction_does_not_stop_at_a_failed_add_and_loses_the_request),
        TEST(test_a_script_that_fails_keeps_what_it_wrote_before),
        TEST(test_an_acknowledgement_succeeds_once_and_asks_for_no_consumer),
        TEST(test_a_deleted_entry_stays_pending_until_it_is_acknowledged),
        TEST(test_trimming_throws_away_what_is_pending),
        TEST(test_a_stream_whose_last_id_is_the_greatest_takes_no_more),
        TEST(test_a_write_to_a_stream_keeps_its_time_to_live),
        TEST(test_reading_ones_own_entries_again_counts_deliveries_looking_does_not),
        TEST(test_deleting_a_consumer_loses_what_it_has_pending),
        TEST(test_a_claim_without_idle_time_steals_and_counts_no_delivery),
        TEST(test_a_group_made_again_at_zero_delivers_what_is_unfinished_and_only_that),
        TEST(test_a_group_made_at_the_end_skips_what_is_there),
        TEST(test_a_blocked_reader_is_told_when_its_stream_or_group_goes),
        TEST(test_a_forgotten_script_is_told_by_noscript),
        TEST(test_a_script_sees_the_time_of_redis),
        TEST(test_an_entry_of_10000_fields_stays_pending_and_can_be_ended),
        TEST(test_in_a_full_memory_only_a_script_that_may_can_write),
        TEST(test_small_stream_nodes_give_back_the_memory_of_deleted_entries),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
