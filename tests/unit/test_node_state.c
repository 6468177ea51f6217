/* One node: every cell of its state machine, and what failures in a row do to it. */

#include "node.h"
#include "test.h"

static void test_every_event_in_every_state_leads_where_the_picture_says(void **state)
{
    (void)state;
    for (enum node_state s = NODE_NEW; s < NODE_STATE_COUNT; s++) {
        for (enum node_event ev = NODE_EV_HEARTBEAT_OK; ev < NODE_EVENT_COUNT; ev++) {
            struct node node = {.state = s};
            enum node_state from = NODE_STATE_COUNT;
            enum node_state want = ev == NODE_EV_HEARTBEAT_OK            ? NODE_UP
                                   : ev == NODE_EV_HEARTBEAT_UNAVAILABLE ? NODE_UNAVAILABLE
                                   : ev == NODE_EV_LOST                  ? NODE_LOST
                                   : s == NODE_LOST                      ? NODE_LOST
                                                                         : NODE_LATE;

            assert_int_equal(node_apply(&node, ev, &from), want != s);
            assert_int_equal(node.state, want);
            assert_int_equal(from, want != s ? s : NODE_STATE_COUNT);
            assert_false(node_apply(&node, ev, &from)); /* every event is idempotent */
            assert_non_null(node_state_name(s));
        }
    }
}

static void test_failures_in_a_row_hold_a_node_longer_and_longer(void **state)
{
    static const int64_t holds_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
    struct node node = {0};

    (void)state;
    for (size_t i = 0; i < sizeof holds_ms / sizeof holds_ms[0]; i++) {
        int64_t now_ms = 100000 + (int64_t)i * NODE_FAIL_MEMORY_MS;
        node_failed(&node, now_ms);
        assert_int_equal(node.hold_until_ms - now_ms, holds_ms[i]);
        assert_int_equal(node_is_failing(&node, now_ms), i + 1 >= NODE_FAILS_DEMOTE);
    }
}

static void test_a_success_or_a_quiet_minute_clears_a_nodes_failures(void **state)
{
    struct node node = {0};

    (void)state;
    node_failed(&node, 1000);
    node_failed(&node, 2000);
    assert_true(node_is_failing(&node, 2000 + NODE_FAIL_MEMORY_MS));
    assert_false(node_is_failing(&node, 2001 + NODE_FAIL_MEMORY_MS));
    node_succeeded(&node);
    assert_false(node_is_failing(&node, 2000));
    assert_int_equal(node.hold_until_ms, 0);

    node_failed(&node, 3000);
    node_failed(&node, 3000 + NODE_FAIL_MEMORY_MS + 1);
    assert_int_equal(node.fails, 1);
}

static void test_model_indexes_are_found_by_bisection(void **state)
{
    const uint32_t index[] = {2, 3, 5, 7, 11};

    (void)state;
    for (uint32_t n = 0; n <= 5; n++) {
        for (uint32_t m = 0; m < 13; m++) {
            bool want = false;
            for (uint32_t i = 0; i < n; i++)
                want = want || index[i] == m;
            assert_int_equal(node_models_has(index, n, m), want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state_leads_where_the_picture_says),
        cmocka_unit_test(test_failures_in_a_row_hold_a_node_longer_and_longer),
        cmocka_unit_test(test_a_success_or_a_quiet_minute_clears_a_nodes_failures),
        cmocka_unit_test(test_model_indexes_are_found_by_bisection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
