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
    assert_true(d.cost.load_s > 4.9 && d.cost.load_s < 5.1); /* half of 10 s: test_policy_wait.c */
    fix_free(&f);
}

/* --- what is known -----------------------------------------------------------------------------
 */

static void a_wrong_prior_does_not_matter_after_five_answers(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    for (uint32_t n = 0; n <= 6; n++) {
        struct policy_installed *m = &f.installed[0][0];
        m->bytes = INT64_C(8000000000); /* says: slow; in truth it is fast */
        m->n = n;
        m->gen_tps_milli = n ? 40000 : 0;
        m->prompt_tps_milli = n ? 400000 : 0;
        m->load_ms = n ? 1500 : 0;
        fix_hear(&f, 0);
        struct policy_pair_view view = policy_pair_view(f.policy, 0, f.model[0]);
        if (n == 0)
            assert_true(view.gen_tps < 1.3 && view.prompt_tps < 5.0);
        if (n >= 5)
            assert_true(view.gen_tps == 40.0 && view.prompt_tps == 400.0);
    }
    f.installed[0][0].is_resident = false;
    f.now_ms += 10000;
    fix_hear(&f, 0);
    assert_true(policy_pair_view(f.policy, 0, f.model[0]).load_s == 1.5);
    fix_free(&f);
}

static void before_any_answer_the_board_and_the_file_say_how_fast_it_is(void **state)
{
    static const struct {
        enum policy_board board;
        double gen_tps, prompt_tps, load_s; /* of a file of 2 GB */
    } rows[] = {
        {POLICY_BOARD_PI5, 4.75, 18.6, 24.33},
        {POLICY_BOARD_PI4, 1.65, 2.945, 49.62},
        {POLICY_BOARD_OTHER, 4.75, 18.6, 24.33},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        fix_make(&f);
        fix_node(&f, 0);
        f.heard[0].board = rows[i].board;
        f.installed[0][1].n = 0;
        f.installed[0][1].gen_tps_milli = f.installed[0][1].prompt_tps_milli = 0;
        f.installed[0][1].load_ms = 0;
        f.heard[0].installed = &f.installed[0][1];
        f.heard[0].installed_n = 1;
        fix_hear(&f, 0);
        struct policy_pair_view view = policy_pair_view(f.policy, 0, f.model[1]);
        assert_true(view.gen_tps > rows[i].gen_tps * 0.999 &&
                    view.gen_tps < rows[i].gen_tps * 1.001);
        assert_true(view.prompt_tps > rows[i].prompt_tps * 0.99 &&
                    view.prompt_tps < rows[i].prompt_tps * 1.01);
        assert_true(view.load_s > rows[i].load_s * 0.99 && view.load_s < rows[i].load_s * 1.01);
        fix_free(&f);
    }
}

/* Node `node` has model 1 (2 GB) with `n` answers of these figures; 0 = not measured. */
static struct policy_pair_view believed(struct fix *f, uint32_t node, enum policy_board board,
                                        struct policy_installed measured)
{
    struct policy_installed *m = &f->installed[node][1];

    if (f->heard[node].installed_n == 0)
        fix_node(f, node);
    f->heard[node].board = board;
    f->heard[node].installed = m;
    f->heard[node].installed_n = 1;
    m->n = measured.n;
    m->gen_tps_milli = measured.gen_tps_milli;
    m->prompt_tps_milli = measured.prompt_tps_milli;
    m->load_ms = measured.load_ms;
    f->now_ms += 5000;
    fix_hear(f, node);
    return policy_pair_view(f->policy, node, f->model[1]);
}

static bool is_about(double value, double expected)
{
    return value > expected * 0.99 && value < expected * 1.01;
}

/* The prior of a Pi 5 is 4.75 and 18.6 tokens/s and 24.33 s, that of a Pi 4 1.65, 2.945 and 49.62.
 */
