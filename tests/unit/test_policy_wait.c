/* What is worth waiting for: a busy home, a busy node that is faster or cooler than the free one, a
 * fast board for a load ahead of need. And the figures behind it. */

#include "policy_fixture.h"
#include "policy_math.h"

static bool is_about(double value, double expected)
{
    return value > expected - 1e-6 && value < expected + 1e-6;
}

/* --- the queue of the next minute ----------------------------------------------------------------
 */

static void the_wait_of_the_next_minute_follows_from_who_is_busy_now(void **state)
{
    static const struct {
        const char *what;
        uint32_t servers, busy;
        double stay, arrivals, waits[3]; /* with one server less, as many, one more */
    } rows[] = {
        {"nobody", 2, 0, 0.5, 0.0, {0.0, 0.0, 0.0}},
        {"one of one, half gone", 1, 1, 0.5, 0.0, {0.0, 0.5, 0.0}},
        {"two of two", 2, 2, 0.5, 0.0, {1.0, 0.125, 0.0}},
        {"three and none gone: 3, then 2 of 2, then 1 of 3", 2, 3, 1.0, 0.0, {3.0, 1.0, 1.0 / 3.0}},
        {"arrivals alone: N is Poisson(1)", 1, 0, 0.5, 1.0, {0.0, 1.0, 0.1839397206}},
        {"no server", 0, 2, 1.0, 0.0, {0.0, 0.0, 2.0}},
        {"a backlog beyond what is counted", 1, 1000000, 1.0, 0.0, {0.0, 256.0, 127.5}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double waits[3] = {0.0, 0.0, 0.0};

        policy_soon_waits(rows[i].servers, rows[i].busy, rows[i].stay, rows[i].arrivals, waits);
        for (int k = 0; k < 3; k++) {
            if (!is_about(waits[k], rows[i].waits[k]))
                fail_msg("%s: %d: %.9f, not %.9f", rows[i].what, k, waits[k], rows[i].waits[k]);
        }
    }
}

/* --- conversations that may go on ----------------------------------------------------------------
 */

/* What a stranger's request costs the conversation that is warm on the only node. */
static double harm_after(int64_t silence_ms)
{
    struct fix f;

    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 77);
    (void)fix_next(&f);
    f.now_ms += 25000;
    fix_done(&f, 0, 0, 77, 25000);
    (void)fix_next(&f);
    f.now_ms += silence_ms;
    (void)fix_ask(&f, 0, 5);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    fix_free(&f);
    return d.cost.harm_s;
}

static void the_longer_a_conversation_is_silent_the_less_it_counts(void **state)
{
    double at_once = harm_after(0);

    (void)state;
    assert_true(at_once > 1.0);
    assert_true(is_about(harm_after(45000), at_once / 2.0));
    assert_true(is_about(harm_after(90000), at_once / 5.0));
    assert_true(harm_after(3600000) < at_once / 1000.0);
}

/* --- a busy home ---------------------------------------------------------------------------------
 */

/* The home is free in 20 s, where the request takes 25 s; at the free node it takes 35 s. */
static struct policy_decision home_or_elsewhere(uint32_t others_busy, int64_t home_wait_pct)
{
    struct fix f;
    struct policy_decision d;

    fix_make(&f);
    f.settings.home_wait_pct = home_wait_pct;
    policy_settings_set(f.policy, &f.settings);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 77);
    (void)fix_next(&f);
    f.now_ms += 25000;
    fix_done(&f, 0, 0, 77, 25000);
    (void)fix_next(&f);
    (void)fix_ask(&f, 0, 5);
    assert_int_equal(fix_next(&f).node, 0);
    f.now_ms += 5000;
    for (uint32_t i = 1; i < 10; i++)
        fix_up(&f, i, i == 1 ? 0 : 1);
    for (uint32_t i = 0; i < others_busy; i++)
        policy_load(f.policy, 2 + i, 1, false, f.now_ms);
    (void)fix_ask_entry(&f, 0,
                        (struct window_entry){
                            .session_hash = 77, .prompt_tokens = 300, .priority = REQUEST_NORMAL});
    d = fix_next(&f);
    fix_free(&f);
    return d;
}

static void the_busier_the_fleet_the_longer_a_home_is_waited_for(void **state)
{
    struct policy_decision d = home_or_elsewhere(0, 100);

    (void)state;
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.node, 1);
    d = home_or_elsewhere(8, 100);
    assert_int_equal(d.act, POLICY_KEEP);
    assert_int_equal(d.reason, POLICY_FOR_HOME);
    assert_int_equal(home_or_elsewhere(8, 0).act, POLICY_MOVE);
}

