/* What an operator has said of a model on a node (pin, avoid) holds for every way in which a model
 * gets to a node: a request that finds it there, one that loads it, a load ahead of need. And each
 * time the explanation says so. And what a node that was lost and came back still counts for. */

#include "policy_fixture.h"

static const char *node_word(uint32_t node, void *arg)
{
    static char text[4][16];
    static unsigned turn;
    char *at = text[turn++ % 4];

    (void)arg;
    (void)snprintf(at, sizeof text[0], "pi-%u", (unsigned)node);
    return at;
}

static const char *model_word(uint32_t model, void *arg)
{
    const struct fix *f = arg;

    return names_text(&f->names, model).ptr;
}

static void explains(struct fix *f, const struct policy_decision *d, const char *words)
{
    const struct policy_words names = {node_word, model_word, f};
    char why[POLICY_WHY_MAX + 1];

    policy_why(f->policy, d, &names, why, sizeof why);
    if (!strstr(why, words))
        fail_msg("no \"%s\" in \"%s\"", words, why);
}

static void place(struct fix *f, uint32_t node, int model, int32_t where)
{
    f->installed[node][model].place = where;
    fix_hear(f, node);
}

/* Model 0 answers so many times as fast there as elsewhere. */
static void hasten(struct fix *f, uint32_t node, int64_t times)
{
    f->installed[node][0].gen_tps_milli *= times;
    f->installed[node][0].prompt_tps_milli *= times;
    fix_hear(f, node);
}

/* Whatever is decided now, is any request moved? */
static bool any_moves(struct fix *f)
{
    struct policy_decision d;

    do
        d = fix_next(f);
    while (d.act == POLICY_KEEP);
    return d.act != POLICY_NOTHING;
}

/* --- a request that finds the model in memory ----------------------------------------------------
 */

static void of_pinned_holders_the_first_in_the_list_is_chosen_though_it_is_slower(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < 3; i++)
        fix_up(&f, i, 0);
    hasten(&f, 0, 4);
    hasten(&f, 1, 2);
    place(&f, 0, 0, POLICY_PLACE_ELSEWHERE);
    place(&f, 1, 0, 2);
    place(&f, 2, 0, 1);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.reason, POLICY_BY_HOLDER);
    assert_int_equal(d.node, 2);
    explains(&f, &d, "pinned (choice 1)");
    explains(&f, &d, "pi-0 model pinned elsewhere");
    (void)fix_ask(&f, 0, 0);
    d = fix_next(&f);
    assert_int_equal(d.node, 1);
    explains(&f, &d, "pinned (choice 2)");
    (void)fix_ask(&f, 0, 0); /* both are busy; the third is free, has the model, and is fastest */
    assert_int_equal(fix_next(&f).act, POLICY_KEEP);
    fix_free(&f);
}

static void a_holder_that_is_to_be_avoided_is_not_chosen_and_not_pulled_for(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    hasten(&f, 0, 4);
    place(&f, 0, 0, POLICY_PLACE_AVOID);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.node, 1);
    explains(&f, &d, "pi-0 avoided for this model");
    (void)fix_ask(&f, 0, 0);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    explains(&f, &d, "pi-0 avoided for this model");
    policy_load(f.policy, 0, 1, false, f.now_ms); /* something of another model runs there, */
    policy_load(f.policy, 0, 0, false, f.now_ms); /* ... and ends: a slot comes free */
    assert_int_equal(fix_next(&f).act, POLICY_NOTHING);
    fix_done(&f, 1, 0, 0, 20000);
    assert_int_equal(fix_next(&f).node, 1);
    fix_free(&f);
}

/* --- a request that loads the model --------------------------------------------------------------
 */

static void a_pinned_model_is_loaded_only_where_it_is_pinned_and_there_in_order(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < 3; i++)
        fix_up(&f, i, -1);
    f.installed[0][0].load_ms = 1000;
    place(&f, 0, 0, POLICY_PLACE_ELSEWHERE);
    place(&f, 1, 0, 2);
    f.installed[2][0].load_ms = 20000;
    place(&f, 2, 0, 1);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    assert_int_equal(d.node, 2);
    explains(&f, &d, "pinned (choice 1)");
    explains(&f, &d, "pi-0 model pinned elsewhere");
    explains(&f, &d, "pi-1 would have to load it");
    fix_free(&f);
}