static void a_node_without_answers_is_believed_to_be_as_fast_as_its_siblings(void **state)
{
    static const struct {
        const char *what;
        enum policy_board board;
        struct policy_installed own;
        double gen_tps, prompt_tps, load_s;
    } rows[] = {
        {"a sibling with no answers", POLICY_BOARD_PI5, {.n = 0}, 9.5, 37.2, 12.165},
        {"another board", POLICY_BOARD_PI4, {.n = 0}, 1.65, 2.945, 49.62},
        {"one answer: a fifth is what it measured, the rest 1.9 and 0.55 priors",
         POLICY_BOARD_PI5,
         {.n = 1, .gen_tps_milli = 4750, .prompt_tps_milli = 18600, .load_ms = 24330},
         8.17,
         31.99,
         15.57},
        {"five: its own alone",
         POLICY_BOARD_PI4,
         {.n = 5, .gen_tps_milli = 1000, .prompt_tps_milli = 2000, .load_ms = 60000},
         1.0,
         2.0,
         60.0},
    };
    const struct policy_installed twice = {
        .n = 100, .gen_tps_milli = 9500, .prompt_tps_milli = 37200, .load_ms = 12165};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        fix_make(&f);
        (void)believed(&f, 0, POLICY_BOARD_PI5, twice);
        struct policy_pair_view view = believed(&f, 1, rows[i].board, rows[i].own);
        if (!is_about(view.gen_tps, rows[i].gen_tps) ||
            !is_about(view.prompt_tps, rows[i].prompt_tps) ||
            !is_about(view.load_s, rows[i].load_s))
            fail_msg("%s: %f %f %f", rows[i].what, view.gen_tps, view.prompt_tps, view.load_s);
        fix_free(&f);
    }
}

static void a_broken_figure_of_one_node_does_not_stick_to_its_siblings(void **state)
{
    const struct policy_installed broken = {.n = 9, .gen_tps_milli = INT64_C(1000000000000)};
    const struct policy_installed honest = {.n = 9, .gen_tps_milli = 4750};
    struct fix f;

    (void)state;
    fix_make(&f);
    (void)believed(&f, 0, POLICY_BOARD_PI5, broken);
    struct policy_pair_view view =
        believed(&f, 1, POLICY_BOARD_PI5, (struct policy_installed){.n = 0});
    assert_true(view.gen_tps < 50.1 * 4.75);
    for (int i = 0; i < 90; i++)
        (void)believed(&f, 2, POLICY_BOARD_PI5, honest);
    view = believed(&f, 1, POLICY_BOARD_PI5, (struct policy_installed){.n = 0});
    assert_true(is_about(view.gen_tps, 4.75));
    fix_free(&f);
}

/* Siblings measure 4.75 and 18.6 tokens/s; the last node heard something else. */
static void a_small_difference_from_siblings_is_noise_a_large_one_is_believed(void **state)
{
    static const struct {
        const char *what;
        uint32_t nodes;
        enum policy_board board;
        double factor; /* of the siblings' figures, measured by the last */
        double least, most;
    } rows[] = {
        {"a tenth faster: mostly luck", 8, POLICY_BOARD_PI5, 1.1, 1.0, 1.04},
        {"a tenth slower: mostly bad luck", 8, POLICY_BOARD_PI5, 0.9, 0.96, 1.0},
        {"the more siblings, the more so", 16, POLICY_BOARD_PI5, 1.1, 1.0, 1.03},
        {"half as fast: its clock is capped", 8, POLICY_BOARD_PI5, 0.5, 0.49, 0.6},
        {"three times as fast", 8, POLICY_BOARD_PI5, 3.0, 2.9, 3.01},
        {"four nodes: each for itself", 4, POLICY_BOARD_PI5, 1.1, 1.0999, 1.1001},
        {"boards of no kind that is known", 8, POLICY_BOARD_OTHER, 1.1, 1.0999, 1.1001},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy_installed m = {.n = 9, .gen_tps_milli = 4750, .prompt_tps_milli = 18600};
        struct fix f;

        fix_make(&f);
        for (uint32_t node = 0; node + 1 < rows[i].nodes; node++)
            (void)believed(&f, node, rows[i].board, m);
        m.gen_tps_milli = (int64_t)(4750 * rows[i].factor);
        m.prompt_tps_milli = (int64_t)(18600 * rows[i].factor);
        struct policy_pair_view view = believed(&f, rows[i].nodes - 1, rows[i].board, m);
        if (view.gen_tps < 4.75 * rows[i].least || view.gen_tps > 4.75 * rows[i].most ||
            view.prompt_tps < 18.6 * rows[i].least || view.prompt_tps > 18.6 * rows[i].most)
            fail_msg("%s: %f %f", rows[i].what, view.gen_tps, view.prompt_tps);
        fix_free(&f);
    }
}

