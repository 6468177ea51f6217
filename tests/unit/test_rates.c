#include <stdio.h>
#include <string.h>

#include "rates.h"
#include "test.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

static struct rates rates;
static const struct span GEMMA = {"gemma3:1b", 9};

static int start_empty(void **state)
{
    (void)state;
    rates_clear(&rates);
    return 0;
}

static void add_prompt(int64_t tokens, int64_t ns, bool was_resident)
{
    struct rates_sample sample = {
        .prompt_tokens = tokens, .prompt_ns = ns, .output_tokens = 1, .was_resident = was_resident};

    rates_add(&rates, GEMMA, &sample);
}

static const struct rates_model *gemma(void)
{
    const struct rates_model *model = rates_find(&rates, GEMMA);

    assert_non_null(model);
    return model;
}

static double prompt_tps(void)
{
    double tps = -1;

    (void)rates_prompt_tps(gemma(), &tps);
    return tps;
}

static void assert_near(double got, double want)
{
    if (got < want * 0.999 || got > want * 1.001)
        fail_msg("%f instead of %f", got, want);
}

static void test_a_final_line_gives_all_four_averages(void **state)
{
    /* The example of ollama's documentation. */
    struct rates_sample sample = {.load_ns = 1334875,
                                  .prompt_tokens = 26,
                                  .prompt_ns = 342546000,
                                  .output_tokens = 282,
                                  .output_ns = 4535599000,
                                  .ollama_version = "0.32.15"};
    double value = 0;

    (void)state;
    rates_add(&rates, GEMMA, &sample);
    assert_true(rates_load_ms(gemma(), &value));
    assert_near(value, 1.334875);
    assert_true(rates_prompt_tps(gemma(), &value));
    assert_near(value, 75.9022);
    assert_true(rates_gen_tps(gemma(), &value));
    assert_near(value, 62.1748);
    assert_true(rates_tokens_out(gemma(), &value));
    assert_near(value, 282);
    assert_int_equal(gemma()->n, 1);
}

static void test_what_was_never_reported_is_unknown(void **state)
{
    struct rates_sample sample = {.load_ns = 0};
    double value = -7;

    (void)state;
    assert_null(rates_find(&rates, GEMMA));
    rates_add(&rates, GEMMA, &sample);
    assert_false(rates_load_ms(gemma(), &value));
    assert_false(rates_prompt_tps(gemma(), &value));
    assert_false(rates_gen_tps(gemma(), &value));
    assert_false(rates_tokens_out(gemma(), &value));
    assert_near(value * -1, 7);
    assert_int_equal(gemma()->n, 1);
}

static void test_the_overhead_of_a_loaded_model_is_no_load(void **state)
{
    struct rates_sample sample = {.load_ns = 20 * S};
    double load_ms = 0;

    (void)state;
    rates_add(&rates, GEMMA, &sample);
    sample = (struct rates_sample){.load_ns = 100 * MS, .was_resident = true};
    rates_add(&rates, GEMMA, &sample);
    assert_true(rates_load_ms(gemma(), &load_ms));
    assert_near(load_ms, 20000);
}

static void test_first_answers_are_a_plain_mean_then_old_ones_fade(void **state)
{
    struct rates_sample sample = {.load_ns = 10 * S};
    double load_ms = 0;

    (void)state;
    rates_add(&rates, GEMMA, &sample);
    sample.load_ns = 20 * S;
    rates_add(&rates, GEMMA, &sample);
    (void)rates_load_ms(gemma(), &load_ms);
    assert_near(load_ms, 15000);
    for (int i = 0; i < 100; i++)
        rates_add(&rates, GEMMA, &sample);
    (void)rates_load_ms(gemma(), &load_ms);
    assert_near(load_ms, 20000);
    sample.load_ns = 10 * S;
    rates_add(&rates, GEMMA, &sample);
    (void)rates_load_ms(gemma(), &load_ms);
    assert_near(load_ms, 18000); /* RATES_ALPHA */
}

static void test_a_cached_prompt_is_counted_and_not_averaged(void **state)
{
    (void)state;
    add_prompt(600, 10 * S, false); /* 60 tok/s */
    add_prompt(1000, 1 * S, true);  /* 1000 tok/s: nearly all of it was cached */
    assert_near(prompt_tps(), 60);
    assert_int_equal(gemma()->hits, 1);
    add_prompt(600, 8 * S, true); /* 75 tok/s: uncached */
    assert_int_equal(gemma()->hits, 1);
    assert_near(prompt_tps(), 600 / 9.0);
}

static void test_a_prompt_cached_whole_has_no_duration_and_is_a_hit(void **state)
{
    (void)state;
    add_prompt(600, 10 * S, false);
    add_prompt(600, 0, true);
    assert_int_equal(gemma()->hits, 1);
    assert_near(prompt_tps(), 60);
}

static void test_an_embedding_without_durations_is_no_hit(void **state)
{
    struct rates_sample sample = {.prompt_tokens = 500, .was_resident = true};

    (void)state;
    rates_add(&rates, GEMMA, &sample);
    assert_int_equal(gemma()->hits, 0);
    assert_int_equal(gemma()->n, 1);
}

/* A worker that starts beside a warm Ollama may see a cached prompt first. */
static void test_a_first_hit_is_found_out_by_the_next_slow_prompt(void **state)
{
    (void)state;
    add_prompt(1000, 1 * S, true);
    assert_near(prompt_tps(), 1000);
    add_prompt(600, 10 * S, true);
    assert_near(prompt_tps(), 60);
    add_prompt(1000, 1 * S, true);
    assert_near(prompt_tps(), 60);
    assert_int_equal(gemma()->hits, 1);
}