static void a_model_is_not_loaded_where_it_is_to_be_avoided(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 1);
    fix_up(&f, 1, -1);
    f.installed[0][0].load_ms = 1000;
    place(&f, 0, 0, POLICY_PLACE_AVOID);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    assert_int_equal(d.node, 1);
    explains(&f, &d, "pi-0 avoided for this model");
    place(&f, 1, 2, POLICY_PLACE_AVOID);
    place(&f, 0, 2, POLICY_PLACE_AVOID);
    (void)fix_ask(&f, 2, 0); /* no node may have it */
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    assert_int_equal(d.reason, POLICY_FOR_NODE);
    fix_done(&f, 1, 0, 0, 20000); /* and none may have it when it comes free */
    assert_false(any_moves(&f));
    f.now_ms += 3600000; /* not even when it has waited for long */
    assert_false(any_moves(&f));
    fix_free(&f);
}

/* --- a load ahead of need ------------------------------------------------------------------------
 */

/* Demand for model 0, whose only holder, node 0, is busy; nodes 1 and 2 are idle. */
static void demand(struct fix *f)
{
    for (uint32_t i = 0; i < 3; i++)
        fix_up(f, i, i == 0 ? 0 : -1);
}

static struct policy_decision after_demand(struct fix *f)
{
    for (int i = 0; i < 60; i++) {
        f->now_ms += 1000;
        policy_demand(f->policy, f->model[0], f->now_ms);
    }
    policy_load(f->policy, 0, 1, false, f->now_ms);
    return fix_next(f);
}

static void a_pinned_model_is_preloaded_only_where_it_is_pinned_and_there_in_order(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    demand(&f);
    fix_up(&f, 3, -1);
    place(&f, 0, 0, 3);
    f.installed[1][0].load_ms = 1000;
    place(&f, 1, 0, POLICY_PLACE_ELSEWHERE);
    place(&f, 2, 0, 2);
    f.installed[3][0].load_ms = 30000;
    place(&f, 3, 0, 1);
    struct policy_decision d = after_demand(&f);
    assert_int_equal(d.act, POLICY_PRELOAD);
    assert_int_equal(d.node, 3);
    explains(&f, &d, "pinned (choice 1)");
    explains(&f, &d, "pi-1 model pinned elsewhere");
    fix_free(&f);
}

static void a_model_is_not_preloaded_where_it_is_to_be_avoided(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    demand(&f);
    f.installed[1][0].load_ms = 1000;
    place(&f, 1, 0, POLICY_PLACE_AVOID);
    struct policy_decision d = after_demand(&f);
    assert_int_equal(d.act, POLICY_PRELOAD);
    assert_int_equal(d.node, 2);
    explains(&f, &d, "pi-1 avoided for this model");
    fix_free(&f);

    fix_make(&f);
    demand(&f);
    place(&f, 1, 0, POLICY_PLACE_AVOID);
    place(&f, 2, 0, POLICY_PLACE_AVOID);
    assert_int_equal(after_demand(&f).act, POLICY_NOTHING);
    fix_free(&f);
}

/* --- words ---------------------------------------------------------------------------------------
 */

static void each_way_of_waiting_has_its_sentence(void **state)
{
    static const struct {
        enum policy_reason reason;
        uint32_t node;
        const char *words;
    } rows[] = {
        {POLICY_FOR_HOME, 1, "waits: its conversation is on pi-1, which is busy and worth waiting"},
        {POLICY_FOR_COOLER, 0, "waits: pi-0 is free but throttled by its firmware"},
        {POLICY_FOR_HOLDER, POLICY_NONE, "waits: a node with the model will be free sooner"},
        {POLICY_FOR_FASTER, POLICY_NONE,
         "waits: a node with the model, on a faster or cooler board, is busy"},
        {POLICY_FOR_NODE, POLICY_NONE, "waits: no node can take it now"},
    };
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    fix_up(&f, 1, 0);
    uint32_t request = fix_ask(&f, 0, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct policy_decision d = {
            .act = POLICY_KEEP,
            .reason = rows[i].reason,
            .request = request,
            .node = rows[i].node,
            .model = f.model[0],
            .evict = POLICY_NONE,
            .runner_up = POLICY_NONE,
        };
        explains(&f, &d, rows[i].words);
    }
    fix_free(&f);
}

static void each_node_that_does_not_have_it_has_its_reason(void **state)
{
    static const char *const reasons[] = {
        "pi-1 has failed it before",    "pi-2 has failed others lately",
        "pi-3 the model hung there",    "pi-4 too little memory for the model",
        "pi-5 busy with another model",
    };
    struct fix f;

    (void)state;
    fix_make(&f);
    for (uint32_t i = 0; i < 6; i++)
        fix_up(&f, i, i < 4 ? 0 : 1);
    f.heard[1].id_hash = span_hash(span_str("one"));
    policy_forget(f.policy, 1, f.now_ms);
    fix_hear(&f, 1);
    policy_verdict(f.policy, 1, POLICY_MAY_WORK, false, f.now_ms);
    policy_verdict(f.policy, 2, POLICY_MAY_WORK, true, f.now_ms);
    f.installed[3][0].is_suspect = true;
    f.heard[4].ram_bytes = INT64_C(2000000000);
    f.heard[5].slots = f.heard[5].credit = 2;
    for (uint32_t i = 3; i < 6; i++)
        fix_hear(&f, i);
    policy_load(f.policy, 5, 1, false, f.now_ms);
    (void)fix_next(&f);
    (void)fix_ask_entry(
        &f, 0,
        (struct window_entry){.tried = span_str("one"), .attempt = 2, .priority = REQUEST_NORMAL});
    struct policy_decision d;
    assert_true(policy_next(f.policy, f.now_ms, &d) && d.act == POLICY_MOVE);
    assert_int_equal(d.node, 0);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        explains(&f, &d, reasons[i]);
    fix_free(&f);
}