/* --- homes --------------------------------------------------------------------------------------
 */

static void a_conversation_goes_back_to_the_node_that_has_it(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < 4; i++)
        fix_up(&f, i, 0);
    (void)fix_ask(&f, 0, 77);
    uint32_t home = fix_next(&f).node;
    f.now_ms += 20000;
    fix_done(&f, home, 0, 77, 20000);
    (void)fix_next(&f);
    (void)fix_ask_entry(&f, 0,
                        (struct window_entry){
                            .session_hash = 77, .prompt_tokens = 300, .priority = REQUEST_NORMAL});
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.node, home);
    assert_int_equal(d.reason, POLICY_BY_HOME);
    assert_true(d.cost.saved_s > 9.9 && d.cost.saved_s < 10.1); /* 200 tokens at 20/s */
    fix_free(&f);
}

static void a_busy_home_is_waited_for_if_that_is_sooner(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask_entry(&f, 0,
                        (struct window_entry){
                            .session_hash = 77, .prompt_tokens = 2000, .priority = REQUEST_NORMAL});
    assert_int_equal(fix_next(&f).node, 0);
    fix_up(&f, 1, 0);
    f.now_ms += 115000; /* 120 s were promised */
    (void)fix_ask_entry(&f, 0,
                        (struct window_entry){
                            .session_hash = 77, .prompt_tokens = 2200, .priority = REQUEST_NORMAL});
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    assert_int_equal(d.reason, POLICY_FOR_HOME);
    assert_int_equal(d.node, 0);
    fix_done(&f, 0, 0, 77, 115000);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.node, 0);
    fix_free(&f);
}

static void a_router_that_has_just_started_knows_homes_from_the_heartbeat(void **state)
{
    const uint64_t sessions[] = {77, 88};
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    f.heard[1].sessions = sessions;
    f.heard[1].sessions_n = 2;
    fix_hear(&f, 1);
    (void)fix_ask(&f, 0, 88);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.node, 1);
    assert_int_equal(d.reason, POLICY_BY_HOME);
    fix_free(&f);
}

/* --- heat ----------------------------------------------------------------------------------------
 */

static void a_hot_node_costs_more_and_rests_until_it_has_cooled_down(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    f.now_ms += 5000;
    f.heard[0].temp_mc = 72000; /* it would be 82 C if it were busy */
    fix_hear(&f, 0);
    assert_true(policy_node_view(f.policy, 0).is_resting);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 1);
    f.now_ms += 5000;
    f.heard[0].temp_mc = 66000; /* 76 C: not cool enough yet */
    fix_hear(&f, 0);
    assert_true(policy_node_view(f.policy, 0).is_resting);
    f.now_ms += 5000;
    f.heard[0].temp_mc = 62000;
    fix_hear(&f, 0);
    assert_false(policy_node_view(f.policy, 0).is_resting);
    assert_int_equal(policy_node_view(f.policy, 0).rests, 1);
    f.now_ms += 5000;
    f.heard[0].throttled = 1; /* the firmware says so, whatever the model says */
    fix_hear(&f, 0);
    assert_true(policy_node_view(f.policy, 0).is_resting);
    fix_free(&f);
}