static void test_a_fresh_load_anchors_the_prompt_rate(void **state)
{
    (void)state;
    add_prompt(600, 10 * S, false);
    add_prompt(600, 100 * S, true); /* swapping: slow, but no reason to start again */
    assert_true(prompt_tps() > 6.1 && prompt_tps() < 60);
    add_prompt(600, 2 * S, false); /* loaded anew, nothing cached: 300 tok/s is real */
    assert_near(prompt_tps(), 300);
    assert_int_equal(gemma()->hits, 0);
}

static void test_versions_that_time_only_the_last_batch_are_ignored(void **state)
{
    static const char *const bad[] = {"0.12.5", "0.12.6", "0.12.6-rc1", "0.12.5+dirty"};
    static const char *const good[] = {"0.12.4",  "0.12.7", "0.12.50", "0.12.60",
                                       "0.12.11", "",       "0.12",    "1.0.12.5"};
    double tps = 0;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rates_sample sample = {.prompt_tokens = 100,
                                      .prompt_ns = 1 * MS,
                                      .output_tokens = 10,
                                      .output_ns = 1 * S,
                                      .ollama_version = bad[i]};
        assert_false(rates_prompt_is_timed(bad[i]));
        rates_add(&rates, GEMMA, &sample);
    }
    assert_false(rates_prompt_tps(gemma(), &tps));
    assert_true(rates_gen_tps(gemma(), &tps));
    assert_int_equal(gemma()->hits, 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(rates_prompt_is_timed(good[i]));
    assert_true(rates_prompt_is_timed(NULL));
}

static void test_nonsense_is_ignored_number_by_number(void **state)
{
    static const int64_t odd[] = {INT64_MIN, -1, 0, INT64_MAX};
    double value = 0;

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct rates_sample sample = {odd[i], odd[i], odd[i], odd[i], odd[i], false, NULL};
        rates_add(&rates, GEMMA, &sample);
        sample = (struct rates_sample){odd[i], 100, odd[i], 100, odd[i], false, NULL};
        rates_add(&rates, GEMMA, &sample);
    }
    struct rates_sample too_fast = {.output_tokens = 1000, .output_ns = 1};
    rates_add(&rates, GEMMA, &too_fast);
    assert_false(rates_load_ms(gemma(), &value));
    assert_false(rates_prompt_tps(gemma(), &value));
    assert_false(rates_gen_tps(gemma(), &value));
}

static void test_the_least_recently_used_model_makes_room(void **state)
{
    struct rates_sample sample = {.load_ns = 1 * S};
    char name[16];

    (void)state;
    for (int i = 0; i < RATES_MODELS_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%d:latest", i);
        rates_add(&rates, span_str(name), &sample);
    }
    rates_add(&rates, span_str("m0:latest"), &sample); /* m1 is now the oldest */
    rates_add(&rates, GEMMA, &sample);
    assert_int_equal(rates.n, RATES_MODELS_MAX);
    assert_non_null(rates_find(&rates, span_str("m0:latest")));
    assert_null(rates_find(&rates, span_str("m1:latest")));
    assert_int_equal(gemma()->n, 1);
}

static void test_a_name_that_cannot_be_kept_is_ignored(void **state)
{
    char name[MODEL_NAME_MAX + 2];
    struct rates_sample sample = {.load_ns = 1 * S};

    (void)state;
    memset(name, 'a', sizeof name);
    rates_add(&rates, (struct span){name, MODEL_NAME_MAX + 1}, &sample);
    rates_add(&rates, (struct span){NULL, 0}, &sample);
    rates_add(&rates, (struct span){"a\0b", 3}, &sample);
    assert_int_equal(rates.n, 0);
    rates_add(&rates, (struct span){name, MODEL_NAME_MAX}, &sample);
    assert_non_null(rates_find(&rates, (struct span){name, MODEL_NAME_MAX}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_final_line_gives_all_four_averages, start_empty),
        cmocka_unit_test_setup(test_what_was_never_reported_is_unknown, start_empty),
        cmocka_unit_test_setup(test_the_overhead_of_a_loaded_model_is_no_load, start_empty),
        cmocka_unit_test_setup(test_first_answers_are_a_plain_mean_then_old_ones_fade, start_empty),
        cmocka_unit_test_setup(test_a_cached_prompt_is_counted_and_not_averaged, start_empty),
        cmocka_unit_test_setup(test_a_prompt_cached_whole_has_no_duration_and_is_a_hit,
                               start_empty),
        cmocka_unit_test_setup(test_an_embedding_without_durations_is_no_hit, start_empty),
        cmocka_unit_test_setup(test_a_first_hit_is_found_out_by_the_next_slow_prompt, start_empty),
        cmocka_unit_test_setup(test_a_fresh_load_anchors_the_prompt_rate, start_empty),
        cmocka_unit_test_setup(test_versions_that_time_only_the_last_batch_are_ignored,
                               start_empty),
        cmocka_unit_test_setup(test_nonsense_is_ignored_number_by_number, start_empty),
        cmocka_unit_test_setup(test_the_least_recently_used_model_makes_room, start_empty),
        cmocka_unit_test_setup(test_a_name_that_cannot_be_kept_is_ignored, start_empty),
    };

    return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