/* --- a busy node that is better than the free one ------------------------------------------------
 */

/* Node 0 is free; node 1 is busy for another 20 s. */
static void one_free_one_busy(struct fix *f)
{
    fix_make(f);
    fix_up(f, 1, 0);
    (void)fix_ask_entry(f, 0,
                        (struct window_entry){.prompt_tokens = 2000, .priority = REQUEST_NORMAL});
    assert_int_equal(fix_next(f).node, 1);
    f->now_ms += 95000;
    fix_up(f, 0, 0);
    f->now_ms += 5000; /* the next heartbeats */
}

static struct policy_decision ask_1000_tokens(struct fix *f)
{
    (void)fix_ask_entry(f, 0,
                        (struct window_entry){.prompt_tokens = 1000, .priority = REQUEST_NORMAL});
    return fix_next(f);
}

static void a_busy_node_is_waited_for_if_the_free_one_is_so_hot_that_it_is_done_later(void **state)
{
    static const struct {
        int32_t temp_mc, place;
        int64_t lambda_t_permille;
        enum policy_act act;
    } rows[] = {
        {50000, 0, 850, POLICY_MOVE}, /* 70 s against 20 + 70 s */
        {80000, 0, 850, POLICY_KEEP}, /* twice as dear */
        {80000, 0, 0, POLICY_MOVE},   /* heat has no price */
        {80000, 1, 850, POLICY_MOVE}, /* pinned: the free one is preferred */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        one_free_one_busy(&f);
        f.settings.lambda_t_permille = rows[i].lambda_t_permille;
        policy_settings_set(f.policy, &f.settings);
        f.heard[0].temp_mc = rows[i].temp_mc;
        f.installed[0][0].place = rows[i].place;
        f.installed[1][0].place = rows[i].place * 2;
        fix_hear(&f, 0);
        fix_hear(&f, 1);
        struct policy_decision d = ask_1000_tokens(&f);
        if (d.act != rows[i].act || (d.act == POLICY_KEEP && d.reason != POLICY_FOR_FASTER))
            fail_msg("row %zu: act %d, reason %d", i, (int)d.act, (int)d.reason);
        fix_free(&f);
    }
}

static void a_throttled_node_is_spared_unless_too_many_wait_already(void **state)
{
    struct fix f;
    struct policy_decision d;

    (void)state;
    one_free_one_busy(&f);
    f.heard[0].throttled = 1;
    f.heard[0].temp_mc = HEALTH_UNKNOWN;
    fix_hear(&f, 0);
    d = ask_1000_tokens(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    assert_int_equal(d.reason, POLICY_FOR_COOLER);
    d = ask_1000_tokens(&f); /* behind the first it would wait for another 29 s */
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.node, 0);
    fix_free(&f);
}

/* --- a load ahead of need ------------------------------------------------------------------------
 */

/* Node 0 holds model 0 and is busy; node 1 is a Pi 5 with model 1, node 2 a Pi 4 with nothing. */
static struct policy_decision preload(int demand, bool fast_is_free)
{
    struct fix f;
    struct policy_decision d;

    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 1);
    fix_node(&f, 2);
    f.heard[2].board = POLICY_BOARD_PI4;
    f.installed[2][0].load_ms = 1000; /* it would be done soonest */
    fix_hear(&f, 2);
    policy_verdict(f.policy, 2, POLICY_MAY_WORK, false, f.now_ms);
    (void)fix_next(&f);
    for (int i = 0; i < demand; i++) {
        f.now_ms += 60000 / demand;
        policy_demand(f.policy, f.model[0], f.now_ms);
    }
    policy_load(f.policy, 0, 1, false, f.now_ms);
    if (!fast_is_free)
        policy_load(f.policy, 1, 1, false, f.now_ms);
    d = fix_next(&f);
    fix_free(&f);
    return d;
}

static void a_slow_board_is_loaded_ahead_of_need_only_if_the_wait_is_long(void **state)
{
    struct policy_decision d = preload(60, true);

    (void)state;
    assert_int_equal(d.act, POLICY_PRELOAD);
    assert_int_equal(d.node, 1);
    assert_int_equal(preload(1, true).node, 1);
    assert_int_equal(preload(1, false).act, POLICY_NOTHING);
    d = preload(60, false);
    assert_int_equal(d.act, POLICY_PRELOAD);
    assert_int_equal(d.node, 2);
}

/* --- the price of heat is no time ----------------------------------------------------------------
 */