static void heat_is_learnt_from_how_a_busy_node_warms_up(void **state)
{
    struct fix f;
    double temp_c = 50.0;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 0);
    (void)fix_next(&f);
    for (int i = 0; i < 60; i++) { /* towards 79 C with a time constant of 100 s */
        f.now_ms += 5000;
        temp_c += (79.0 - temp_c) * 0.0488;
        f.heard[0].temp_mc = (int32_t)(temp_c * 1000.0);
        fix_hear(&f, 0);
    }
    struct policy_node_view view = policy_node_view(f.policy, 0);
    assert_true(view.heat_tss_c > 76.0 && view.heat_tss_c < 82.0);
    assert_true(view.heat_tau_s > 60.0 && view.heat_tau_s < 160.0);
    fix_free(&f);
}

/* --- what an operator wants
 * ------------------------------------------------------------------------ */

static void pins_and_avoids_hold_for_requests_and_for_preloads(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < 3; i++)
        fix_up(&f, i, i == 0 ? 0 : -1);
    f.installed[0][0].place = POLICY_PLACE_AVOID;
    f.installed[1][0].place = 2;
    f.installed[2][0].place = 1;
    for (uint32_t i = 0; i < 3; i++)
        fix_hear(&f, i);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 2);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    while (d.act == POLICY_KEEP) {
        f.now_ms += 2000;
        d = fix_next(&f);
    }
    assert_int_equal(d.node, 1);
    fix_free(&f);
}

/* --- failures and losses
 * ----------------------------------------------------------------------------- */

static void a_node_that_failed_a_request_does_not_get_it_again_unless_all_have(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    f.heard[0].id_hash = span_hash(span_str("pi-1"));
    struct window_entry entry = {
        .tried = span_str("pi-9,a"), .attempt = 2, .priority = REQUEST_NORMAL};
    policy_forget(f.policy, 0, f.now_ms);
    policy_forget(f.policy, 1, f.now_ms);
    for (uint32_t i = 0; i < 2; i++) {
        f.heard[i].id_hash = span_hash(span_str(i == 0 ? "a" : "b"));
        fix_hear(&f, i);
        policy_verdict(f.policy, i, POLICY_MAY_WORK, false, f.now_ms);
    }
    (void)fix_next(&f);
    (void)fix_ask_entry(&f, 0, entry);
    assert_int_equal(fix_next(&f).node, 1);
    fix_done(&f, 1, 0, 0, 1000);
    (void)fix_next(&f);
    entry.tried = span_str("b,a");
    (void)fix_ask_entry(&f, 0, entry);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_true(d.again);
    fix_free(&f);
}

static void a_failing_node_comes_last_and_a_lost_one_not_at_all(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    policy_verdict(f.policy, 0, POLICY_MAY_WORK, true, f.now_ms);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 1);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 0);
    policy_verdict(f.policy, 1, POLICY_LOST, false, f.now_ms);
    policy_lost(f.policy, 1, f.now_ms);
    assert_int_equal(policy_node_view(f.policy, 1).resident_n, 0);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).act, POLICY_KEEP);
    fix_free(&f);
}

static void a_refused_move_leaves_the_request_waiting_and_the_slot_free(void **state)
{
    struct fix f;
    struct policy_decision d;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 0);
    assert_true(policy_next(f.policy, f.now_ms, &d) && d.act == POLICY_MOVE);
    window_take(&f.window, d.request);
    window_put_back(&f.window, d.request);
    policy_refused(f.policy, d.request, d.node, f.now_ms);
    assert_int_equal(policy_node_view(f.policy, 0).in_flight, 0);
    assert_int_equal(fix_next(&f).act, POLICY_MOVE);
    fix_free(&f);
}

/* --- credit, classes, starvation
 * ---------------------------------------------------------------------- */

static void a_node_gets_as_many_as_its_credit_and_no_more(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_node(&f, 0);
    f.installed[0][0].is_resident = true;
    f.heard[0].slots = 2;
    f.heard[0].credit = 3;
    fix_hear(&f, 0);
    policy_verdict(f.policy, 0, POLICY_MAY_WORK, false, f.now_ms);
    unsigned moves = 0;
    for (int i = 0; i < 6; i++)
        (void)fix_ask(&f, 0, 0);
    for (struct policy_decision d; (d = fix_next(&f)).act != POLICY_NOTHING;)
        moves += d.act == POLICY_MOVE;
    assert_int_equal(moves, 3);
    policy_load(f.policy, 0, 3, true, f.now_ms);
    assert_int_equal(fix_next(&f).act, POLICY_NOTHING);
    policy_load(f.policy, 0, 1, false, f.now_ms);
    assert_int_equal(fix_next(&f).act, POLICY_MOVE);
    fix_free(&f);
}

