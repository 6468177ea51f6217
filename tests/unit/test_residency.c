/* Whether a model in memory is there the way we ask for it. */

#include <stdio.h>
#include <string.h>

#include "ps.h"
#include "residency.h"
#include "test.h"

static struct residency residency;

static struct ps shows(const char *name, int64_t context_length)
{
    struct ps ps = {.n = 1};

    (void)snprintf(ps.models[0].name, sizeof ps.models[0].name, "%s", name);
    ps.models[0].context_length = context_length;
    return ps;
}

static bool is_ours(int64_t context_length, int64_t num_ctx)
{
    struct ps ps = shows("a:1b", context_length);

    return residency_is_ours(&residency, &ps.models[0], num_ctx);
}

/* A request of ours with `num_ctx` ends at 1000; /api/ps, asked at 1001, shows `context_length`. */
static void run(int64_t num_ctx, int64_t context_length)
{
    struct ps ps = shows("a:1b", context_length);

    (void)residency_ran(&residency, "a:1b", num_ctx, 1000);
    residency_look(&residency, &ps, 1001);
}

static void what_is_ours(void **state)
{
    static const struct {
        const char *what;
        int64_t ran_ctx, gave; /* our own run, and what it gave; gave 0: there was none */
        int64_t num_ctx, shown;
        bool ours;
    } rows[] = {
        {"nothing pinned, nothing known", 0, 0, 0, 4096, true},
        {"pinned, and so it is", 0, 0, 2048, 2048, true},
        {"pinned, somebody else has loaded it larger", 0, 0, 2048, 4096, false},
        {"pinned, somebody else has loaded it smaller", 0, 0, 8192, 4096, false},
        {"an Ollama that does not tell", 0, 0, 2048, 0, true},
        {"nothing pinned, as our last run has left it", 0, 4096, 0, 4096, true},
        {"nothing pinned, somebody else has reloaded it", 0, 4096, 0, 32768, false},
        {"pinned beyond what the model can, as our run has left it", 131072, 8192, 131072, 8192,
         true},
        {"the same, reloaded by somebody else", 131072, 8192, 131072, 4096, false},
        {"num_ctx was changed by SIGHUP after our run", 2048, 2048, 4096, 2048, false},
        {"num_ctx was taken away by SIGHUP after our run", 2048, 2048, 0, 2048, true},
        {"our run was seen by an Ollama that does not tell", 2048, 0, 2048, 0, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        residency_clear(&residency);
        if (rows[i].gave > 0)
            run(rows[i].ran_ctx, rows[i].gave);
        if (is_ours(rows[i].shown, rows[i].num_ctx) != rows[i].ours)
            fail_msg("%s", rows[i].what);
    }
}

static void an_answer_that_is_older_than_the_run_teaches_nothing(void **state)
{
    struct ps before = shows("a:1b", 4096), after = shows("a:1b", 2048);

    (void)state;
    residency_clear(&residency);
    (void)residency_ran(&residency, "a:1b", 2048, 1000);
    residency_look(&residency, &before, 999);
    assert_true(is_ours(4096, 2048)); /* it has just answered us, whatever is shown */
    residency_look(&residency, &after, 1000);
    assert_true(is_ours(2048, 2048));
    assert_false(is_ours(4096, 2048));
}

static void what_is_gone_at_the_look_is_still_known(void **state)
{
    struct ps other = shows("b:2b", 4096);

    (void)state;
    residency_clear(&residency);
    run(0, 4096);
    (void)residency_ran(&residency, "a:1b", 0, 2000);
    residency_look(&residency, &other, 2001);
    assert_true(is_ours(4096, 0));
    assert_false(is_ours(2048, 0));
}

static void what_is_known_is_given_up_when_two_looks_in_a_row_say_the_same_other_thing(void **state)
{
    (void)state;
    residency_clear(&residency);
    run(0, 4096);
    run(0, 8192); /* somebody has reloaded it before we looked */
    assert_false(is_ours(8192, 0));
    assert_true(is_ours(4096, 0));
    run(0, 4096);
    run(0, 8192);
    assert_true(is_ours(4096, 0)); /* not in a row */
    run(0, 16384);
    assert_true(is_ours(4096, 0)); /* not the same */
    run(0, 16384);
    assert_true(is_ours(16384, 0)); /* its Modelfile was changed */
    assert_false(is_ours(4096, 0));
}

static void the_first_look_after_a_run_is_asked_for(void **state)
{
    struct ps ps = shows("a:1b", 4096), old = shows("a:1b", 0);

    (void)state;
    residency_clear(&residency);
    assert_true(residency_ran(&residency, "a:1b", 0, 1000));
    residency_look(&residency, &old, 1001);
    assert_true(residency_ran(&residency, "a:1b", 0, 2000)); /* that Ollama does not tell */
    residency_look(&residency, &ps, 2001);
    assert_false(residency_ran(&residency, "a:1b", 0, 3000));
    assert_true(residency_ran(&residency, "a:1b", 2048, 4000)); /* SIGHUP */
}

static void the_one_not_run_longest_makes_room(void **state)
{
    char name[32];

    (void)state;
    residency_clear(&residency);
    run(0, 4096);
    for (int i = 0; i < RESIDENCY_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%d:latest", i);
        (void)residency_ran(&residency, name, 0, 2000 + i);
    }
    assert_int_equal(residency.n, RESIDENCY_MAX);
    assert_true(is_ours(8192, 0)); /* forgotten: nothing is expected */
    assert_string_equal(residency.models[0].name, "m31:latest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_ours),
        cmocka_unit_test(an_answer_that_is_older_than_the_run_teaches_nothing),
        cmocka_unit_test(what_is_gone_at_the_look_is_still_known),
        cmocka_unit_test(
            what_is_known_is_given_up_when_two_looks_in_a_row_say_the_same_other_thing),
        cmocka_unit_test(the_first_look_after_a_run_is_asked_for),
        cmocka_unit_test(the_one_not_run_longest_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
