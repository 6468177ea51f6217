/* Loading and calling scripts on a real server, also on one that has forgotten them. */

#include <signal.h>
#include <stdlib.h>

#include "common/scripts.h"

#include "conn_probe.h"
#include "redis_fixture.h"

struct loading {
    bool is_over, ok;
};

static void on_loaded(bool ok, void *arg)
{
    struct loading *loading = arg;

    assert_false(loading->is_over);
    *loading = (struct loading){.is_over = true, .ok = ok};
}

static bool is_loaded(void *arg)
{
    return ((struct loading *)arg)->is_over;
}

static void load_all(struct probe *probe)
{
    struct loading loading = {0};

    scripts_load(probe->conn, on_loaded, &loading);
    assert_true(wait_until(probe->base, is_loaded, &loading, 2000));
    assert_true(loading.ok);
}

static void begin(struct probe *probe, const struct redis_fixture *fx)
{
    probe_init(probe, fx->socket_path, 5000);
    redis_conn_start(probe->conn);
    probe_wait_ready(probe);
}

/* Calls status.lua on keys that do not exist with one more argument of that many bytes. What it
 * answers is its own affair; here it counts that the server ran it. */
static bool call(struct probe *probe, size_t bytes)
{
    char *text = calloc(1, bytes + 1);
    struct script_args args;

    assert_non_null(text);
    memset(text, 'x', bytes);
    script_args_init(&args);
    for (int i = 0; i < 3; i++)
        script_key(&args, "orion:test:nothing");
    for (int i = 0; i < 6; i++)
        script_arg_i64(&args, i);
    script_arg_span(&args, (struct span){text, bytes});
    bool sent = scripts_call(probe->conn, SCRIPT_STATUS, &args, probe_reply, probe);
    free(text);
    return sent;
}

/* How often `command` has run since the last CONFIG RESETSTAT. */
static long calls_of(struct redis_fixture *fx, const char *command)
{
    char wanted[64];

    (void)snprintf(wanted, sizeof wanted, "cmdstat_%s:calls=", command);
    redisReply *reply = fixture_cmd(fx, "INFO commandstats");
    const char *at = strstr(reply->str, wanted);
    long n = at ? strtol(at + strlen(wanted), NULL, 10) : 0;
    freeReplyObject(reply);
    return n;
}

static void test_all_scripts_are_loaded_under_the_sha_we_computed(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    begin(&probe, fx);
    fixture_ok(fx, "SCRIPT FLUSH");
    load_all(&probe);
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        redisReply *reply = fixture_cmd(fx, "SCRIPT EXISTS %s", script_sha((enum script)i));
        assert_int_equal(reply->element[0]->integer, 1);
        freeReplyObject(reply);
    }
    probe_done(&probe);
}

static void test_a_loaded_script_is_called_by_its_sha(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    begin(&probe, fx);
    load_all(&probe);
    fixture_ok(fx, "CONFIG RESETSTAT");
    assert_true(call(&probe, 10));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers + probe.errors, 1);
    assert_int_equal(calls_of(fx, "evalsha"), 1);
    assert_int_equal(calls_of(fx, "eval"), 0);
    probe_done(&probe);
}

static void test_a_forgotten_script_is_sent_again_and_answered_once(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;
    char first[sizeof probe.last];

    begin(&probe, fx);
    load_all(&probe);
    assert_true(call(&probe, 1000));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    (void)snprintf(first, sizeof first, "%s", probe.last);

    fixture_ok(fx, "SCRIPT FLUSH");
    fixture_ok(fx, "CONFIG RESETSTAT");
    for (int i = 0; i < 3; i++)
        assert_true(call(&probe, 1000));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers + probe.errors, 4);
    assert_null(strstr(probe.last, "NOSCRIPT"));
    assert_string_equal(probe.last, first);
    assert_int_equal(probe.nulls, 0);
    assert_int_equal(calls_of(fx, "eval"), 3);

    assert_true(call(&probe, 1000)); /* EVAL has taught it to the server */
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(calls_of(fx, "eval"), 3);
    probe_done(&probe);
}

static void test_a_large_call_goes_out_as_eval_at_once(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    begin(&probe, fx);
    fixture_ok(fx, "SCRIPT FLUSH");
    fixture_ok(fx, "CONFIG RESETSTAT");
    assert_true(call(&probe, (size_t)4 << 20));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers + probe.errors, 1);
    assert_int_equal(calls_of(fx, "evalsha"), 0);
    assert_int_equal(calls_of(fx, "eval"), 1);
    probe_done(&probe);
}

static void test_without_a_connection_nothing_is_sent(void **state)
{
    struct loading loading = {.ok = true};
    struct probe probe;

    (void)state;
    probe_init(&probe, "/nonexistent/redis.sock", 1000);
    assert_false(call(&probe, 10));
    scripts_load(probe.conn, on_loaded, &loading);
    assert_true(loading.is_over);
    assert_false(loading.ok);
    assert_int_equal(probe.nulls, 0);
    probe_done(&probe);
}

static void test_a_connection_that_is_stopped_answers_each_call_with_null(void **state)
{
    struct loading loading = {.ok = true};
    struct redis_fixture *fx = *state;
    struct probe probe;

    begin(&probe, fx);
    fixture_ok(fx, "SCRIPT FLUSH");
    assert_true(call(&probe, 10));
    assert_true(call(&probe, 100000));
    scripts_load(probe.conn, on_loaded, &loading);
    redis_conn_stop(probe.conn);
    assert_int_equal(probe.nulls, 2);
    assert_true(loading.is_over);
    assert_false(loading.ok);
    probe_done(&probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_scripts_are_loaded_under_the_sha_we_computed),
        cmocka_unit_test(test_a_loaded_script_is_called_by_its_sha),
        cmocka_unit_test(test_a_forgotten_script_is_sent_again_and_answered_once),
        cmocka_unit_test(test_a_large_call_goes_out_as_eval_at_once),
        cmocka_unit_test(test_without_a_connection_nothing_is_sent),
        cmocka_unit_test(test_a_connection_that_is_stopped_answers_each_call_with_null),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