static void the_higher_class_is_served_first_whatever_is_shorter(void **state)
{
    struct fix f;
    struct policy_decision d;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 0);
    (void)fix_next(&f);
    (void)fix_ask_entry(&f, 0,
                        (struct window_entry){.priority = REQUEST_NORMAL, .prompt_tokens = 1});
    f.now_ms += 5000;
    uint32_t high =
        fix_ask_entry(&f, 0, (struct window_entry){.priority = REQUEST_HIGH, .prompt_tokens = 900});
    while (fix_next(&f).act == POLICY_KEEP)
        continue;
    fix_done(&f, 0, 0, 0, 5000);
    do
        d = fix_next(&f);
    while (d.act == POLICY_KEEP);
    assert_int_equal(d.request, high);
    fix_free(&f);
}

/* The queue is long enough for a load only with the third request; the second was there first. */
static void a_load_serves_the_request_whose_turn_it_is(void **state)
{
    struct fix f;
    struct policy_decision d;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 1);
    f.installed[1][0].load_ms = 25000;
    fix_hear(&f, 1);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 0);
    uint32_t second = fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).act, POLICY_KEEP);
    for (int i = 0; i < 6; i++) {
        (void)fix_ask(&f, 0, 0);
        if ((d = fix_next(&f)).act == POLICY_MOVE)
            break;
    }
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.node, 1);
    assert_int_equal(d.request, second);
    fix_free(&f);
}

/* Hits for the resident model come without end; the other model's request is served all the same.
 */
static void nobody_waits_for_ever(void **state)
{
    struct fix f;
    int64_t began_ms;
    bool served = false;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    for (int i = 0; i < 10; i++)
        (void)fix_ask(&f, 0, 0);
    while (fix_next(&f).act != POLICY_NOTHING)
        continue;
    (void)fix_ask(&f, 1, 0);
    began_ms = f.now_ms;
    while (!served && f.now_ms < began_ms + 3600000) {
        f.now_ms += 10000;
        fix_done(&f, 0, 0, 0, 10000);
        (void)fix_ask(&f, 0, 0);
        for (struct policy_decision d; (d = fix_next(&f)).act != POLICY_NOTHING;)
            served = served || (d.act == POLICY_MOVE && d.model == f.model[1]);
    }
    assert_true(served);
    assert_true(f.now_ms - began_ms < 900000);
    fix_free(&f);
}

/* The only holder of model 1 has hung: by its promise it is always about to come free, so a load
 * elsewhere never pays. The bound of docs/routing.md: 12 (load + mean service) + 30 s. */
static void a_request_whose_holder_never_comes_free_is_served_elsewhere_in_the_end(void **state)
{
    const int64_t bound_ms = 12 * (60000 + 29000) + 30000; /* 29 s: before any answer */
    struct fix f;
    int64_t began_ms;
    bool served = false;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 1);
    f.installed[0][1].load_ms = 60000;
    fix_hear(&f, 0);
    (void)fix_ask(&f, 1, 0);
    assert_int_equal(fix_next(&f).node, 1);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).node, 0);
    began_ms = f.now_ms;
    (void)fix_ask(&f, 1, 0);
    while (!served && f.now_ms < began_ms + 3600000) {
        f.now_ms += 10000;
        (void)fix_ask(&f, 0, 0);
        fix_done(&f, 0, 0, 0, 10000);
        for (struct policy_decision d; (d = fix_next(&f)).act != POLICY_NOTHING;)
            served = served || (d.act == POLICY_MOVE && d.model == f.model[1]);
    }
    assert_true(served);
    assert_true(f.now_ms - began_ms >= bound_ms - 10000);
    assert_true(f.now_ms - began_ms <= bound_ms + 30000);
    fix_free(&f);
}