#define HOT_MC 79000 /* idle; busy it would show 10 C more */

/* What a request waits for that comes when the only node has just begun another one. */
static double wait_behind_one(int32_t temp_mc, int64_t lambda_t_permille)
{
    struct fix f;
    struct policy_decision d;

    fix_make(&f);
    f.settings.lambda_t_permille = lambda_t_permille;
    policy_settings_set(f.policy, &f.settings);
    fix_up(&f, 0, 0);
    f.heard[0].temp_mc = temp_mc;
    f.now_ms += 5000;
    fix_hear(&f, 0);
    (void)fix_ask(&f, 0, 0);
    assert_int_equal(fix_next(&f).act, POLICY_MOVE);
    (void)fix_ask(&f, 0, 0);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    fix_free(&f);
    return d.cost.wait_s;
}

static void nobody_waits_longer_because_heat_has_a_price(void **state)
{
    double slower = 1.24; /* 9 C above 80: as slow as it gets */

    (void)state;
    assert_true(is_about(wait_behind_one(50000, 1000), 25.0));
    assert_true(is_about(wait_behind_one(HOT_MC, 0), 25.0 * slower));
    assert_true(is_about(wait_behind_one(HOT_MC, 1000), 25.0 * slower));
    assert_true(is_about(wait_behind_one(HOT_MC, 5000), 25.0 * slower));
}

/* The second request of a conversation that waits for its hot home, behind the first. */
static double wait_for_home_behind_one(int64_t lambda_t_permille)
{
    struct fix f;
    struct policy_decision d = {0};
    const struct window_entry long_talk = {
        .session_hash = 77, .prompt_tokens = 10000, .priority = REQUEST_NORMAL};

    fix_make(&f);
    f.settings.lambda_t_permille = lambda_t_permille;
    policy_settings_set(f.policy, &f.settings);
    fix_up(&f, 0, 0);
    (void)fix_ask_entry(&f, 0, long_talk);
    assert_int_equal(fix_next(&f).node, 0);
    f.now_ms += 520000;
    policy_left(f.policy, 0,
                &(struct policy_report){.model = f.model[0],
                                        .is_done = true,
                                        .run_ms = 25000,
                                        .session = 77,
                                        .prompt_tokens = 10000,
                                        .output_tokens = 100},
                f.now_ms);
    f.heard[0].temp_mc = HOT_MC;
    fix_hear(&f, 0);
    (void)fix_ask(&f, 0, 5);
    assert_int_equal(fix_next(&f).node, 0);
    fix_up(&f, 1, 0);
    for (int i = 0; i < 2; i++) {
        (void)fix_ask_entry(&f, 0, long_talk);
        d = fix_next(&f);
        assert_int_equal(d.act, POLICY_KEEP);
        assert_int_equal(d.reason, POLICY_FOR_HOME);
    }
    fix_free(&f);
    return d.cost.wait_s;
}

static void nor_behind_those_who_wait_for_a_hot_home(void **state)
{
    double without = wait_for_home_behind_one(0);

    (void)state;
    assert_true(without > 25.0 * 1.24 + 20.0); /* the running one, and the answer of the first */
    assert_true(is_about(wait_for_home_behind_one(1000), without));
}

/* --- who gains by a load -------------------------------------------------------------------------
 */

/* Node 0 has the model and is busy for another 18 s; node 1 would load it in 30 s, half of which
 * counts. With the answer (25 s) and the margin that is 55 s; the first of those who wait is done
 * in 18 + 29 s, each behind it 29 s later. */
static void fix_two_nodes(struct fix *f)
{
    fix_make(f);
    f->settings.placement = false;
    policy_settings_set(f->policy, &f->settings);
    fix_up(f, 0, 0);
    fix_node(f, 1);
    f->installed[1][0].load_ms = 30000;
    f->installed[1][1].is_resident = true;
    fix_hear(f, 1);
    policy_verdict(f->policy, 1, POLICY_MAY_WORK, false, f->now_ms);
    (void)fix_ask(f, 0, 0);
    assert_int_equal(fix_next(f).node, 0);
    f->now_ms += 10000;
}

static void ask_and_wait(struct fix *f, int waiting)
{
    for (int i = 0; i < waiting; i++) {
        (void)fix_ask(f, 0, 0);
        assert_int_equal(fix_next(f).act, POLICY_KEEP);
    }
}

/* What becomes of them, whatever is said of those who go on waiting. */
static struct policy_decision next_but_keep(struct fix *f)
{
    struct policy_decision d;

