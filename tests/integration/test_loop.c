/* The loop with real signals, sent to ourselves. */

#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/loop.h"

#include "test.h"

struct seen {
    struct loop *loop;
    unsigned ticks, stops, reloads;
    int64_t first_ms, last_ms;
    bool quits_on_stop, kills_twice;
};

static void on_tick(void *arg)
{
    struct seen *seen = arg;

    seen->last_ms = clock_now_ms();
    if (seen->ticks++ == 0)
        seen->first_ms = seen->last_ms;
    if (seen->ticks == 5) {
        (void)raise(SIGHUP);
        (void)raise(SIGTERM);
    }
    if (seen->ticks == 8 && seen->kills_twice)
        (void)raise(SIGINT);
    if (seen->ticks == 200)
        fail_msg("the loop did not end");
}

static void on_stop(void *arg)
{
    struct seen *seen = arg;

    seen->stops++;
    if (seen->quits_on_stop)
        loop_quit(seen->loop);
}

static void on_reload(void *arg)
{
    ((struct seen *)arg)->reloads++;
}

static int run(struct seen *seen)
{
    const struct loop_handlers handlers = {
        .on_tick = on_tick, .on_stop = on_stop, .on_reload = on_reload, .arg = seen};

    seen->loop = loop_new(&handlers, 10);
    int status = loop_run(seen->loop);
    loop_free(seen->loop);
    return status;
}

static void test_a_signal_stops_in_order_and_the_clock_moves_with_each_turn(void **state)
{
    struct seen seen = {.quits_on_stop = true};

    (void)state;
    assert_int_equal(run(&seen), 0);
    assert_int_equal(seen.stops, 1);
    assert_int_equal(seen.reloads, 1);
    assert_in_range(seen.ticks, 5, 6);
    assert_true(seen.last_ms - seen.first_ms >= 30);
}

static void test_a_second_signal_ends_the_loop_at_once(void **state)
{
    struct seen seen = {.kills_twice = true};

    (void)state;
    assert_int_equal(run(&seen), 1);
    assert_int_equal(seen.stops, 1);
    assert_in_range(seen.ticks, 8, 9);
}

/* Idle until the alarm rings, then busy for five ticks. */
struct sleeper {
    struct loop *loop;
    bool is_awake;
    unsigned ticks_asleep, ticks_awake;
};

static void on_sleeper_tick(void *arg)
{
    struct sleeper *sleeper = arg;

    if (!sleeper->is_awake) {
        sleeper->ticks_asleep++;
    } else if (++sleeper->ticks_awake == 5) {
        loop_quit(sleeper->loop);
    }
}

static int64_t sleeper_next_ms(void *arg)
{
    return ((struct sleeper *)arg)->is_awake ? 0 : 3600000;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ((struct sleeper *)arg)->is_awake = true;
}

static void test_an_idle_daemon_sleeps_through_its_ticks_until_something_happens(void **state)
{
    const struct timeval soon = loop_tv(5), later = loop_tv(100);
    struct sleeper sleeper = {0}, nobody = {0};
    const struct loop_handlers handlers = {
        .on_tick = on_sleeper_tick, .next_ms = sleeper_next_ms, .arg = &sleeper};

    (void)state;
    sleeper.loop = loop_new(&handlers, 10);
    /* The first event makes the loop ask, the second one wakes the sleeper. */
    struct event *first = evtimer_new(loop_base(sleeper.loop), on_alarm, &nobody);
    struct event *alarm = evtimer_new(loop_base(sleeper.loop), on_alarm, &sleeper);
    (void)evtimer_add(first, &soon);
    (void)evtimer_add(alarm, &later);
    assert_int_equal(loop_run(sleeper.loop), 0);
    assert_in_range(sleeper.ticks_asleep, 0, 1); /* one, if it came before the loop could ask */
    assert_int_equal(sleeper.ticks_awake, 5);
    event_free(first);
    event_free(alarm);
    loop_free(sleeper.loop);
}

/* Something is as good as due when the alarm rings: the tick comes at once and once, though the
 * next one is an hour away. */
struct hasty {
    struct loop *loop;
    bool is_due;
    unsigned ticks, asked;
};

static void on_hasty_tick(void *arg)
{
    struct hasty *hasty = arg;

    hasty->is_due = false;
    hasty->ticks++;
}

static int64_t hasty_next_ms(void *arg)
{
    struct hasty *hasty = arg;

    hasty->asked++;
    if (hasty->ticks > 0)
        loop_quit(hasty->loop);
    return hasty->is_due ? LOOP_NOW : 3600000;
}

static void on_hasty_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ((struct hasty *)arg)->is_due = true;
}

static void on_too_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_quit(((struct hasty *)arg)->loop);
}

static void test_a_tick_that_is_as_good_as_due_comes_at_once(void **state)
{
    const struct timeval soon = loop_tv(5), too_late = loop_tv(20000);
    struct hasty hasty = {0};
    const struct loop_handlers handlers = {
        .on_tick = on_hasty_tick, .next_ms = hasty_next_ms, .arg = &hasty};

    (void)state;
    hasty.loop = loop_new(&handlers, 3600000);
    struct event *alarm = evtimer_new(loop_base(hasty.loop), on_hasty_alarm, &hasty);
    struct event *end = evtimer_new(loop_base(hasty.loop), on_too_late, &hasty);
    (void)evtimer_add(alarm, &soon);
    (void)evtimer_add(end, &too_late);
    assert_int_equal(loop_run(hasty.loop), 0);
    assert_int_equal(hasty.ticks, 1);
    assert_int_equal(hasty.asked, 2); /* after the alarm, after the tick */
    event_free(alarm);
    event_free(end);
    loop_free(hasty.loop);
}

static void test_a_pipe_without_a_reader_does_not_kill(void **state)
{
    struct loop_handlers handlers = {0};
    struct loop *loop = loop_new(&handlers, 1000);

    (void)state;
    assert_int_equal(raise(SIGPIPE), 0);
    loop_quit(loop);
    assert_int_equal(loop_run(loop), 0);
    loop_free(loop);
}

static void test_milliseconds_become_a_timeval(void **state)
{
    (void)state;
    assert_int_equal(loop_tv(12345).tv_sec, 12);
    assert_int_equal(loop_tv(12345).tv_usec, 345000);
    assert_int_equal(loop_tv(0).tv_sec, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signal_stops_in_order_and_the_clock_moves_with_each_turn),
        cmocka_unit_test(test_a_second_signal_ends_the_loop_at_once),
        cmocka_unit_test(test_an_idle_daemon_sleeps_through_its_ticks_until_something_happens),
        cmocka_unit_test(test_a_tick_that_is_as_good_as_due_comes_at_once),
        cmocka_unit_test(test_a_pipe_without_a_reader_does_not_kill),
        cmocka_unit_test(test_milliseconds_become_a_timeval),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
