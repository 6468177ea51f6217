/* The state machine of a Redis connection, by exhaustion: each state, each event. */

#include <stdbool.h>

#include "common/conn_state.h"

#include "test.h"

/* What the table must say, told in rules instead of rows; REDIS_CONN_STATE_COUNT: cannot happen. */
static enum redis_conn_state rule(enum redis_conn_state state, enum conn_event event)
{
    bool is_started = state != REDIS_CONN_IDLE;
    bool has_server = state == REDIS_CONN_CONNECTING || state == REDIS_CONN_READY;

    switch (event) {
    case CONN_START: /* once; again changes nothing */
        return is_started ? state : REDIS_CONN_CONNECTING;
    case CONN_GREETED:
        return state == REDIS_CONN_CONNECTING ? REDIS_CONN_READY : REDIS_CONN_STATE_COUNT;
    case CONN_LOST: /* once more while it is closing changes nothing */
        return has_server || state == REDIS_CONN_CLOSING ? REDIS_CONN_CLOSING
                                                         : REDIS_CONN_STATE_COUNT;
    case CONN_CLOSED:
        return state == REDIS_CONN_CLOSING ? REDIS_CONN_WAITING : REDIS_CONN_STATE_COUNT;
    case CONN_RETRY:
        return state == REDIS_CONN_WAITING ? REDIS_CONN_CONNECTING : REDIS_CONN_STATE_COUNT;
    case CONN_STOP: /* from anywhere */
        return REDIS_CONN_IDLE;
    case CONN_COUNT:
        break;
    }
    return REDIS_CONN_STATE_COUNT;
}

static void test_every_event_in_every_state_leads_where_the_rules_say(void **state)
{
    (void)state;
    for (unsigned s = 0; s < REDIS_CONN_STATE_COUNT; s++) {
        for (unsigned e = 0; e < CONN_COUNT; e++) {
            enum redis_conn_state want = rule((enum redis_conn_state)s, (enum conn_event)e);
            enum redis_conn_state next = conn_next((enum redis_conn_state)s, (enum conn_event)e);

            if (next != want)
                fail_msg("state %u event %u: %u instead of %u", s, e, (unsigned)next,
                         (unsigned)want);
        }
    }
}

/* No state is a trap, and a started connection always finds its way to READY. */
static void test_from_every_state_a_connection_can_become_ready_again(void **state)
{
    static const enum conn_event next_event[REDIS_CONN_STATE_COUNT] = {
        [REDIS_CONN_IDLE] = CONN_START,    [REDIS_CONN_CONNECTING] = CONN_GREETED,
        [REDIS_CONN_READY] = CONN_LOST,    [REDIS_CONN_CLOSING] = CONN_CLOSED,
        [REDIS_CONN_WAITING] = CONN_RETRY,
    };

    (void)state;
    for (unsigned s = 0; s < REDIS_CONN_STATE_COUNT; s++) {
        enum redis_conn_state now = (enum redis_conn_state)s;
        unsigned steps = 0;

        do
            now = conn_next(now, next_event[now]);
        while (now != REDIS_CONN_READY && ++steps < REDIS_CONN_STATE_COUNT);
        assert_int_equal(now, REDIS_CONN_READY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state_leads_where_the_rules_say),
        cmocka_unit_test(test_from_every_state_a_connection_can_become_ready_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