static void a_load_says_what_it_unloads(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 1);
    (void)fix_ask(&f, 0, 0);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.reason, POLICY_BY_SWAP);
    assert_int_equal(d.evict, f.model[1]);
    explains(&f, &d, "; unloads b:2b");
    fix_free(&f);
}

/* The node has had two models in memory at once. Of 8 GB 6.5 are there for models; one of 2 GB
 * takes 2.55, of 1 GB 1.4, of 4 GB 4.85. */
static void what_memory_would_not_hold_beside_the_new_model_is_unloaded(void **state)
{
    static const struct {
        int model;
        bool evicts;
    } rows[] = {{0, false}, {3, true}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fix f;

        fix_make(&f);
        fix_up(&f, 0, 1);
        f.installed[0][2].is_resident = true;
        f.now_ms += 5000;
        fix_hear(&f, 0);
        f.installed[0][2].is_resident = false;
        f.now_ms += 5000;
        fix_hear(&f, 0);
        (void)fix_ask(&f, rows[i].model, 0);
        struct policy_decision d = fix_next(&f);
        assert_int_equal(d.reason, POLICY_BY_SWAP);
        assert_int_equal(d.evict, rows[i].evicts ? f.model[1] : POLICY_NONE);
        assert_int_equal(policy_node_view(f.policy, 0).resident_n, rows[i].evicts ? 1 : 2);
        fix_free(&f);
    }
}

/* --- lost and back -------------------------------------------------------------------------------
 */

static void a_node_that_was_lost_and_is_back_gets_work_again_as_one_that_has_nothing(void **state)
{
    struct fix f;

    (void)state;
    fix_make(&f);
    fix_up(&f, 0, 0);
    (void)fix_ask(&f, 0, 77);
    assert_int_equal(fix_next(&f).node, 0);
    f.now_ms += 20000;
    policy_verdict(f.policy, 0, POLICY_LOST, false, f.now_ms);
    policy_lost(f.policy, 0, f.now_ms);
    (void)fix_ask(&f, 0, 77);
    struct policy_decision d = fix_next(&f);
    assert_int_equal(d.act, POLICY_KEEP);
    explains(&f, &d, "pi-0 lost");
    f.now_ms += 30000;
    f.installed[0][0].is_resident = false; /* nothing is in its memory */
    fix_hear(&f, 0);
    policy_verdict(f.policy, 0, POLICY_MAY_WORK, false, f.now_ms);
    d = fix_next(&f);
    assert_int_equal(d.act, POLICY_MOVE);
    assert_int_equal(d.node, 0);
    assert_int_equal(d.reason, POLICY_BY_PULL_SWAP);
    assert_true(d.cost.load_s > 9.9 && d.cost.saved_s < 0.1); /* neither file nor conversation */
    assert_int_equal(policy_node_view(f.policy, 0).in_flight, 1);
    fix_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_pinned_holders_the_first_in_the_list_is_chosen_though_it_is_slower),
        cmocka_unit_test(a_holder_that_is_to_be_avoided_is_not_chosen_and_not_pulled_for),
        cmocka_unit_test(a_pinned_model_is_loaded_only_where_it_is_pinned_and_there_in_order),
        cmocka_unit_test(a_model_is_not_loaded_where_it_is_to_be_avoided),
        cmocka_unit_test(a_pinned_model_is_preloaded_only_where_it_is_pinned_and_there_in_order),
        cmocka_unit_test(a_model_is_not_preloaded_where_it_is_to_be_avoided),
        cmocka_unit_test(each_way_of_waiting_has_its_sentence),
        cmocka_unit_test(each_node_that_does_not_have_it_has_its_reason),
        cmocka_unit_test(a_load_says_what_it_unloads),
        cmocka_unit_test(what_memory_would_not_hold_beside_the_new_model_is_unloaded),
        cmocka_unit_test(a_node_that_was_lost_and_is_back_gets_work_again_as_one_that_has_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
