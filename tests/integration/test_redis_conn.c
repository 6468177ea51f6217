/* The connection against a real server: it comes, goes, freezes, refuses, and comes back. */

#include <signal.h>
#include <sys/resource.h>

#include "common/redis_conn.h"

#include "conn_probe.h"
#include "redis_fixture.h"

static void test_a_server_that_comes_late_is_found(void **state)
{
    struct redis_fixture *fx = redis_fixture_new(NULL);
    struct probe probe;

    (void)state;
    assert_non_null(fx);
    probe_init(&probe, fx->socket_path, 2000);
    redis_conn_start(probe.conn);
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 200));
    assert_false(probe_send(&probe, "PING", NULL, NULL));

    assert_true(redis_fixture_run(fx));
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "CLIENT", "GETNAME", NULL));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_string_equal(probe.last, "probe");
    assert_int_equal(probe.ready, 1);
    assert_int_equal(probe.lost, 0);
    probe_done(&probe);
    redis_fixture_free(fx);
}

static bool server_has_a_blocked_client(void *arg)
{
    redisReply *reply = fixture_cmd(arg, "INFO clients");
    bool is_so = strstr(reply->str, "blocked_clients:1") != NULL;

    freeReplyObject(reply);
    return is_so;
}

static void test_a_killed_server_answers_each_command_once_with_null(void **state)
{
    struct redis_fixture *fx = redis_fixture_new(NULL);
    struct probe probe;

    (void)state;
    assert_true(fx && redis_fixture_run(fx));
    probe_init(&probe, fx->socket_path, 5000);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    for (int i = 0; i < 3; i++)
        assert_true(probe_send(&probe, "BLPOP", "nothing", "0"));
    assert_int_equal(redis_conn_pending(probe.conn), 3);
    assert_true(redis_conn_pending_bytes(probe.conn) > 3 * strlen("BLPOPnothing0"));

    assert_true(wait_until(probe.base, server_has_a_blocked_client, fx, 2000));
    redis_fixture_kill(fx);
    assert_true(wait_until(probe.base, probe_is_lost, &probe, 2000));
    assert_int_equal(probe.nulls, 3);
    assert_int_equal(probe.nulls_at_lost, 3);
    assert_false(probe.ready_inside);
    assert_int_equal(redis_conn_pending_bytes(probe.conn), 0);

    assert_true(redis_fixture_run(fx));
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 2);
    assert_int_equal(probe.lost, 1);
    assert_int_equal(probe.nulls, 3);
    probe_done(&probe);
    redis_fixture_free(fx);
}

static void test_a_frozen_server_is_given_up_after_the_command_timeout(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 300);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);

    redis_fixture_freeze(fx);
    assert_true(probe_send(&probe, "PING", NULL, NULL));
    double begin_s = wait_now_s();
    assert_true(wait_until(probe.base, probe_is_lost, &probe, 2000));
    assert_true(wait_now_s() - begin_s > 0.25);
    assert_int_equal(probe.nulls, 1);
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 200));

    redis_fixture_thaw(fx);
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 2);
    probe_done(&probe);
}

static bool is_twice_answered(void *arg)
{
    return ((struct probe *)arg)->answers >= 2;
}

/* The deadline belongs to the oldest command, and an idle connection has none. */
static void test_idle_time_and_answered_commands_do_not_count(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 500);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    for (int i = 0; i < 4; i++) {
        probe.answers = 0;
        assert_true(probe_send(&probe, "PING", NULL, NULL));
        assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
        assert_false(wait_until(probe.base, is_twice_answered, &probe, 400));
    }
    assert_int_equal(probe.lost, 0);
    probe_done(&probe);
}

/* What a read that blocks has to say stays in the socket, and a new connection is not held. */
static void test_a_held_connection_tells_what_came_when_it_is_released(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 5000);
    redis_conn_hold(probe.conn); /* not READY: nothing */
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "BLPOP", "held", "0"));
    assert_true(wait_until(probe.base, server_has_a_blocked_client, fx, 2000));
    redis_conn_hold(probe.conn);
    fixture_ok(fx, "LPUSH held 1");
    assert_false(wait_until(probe.base, probe_is_answered, &probe, 200));
    redis_conn_release(probe.conn);
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers, 1);

    assert_true(probe_send(&probe, "BLPOP", "held", "0"));
    assert_true(wait_until(probe.base, server_has_a_blocked_client, fx, 2000));
    redis_conn_hold(probe.conn);
    redis_conn_reset(probe.conn);
    assert_true(wait_until(probe.base, probe_is_lost, &probe, 2000));
    redis_conn_release(probe.conn);
    probe_wait_ready(&probe);
    probe_done(&probe);
}

static void test_a_password_is_refused_until_it_is_the_right_one(void **state)
{
    static const char *const args[] = {"--requirepass", "sesame", NULL};
    struct redis_fixture *fx = redis_fixture_new(args);
    struct probe probe;

    (void)state;
    assert_true(fx && redis_fixture_run(fx));
    probe_init(&probe, fx->socket_path, 2000);
    redis_conn_start(probe.conn);
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 300)); /* NOAUTH */
    (void)strcpy(probe.url.password, "wrong");
    assert_false(wait_until(probe.base, probe_is_ready, &probe, 300)); /* WRONGPASS */
    (void)strcpy(probe.url.password, "sesame");
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 1);
    assert_int_equal(probe.lost, 0);

    redis_conn_stop(probe.conn);
    (void)strcpy(probe.url.user, "default");
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    probe_done(&probe);
    redis_fixture_free(fx);
}

