/* Large fleets: a model with many holders always has one free, and yet those who come back find
 * theirs busy. And from 60 holders to 61 the figures are others, but not the decisions. */

#define FIX_NODES 160

#include "policy_fixture.h"

#define OTHERS    4       /* idle nodes with another model that nobody asks for */
#define SERVICE_S 29.0    /* of model 0: the fixture's speeds and the policy's priors */
#define LONG_MS   1500000 /* demand is known then */

/* Requests that belong to no conversation, more than are remembered. */
static void strangers(struct fix *f)
{
    for (int i = 0; i < 300; i++) {
        (void)fix_ask(f, 0, 0);
        struct policy_decision d = fix_next(f);
        assert_int_equal(d.act, POLICY_MOVE);
        fix_done(f, d.node, 0, 0, (int64_t)(SERVICE_S * 1000.0));
    }
}

/* Model 0 has so many holders and its demand keeps that share of them busy. Is a load ahead of need
 * decided? */
static bool preloads(uint32_t holders, double busy, bool come_back)
{
    struct fix f;
    struct policy_decision d;

    fix_make(&f);
    for (uint32_t i = 0; i < holders + OTHERS; i++)
        fix_up(&f, i, i < holders ? 0 : 1);
    if (!come_back)
        strangers(&f);
    int64_t end_ms = f.now_ms + LONG_MS, step_ms = (int64_t)(SERVICE_S * 1000.0 / busy / holders);
    for (; f.now_ms < end_ms; f.now_ms += step_ms)
        policy_demand(f.policy, f.model[0], f.now_ms);
    for (uint32_t i = 0; i < (uint32_t)(busy * holders); i++)
        policy_load(f.policy, i, 1, false, f.now_ms);
    d = fix_next(&f);
    if (d.act == POLICY_PRELOAD) {
        assert_int_equal(d.model, f.model[0]);
        assert_true(d.node >= holders);
    }
    fix_free(&f);
    return d.act == POLICY_PRELOAD;
}

static void a_model_gets_more_holders_when_those_who_come_back_find_theirs_busy(void **state)
{
    static const struct {
        uint32_t holders;
        double busy;
        bool come_back, preloads;
    } rows[] = {
        {12, 0.6, true, true},    {12, 0.3, true, false}, {12, 0.6, false, false},
        {12, 0.95, false, true},  {100, 0.6, true, true}, {100, 0.3, true, false},
        {100, 0.6, false, false}, {150, 0.6, true, true}, {150, 0.6, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (preloads(rows[i].holders, rows[i].busy, rows[i].come_back) != rows[i].preloads)
            fail_msg("%u holders, %.2f busy, %s: %s", (unsigned)rows[i].holders, rows[i].busy,
                     rows[i].come_back ? "conversations" : "strangers",
                     rows[i].preloads ? "no preload" : "a preload");
    }
}

/* 60 is the last number for which it counts who is busy now. */
static void sixty_and_sixty_one_holders_are_decided_upon_alike(void **state)
{
    static const double busy[] = {0.2, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98};

    (void)state;
    for (size_t i = 0; i < sizeof busy / sizeof busy[0]; i++) {
        for (int come_back = 0; come_back < 2; come_back++) {
            bool sixty = preloads(60, busy[i], come_back != 0);
            if (sixty != preloads(61, busy[i], come_back != 0))
                fail_msg("%.2f busy, %s: 60 holders %s", busy[i],
                         come_back ? "conversations" : "strangers",
                         sixty ? "get one more" : "do not");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_gets_more_holders_when_those_who_come_back_find_theirs_busy),
        cmocka_unit_test(sixty_and_sixty_one_holders_are_decided_upon_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
