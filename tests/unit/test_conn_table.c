/* The state machine of a Redis connection, by exhaustion: each state, each event. The table and its
 * one writer are private to redis_conn.c, so this program contains that file instead of linking it.
 */

#include "../../src/common/io/redis_conn.c"
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
            struct redis_conn conn = {.state = (enum redis_conn_state)s};

            if (next_state[s][e] != want)
                fail_msg("state %u event %u: %u instead of %u", s, e, (unsigned)next_state[s][e],
                         (unsigned)want);
            if (want == REDIS_CONN_STATE_COUNT)
                continue;
            conn_step(&conn, (enum conn_event)e);
            assert_int_equal(conn.state, want);
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
        struct redis_conn conn = {.state = (enum redis_conn_state)s};
        unsigned steps = 0;

        do
            conn_step(&conn, next_event[conn.state]);
        while (conn.state != REDIS_CONN_READY && ++steps < REDIS_CONN_STATE_COUNT);
        assert_int_equal(conn.state, REDIS_CONN_READY);
    }
}

/* Whatever the state, a connection that is not READY sends nothing. */
static void test_only_a_ready_connection_takes_commands(void **state)
{
    static const char *argv[] = {"PING"};
    static const size_t len[] = {4};

    (void)state;
    for (unsigned s = 0; s < REDIS_CONN_STATE_COUNT; s++) {
        struct redis_conn conn = {.state = (enum redis_conn_state)s};

        inflight_init(&conn.inflight);
        assert_false(redis_conn_send(&conn, NULL, NULL, 1, argv, len)); /* READY: no context */
        assert_int_equal(redis_conn_is_ready(&conn), s == REDIS_CONN_READY);
        assert_int_equal(redis_conn_pending(&conn), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state_leads_where_the_rules_say),
        cmocka_unit_test(test_from_every_state_a_connection_can_become_ready_again),
        cmocka_unit_test(test_only_a_ready_connection_takes_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