static void test_the_database_of_the_url_is_selected(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 2000);
    probe.url.db = 3;
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "CLIENT", "INFO", NULL));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_non_null(strstr(probe.last, "name=probe"));

    assert_true(probe_send(&probe, "SET", "here", "3"));
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    fixture_ok(fx, "SELECT 3");
    redisReply *reply = fixture_cmd(fx, "GET here");
    assert_string_equal(reply->str, "3");
    freeReplyObject(reply);
    fixture_ok(fx, "SELECT 0");
    probe_done(&probe);
}

static void test_stopping_answers_pending_commands_with_null_before_it_returns(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 5000);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    assert_true(probe_send(&probe, "BLPOP", "nothing", "0"));
    assert_true(probe_send(&probe, "PING", NULL, NULL));
    redis_conn_stop(probe.conn);
    assert_int_equal(probe.nulls, 2);
    assert_int_equal(probe.lost, 0);
    assert_false(redis_conn_is_ready(probe.conn));

    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 2);
    probe_done(&probe);
}

static void stop_in_callback(const struct redisReply *reply, void *arg)
{
    struct probe *probe = arg;

    if (reply)
        redis_conn_stop(probe->conn);
    probe_reply(reply, arg);
}

static void restart_in_callback(const struct redisReply *reply, void *arg)
{
    struct probe *probe = arg;

    redis_conn_stop(probe->conn);
    redis_conn_start(probe->conn);
    probe_reply(reply, arg);
}

static void send_with(struct probe *probe, redis_conn_callback *callback)
{
    const char *argv[] = {"PING"};
    const size_t len[] = {4};

    assert_true(redis_conn_send(probe->conn, callback, probe, 1, argv, len));
}

static void test_stopping_and_restarting_inside_a_reply_callback_is_safe(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 5000);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    send_with(&probe, stop_in_callback);
    send_with(&probe, probe_reply);
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    assert_int_equal(probe.answers, 1);
    assert_int_equal(probe.nulls, 1);

    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    send_with(&probe, restart_in_callback);
    send_with(&probe, restart_in_callback); /* this one is called with NULL, in the middle of it */
    assert_true(wait_until(probe.base, probe_is_answered, &probe, 2000));
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 3);
    assert_int_equal(probe.lost, 0);
    probe_done(&probe);
}

static void test_a_reset_reconnects_after_the_answers_have_come(void **state)
{
    struct redis_fixture *fx = *state;
    struct probe probe;

    probe_init(&probe, fx->socket_path, 5000);
    redis_conn_start(probe.conn);
    probe_wait_ready(&probe);
    send_with(&probe, probe_reply);
    redis_conn_reset(probe.conn);
    assert_false(probe_send(&probe, "PING", NULL, NULL));
    assert_true(wait_until(probe.base, probe_is_lost, &probe, 2000));
    assert_int_equal(probe.answers + probe.nulls, 1);
    probe_wait_ready(&probe);
    assert_int_equal(probe.ready, 2);
    probe_done(&probe);
}

static double cpu_s(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void end_wait(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

static void test_waiting_for_a_dead_server_takes_under_one_percent_of_a_core(void **state)
{
    const struct timeval two_s = {.tv_sec = 2};
    struct probe probe;
    bool over = false;

    (void)state;
    probe_init(&probe, "/nonexistent/redis.sock", 5000);
    struct event *end = evtimer_new(probe.base, end_wait, &over);
    assert_int_equal(event_add(end, &two_s), 0);
    redis_conn_start(probe.conn);

    double begin_s = cpu_s();
    while (!over) { /* without the polling of wait_until() */
        clock_next_iteration();
        assert_int_equal(event_base_loop(probe.base, EVLOOP_ONCE), 0);
    }
    double used_s = cpu_s() - begin_s;
    if (used_s >= 0.02)
        fail_msg("%.3f s of CPU in 2 s", used_s);
    event_free(end);
    probe_done(&probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_comes_late_is_found),
        cmocka_unit_test(test_a_killed_server_answers_each_command_once_with_null),
        cmocka_unit_test(test_a_frozen_server_is_given_up_after_the_command_timeout),
        cmocka_unit_test(test_idle_time_and_answered_commands_do_not_count),
        cmocka_unit_test(test_a_held_connection_tells_what_came_when_it_is_released),
        cmocka_unit_test(test_a_password_is_refused_until_it_is_the_right_one),
        cmocka_unit_test(test_the_database_of_the_url_is_selected),
        cmocka_unit_test(test_stopping_answers_pending_commands_with_null_before_it_returns),
        cmocka_unit_test(test_stopping_and_restarting_inside_a_reply_callback_is_safe),
        cmocka_unit_test(test_a_reset_reconnects_after_the_answers_have_come),
        cmocka_unit_test(test_waiting_for_a_dead_server_takes_under_one_percent_of_a_core),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