/* --- placement
 * ------------------------------------------------------------------------------------------ */

/* Demand for model 0, whose only holder is busy; another node is idle with a model nobody asks for.
 */
static void busy_model(struct fix *f)
{
    for (uint32_t i = 0; i < 2; i++)
        fix_up(f, i, (int)i);
    for (int i = 0; i < 60; i++) {
        f->now_ms += 1000;
        policy_demand(f->policy, f->model[0], f->now_ms);
    }
    policy_load(f->policy, 0, 1, false, f->now_ms);
}

static void a_model_in_demand_is_loaded_ahead_of_need(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    busy_model(&f);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_PRELOAD);
    assert_int_equal(d.model, f.model[0]);
    assert_int_equal(d.node, 1);
    assert_int_equal(d.evict, f.model[1]);
    assert_true(d.gain_s > d.loss_s);
    (void)fix_ask(&f, 0, 0); /* nothing is sent there while it loads */
    assert_int_equal(fix_next(&f).act, POLICY_KEEP);
    policy_preloaded(f.policy, 1, f.model[0], true, f.now_ms);
    assert_int_equal(fix_next(&f).act, POLICY_MOVE);
    fix_free(&f);
}

/* Node 0 holds model 0 and is busy, node 1 holds model 1 and is idle. What a preload of model 0 on
 * node 1 gains is more than the queues alone say that model 1 loses; its only holder stays all the
 * same, if anybody has asked for it. */
static void the_last_holder_of_a_model_in_use_is_left_alone(void **state)
{
    static const struct {
        const char *what;
        int of_model_1;
        int64_t pause_ms;
        int of_model_0;
        enum policy_act act;
    } rows[] = {
        {"nobody has asked for it", 0, 0, 1, POLICY_PRELOAD},
        {"as often as for the other: without a holder each of its requests waits for a load", 1, 0,
         1, POLICY_NOTHING},
        {"nobody, for ten minutes", 0, 600000, 5, POLICY_PRELOAD},
        {"once, ten minutes ago", 1, 600000, 5, POLICY_NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        fix_make(&f);
        for (uint32_t node = 0; node < 2; node++)
            fix_up(&f, node, (int)node);
        f.now_ms += 60000;
        for (int k = 0; k < rows[i].of_model_1; k++)
            policy_demand(f.policy, f.model[1], f.now_ms);
        f.now_ms += rows[i].pause_ms;
        for (int k = 0; k < rows[i].of_model_0; k++)
            policy_demand(f.policy, f.model[0], f.now_ms);
        policy_load(f.policy, 0, 1, false, f.now_ms);
        if (fix_next(&f).act != rows[i].act)
            fail_msg("%s", rows[i].what);
        fix_free(&f);
    }
}

static void without_placement_nothing_is_preloaded(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    f.settings.placement = false;
    policy_settings_set(f.policy, &f.settings);
    busy_model(&f);
    assert_int_equal(fix_next(&f).act, POLICY_NOTHING);
    fix_free(&f);
}

static void a_preload_that_the_node_no_longer_speaks_of_is_given_up(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    busy_model(&f);
    assert_int_equal(fix_next(&f).act, POLICY_PRELOAD);
    assert_true(policy_node_view(f.policy, 1).loading == f.model[0]);
    f.heard[1].tells_loading = true;
    f.now_ms += 5000;
    fix_hear(&f, 1);
    assert_true(policy_node_view(f.policy, 1).loading == f.model[0]);
    f.now_ms += 10000;
    fix_hear(&f, 1);
    assert_true(policy_node_view(f.policy, 1).loading == POLICY_NONE);
    fix_free(&f);
}

/* --- other routers
 * ----------------------------------------------------------------------------------------- */

static void what_another_router_does_counts(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 1);
    f.installed[1][0].load_ms = 60000;
    fix_hear(&f, 1);
    policy_elsewhere(f.policy, 0, f.model[0], 0, f.now_ms);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).act, POLICY_KEEP);
    policy_preload_elsewhere(f.policy, 1, f.model[0], f.now_ms);
    assert_true(policy_node_view(f.policy, 1).loading == f.model[0]);
    policy_preloaded(f.policy, 1, f.model[0], true, f.now_ms);
    assert_int_equal(fix_next(&f).node, 1);
    fix_free(&f);
}

