/* The routing policy: what it decides at each event. */

#include "policy_fixture.h"

static void a_request_goes_to_a_free_node_with_its_model(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 1);
    fix_up(&f, 1, 0);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_HOLDER);
    assert_int_equal(d.node, 1);
    /* 100 prompt tokens at 20/s, 100 output tokens at 5/s */
    assert_true(d.cost.service_s > 24.999 && d.cost.service_s < 25.001);
    assert_int_equal(fix_next(&f).act, POLICY_NOTHING);
    fix_free(&f);
}

static void a_busy_holder_is_waited_for_rather_than_loading_elsewhere(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 1);
    f.installed[1][0].load_ms = 40000;
    fix_hear(&f, 1);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 0);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    assert_int_equal(d.reason, POLICY_FOR_HOLDER);
    f.now_ms += 25000;
    fix_done(&f, 0, 0, 0, 25000);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_PULL);
    assert_int_equal(d.node, 0);
    fix_free(&f);
}

static void a_model_that_nobody_holds_is_loaded_at_once(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 1, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    assert_true(d.cost.load_s > 9.0);
    fix_free(&f);
}

static void every_kind_places_a_request_and_leaves_what_has_no_credit(void **state)
{
    (void)state;
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        struct fix f;

        fix_make(&f);
        f.settings.kind = (enum policy_kind)kind;
        policy_settings_set(f.policy, &f.settings);
        fix_up(&f, 0, 0);
        fix_up(&f, 1, 0);
        for (int i = 0; i < 3; i++)
            (void)fix_ask(&f, 0, (uint64_t)i + 1);
        unsigned moves = 0;
        for (struct policy_decision d; (d = fix_next(&f)).act != POLICY_NOTHING;)
            moves += d.act == POLICY_MOVE;
        assert_int_equal(moves, 2);
        fix_done(&f, 1, 0, 1, 20000);
        while ((moves = fix_next(&f).act) == POLICY_KEEP) {
        }
        assert_int_equal(moves, POLICY_MOVE);
        fix_free(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_to_a_free_node_with_its_model),
        cmocka_unit_test(a_busy_holder_is_waited_for_rather_than_loading_elsewhere),
        cmocka_unit_test(a_model_that_nobody_holds_is_loaded_at_once),
        cmocka_unit_test(every_kind_places_a_request_and_leaves_what_has_no_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
