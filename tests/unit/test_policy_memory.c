/* Memory follows need: what the policy names as idle may be wiped, and decisions stay as they were.
 */

#include "policy_fixture.h"

#define NODES 4
#define STEPS 4000

struct book {
    uint32_t busy[NODES]; /* requests at each node */
    int model[NODES];     /* of the newest */
};

static struct fix wiped, kept; /* the same is done to both; only the first is wiped */
static size_t named_bytes;
static uint64_t seed;

static uint32_t roll(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)((seed >> 33) % n);
}

static void wipe(void *from, size_t bytes, void *arg)
{
    (void)arg;
    named_bytes += bytes;
    memset(from, 0, bytes);
}

static void begin(struct fix *f)
{
    fix_make(f);
    f->settings.placement = false; /* a preload would want heartbeats */
    policy_settings_set(f->policy, &f->settings);
    for (uint32_t i = 0; i < NODES; i++)
        fix_up(f, i, (int)i);
}

static void ask(void)
{
    int model = (int)roll(FIX_MODELS);
    uint64_t session = roll(3) ? 1 + roll(20) : 0;

    assert_int_equal(fix_ask(&wiped, model, session), fix_ask(&kept, model, session));
}

/* Everything that can be decided now is decided alike. */
static void decide(struct book *book)
{
    struct policy_decision a, b;

    do {
        a = fix_next(&wiped);
        b = fix_next(&kept);
        assert_int_equal(a.act, b.act);
        if (a.act == POLICY_NOTHING)
            continue;
        assert_int_equal(a.request, b.request);
        assert_int_equal(a.reason, b.reason);
        assert_int_equal(a.node, b.node);
        if (a.act == POLICY_MOVE) {
            book->busy[a.node]++;
            book->model[a.node] = (int)(a.model - kept.model[0]);
        }
    } while (a.act != POLICY_NOTHING);
}

static void finish(struct book *book)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (book->busy[i] == 0 || roll(3) == 0)
            continue;
        book->busy[i]--;
        fix_done(&wiped, i, book->model[i], 0, 5000);
        fix_done(&kept, i, book->model[i], 0, 5000);
    }
}

static void test_a_policy_whose_idle_memory_is_wiped_decides_as_any_other(void **state)
{
    struct book book = {0};
    unsigned rested = 0;

    (void)state;
    begin(&wiped);
    begin(&kept);
    seed = 3;
    for (unsigned step = 0; step < STEPS; step++) {
        bool is_rush = step % 400 < 60; /* then a time in which all is served */
        for (uint32_t n = is_rush ? roll(8) : 0; n > 0 && window_room(&kept.window) > 0; n--)
            ask();
        decide(&book);
        finish(&book);
        wiped.now_ms += 500;
        kept.now_ms += 500;
        if (step % 20 == 0)
            rested += policy_rest(wiped.policy, wipe, NULL);
    }
    assert_true(rested > 10);
    assert_int_equal(window_count(&kept.window), 0);
    assert_true(named_bytes > sizeof(uint64_t) * 10000);
    fix_free(&wiped);
    fix_free(&kept);
}

static void test_while_a_request_has_not_been_looked_at_nothing_is_named(void **state)
{
    (void)state;
    begin(&wiped);
    (void)fix_ask(&wiped, 0, 0);
    assert_false(policy_rest(wiped.policy, wipe, NULL));
    assert_int_equal(fix_next(&wiped).act, POLICY_MOVE);
    assert_true(policy_rest(wiped.policy, wipe, NULL));
    fix_free(&wiped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_policy_whose_idle_memory_is_wiped_decides_as_any_other),
        cmocka_unit_test(test_while_a_request_has_not_been_looked_at_nothing_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