/* --- words
 * --------------------------------------------------------------------------------------------------
 */

static const char *node_word(uint32_t node, void *arg)
{
    static char text[2][16];
    static int turn;

    (void)arg;
    turn = !turn;
    (void)snprintf(text[turn], sizeof text[turn], "pi-%u", (unsigned)node);
    return text[turn];
}

static const char *model_word(uint32_t model, void *arg)
{
    (void)model;
    (void)arg;
    return "m";
}

static void a_decision_is_explained_within_its_bounds(void **state)
{
    const struct policy_words words = {node_word, model_word, NULL};
    char why[POLICY_WHY_MAX + 1], cut[20];
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < FIX_NODES; i++)
        fix_up(&f, i, i < 2 ? 0 : -1);
    policy_verdict(f.policy, 3, POLICY_DRAINED, false, f.now_ms);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    policy_why(f.policy, &d, &words, why, sizeof why);
    assert_non_null(strstr(why, "service 25.0"));
    assert_non_null(strstr(why, "next best pi-"));
    assert_non_null(strstr(why, "pi-3 drained"));
    assert_non_null(strstr(why, "pi-2 would have to load it"));
    assert_non_null(strstr(why, "and 9 more"));
    policy_why(f.policy, &d, &words, cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
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
        cmocka_unit_test(a_wrong_prior_does_not_matter_after_five_answers),
        cmocka_unit_test(before_any_answer_the_board_and_the_file_say_how_fast_it_is),
        cmocka_unit_test(a_node_without_answers_is_believed_to_be_as_fast_as_its_siblings),
        cmocka_unit_test(a_broken_figure_of_one_node_does_not_stick_to_its_siblings),
        cmocka_unit_test(a_small_difference_from_siblings_is_noise_a_large_one_is_believed),
        cmocka_unit_test(a_conversation_goes_back_to_the_node_that_has_it),
        cmocka_unit_test(a_busy_home_is_waited_for_if_that_is_sooner),
        cmocka_unit_test(a_router_that_has_just_started_knows_homes_from_the_heartbeat),
        cmocka_unit_test(a_hot_node_costs_more_and_rests_until_it_has_cooled_down),
        cmocka_unit_test(heat_is_learnt_from_how_a_busy_node_warms_up),
        cmocka_unit_test(pins_and_avoids_hold_for_requests_and_for_preloads),
        cmocka_unit_test(a_node_that_failed_a_request_does_not_get_it_again_unless_all_have),
        cmocka_unit_test(a_failing_node_comes_last_and_a_lost_one_not_at_all),
        cmocka_unit_test(a_refused_move_leaves_the_request_waiting_and_the_slot_free),
        cmocka_unit_test(a_node_gets_as_many_as_its_credit_and_no_more),
        cmocka_unit_test(the_higher_class_is_served_first_whatever_is_shorter),
        cmocka_unit_test(a_load_serves_the_request_whose_turn_it_is),
        cmocka_unit_test(nobody_waits_for_ever),
        cmocka_unit_test(a_request_whose_holder_never_comes_free_is_served_elsewhere_in_the_end),
        cmocka_unit_test(a_model_in_demand_is_loaded_ahead_of_need),
        cmocka_unit_test(the_last_holder_of_a_model_in_use_is_left_alone),
        cmocka_unit_test(without_placement_nothing_is_preloaded),
        cmocka_unit_test(a_preload_that_the_node_no_longer_speaks_of_is_given_up),
        cmocka_unit_test(what_another_router_does_counts),
        cmocka_unit_test(a_decision_is_explained_within_its_bounds),
        cmocka_unit_test(every_kind_places_a_request_and_leaves_what_has_no_credit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