    do {
        d = fix_next(f);
    } while (d.act == POLICY_KEEP);
    return d;
}

/* A slot comes free there. */
static struct policy_decision a_slot_for(int waiting)
{
    struct fix f;
    struct policy_decision d;

    fix_two_nodes(&f);
    (void)fix_ask(&f, 1, 0);
    assert_int_equal(fix_next(&f).node, 1);
    ask_and_wait(&f, waiting);
    fix_done(&f, 1, 1, 0, 1000);
    d = next_but_keep(&f);
    fix_free(&f);
    return d;
}

/* It has rested from heat, and is looked at again. */
static struct policy_decision a_second_look_for(int waiting)
{
    struct fix f;
    struct policy_decision d;

    fix_two_nodes(&f);
    f.heard[1].temp_mc = 79000;
    fix_hear(&f, 1);
    ask_and_wait(&f, waiting);
    f.heard[1].temp_mc = 50000;
    f.now_ms += 2500;
    fix_hear(&f, 1);
    d = next_but_keep(&f);
    fix_free(&f);
    return d;
}

static void those_who_wait_behind_gain_by_a_load_too(void **state)
{
    struct policy_decision d;

    (void)state;
    assert_int_equal(a_slot_for(1).act, POLICY_NOTHING);
    d = a_slot_for(2);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_PULL_SWAP);
    assert_int_equal(d.node, 1);
    assert_int_equal(a_second_look_for(1).act, POLICY_NOTHING);
    d = a_second_look_for(2);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    assert_int_equal(d.node, 1);
}

/* --- what a load is charged ----------------------------------------------------------------------
 */

/* Of 10 s for model 1, on one of so many nodes of which the first is the only idle one. */
static double load_charged(uint32_t nodes, int resident, int64_t bytes)
{
    struct fix f;
    struct policy_decision d;

    fix_make(&f);
    for (uint32_t i = 0; i < nodes; i++) {
        fix_up(&f, i, resident);
        f.installed[i][1].bytes = bytes;
        f.now_ms += 5000;
        fix_hear(&f, i);
    }
    (void)fix_next(&f);
    (void)fix_ask(&f, 1, 0);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    fix_free(&f);
    return d.cost.load_s;
}

/* The second load of model 1 on the only node. */
static double second_load_charged(void)
{
    struct fix f;
    struct policy_decision d = {0};

    fix_make(&f);
    fix_up(&f, 0, 0);
    for (int i = 0; i < 3; i++) {
        (void)fix_ask(&f, 1 - i % 2, 0);
        d = fix_next(&f);
        assert_int_equal(d.reason, POLICY_BY_SWAP);
        f.now_ms += 60000;
        fix_done(&f, 0, 1 - i % 2, 0, 60000);
        (void)fix_next(&f);
    }
    fix_free(&f);
    return d.cost.load_s;
}

static void who_has_a_file_read_that_others_will_need_pays_half(void **state)
{
    (void)state;
    assert_true(is_about(load_charged(1, 0, 2000000000), 5.0));
    assert_true(is_about(load_charged(FIX_MODELS, 0, 2000000000), 5.0));
    assert_true(is_about(load_charged(FIX_MODELS + 1, 0, 2000000000), 10.0)); /* enough nodes */
    assert_true(
        is_about(load_charged(1, -1, 2000000000), 10.0)); /* nothing is there to go back to */
    assert_true(is_about(load_charged(1, 0, 5000000000), 10.0)); /* more than the cache can keep */
    assert_true(is_about(second_load_charged(), 0.8 + 2.0 / 1.2)); /* it is in the cache */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wait_of_the_next_minute_follows_from_who_is_busy_now),
        cmocka_unit_test(nobody_waits_longer_because_heat_has_a_price),
        cmocka_unit_test(nor_behind_those_who_wait_for_a_hot_home),
        cmocka_unit_test(who_has_a_file_read_that_others_will_need_pays_half),
        cmocka_unit_test(those_who_wait_behind_gain_by_a_load_too),
        cmocka_unit_test(the_longer_a_conversation_is_silent_the_less_it_counts),
        cmocka_unit_test(the_busier_the_fleet_the_longer_a_home_is_waited_for),
        cmocka_unit_test(a_busy_node_is_waited_for_if_the_free_one_is_so_hot_that_it_is_done_later),
        cmocka_unit_test(a_throttled_node_is_spared_unless_too_many_wait_already),
        cmocka_unit_test(a_slow_board_is_loaded_ahead_of_need_only_if_the_wait_is_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
