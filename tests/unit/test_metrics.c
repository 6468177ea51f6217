/* The router's figures: their table, and how little of them outsiders can choose. */

#include <stdio.h>
#include <string.h>

#include "common/keys.h"

#include "metrics.h"
#include "node_figures.h"
#include "test.h"

static struct metrics metrics;

static void test_the_table_has_a_row_for_each_metric(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        size_t len = row->name ? strlen(row->name) : 0;

        assert_non_null(row->name);
        assert_true(row->help[strlen(row->help) - 1] == '.');
        bool is_total = len > 6 && strcmp(row->name + len - 6, "_total") == 0;
        assert_int_equal(is_total, strcmp(row->type, "counter") == 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(metric_rows[j].name, row->name);
    }
}

static void test_a_value_falls_into_the_smallest_bucket_that_holds_it(void **state)
{
    struct metric_histogram histogram = {{0}, 0, 0};

    (void)state;
    metrics_observe(&histogram, -5);
    metrics_observe(&histogram, 100);
    metrics_observe(&histogram, 101);
    metrics_observe(&histogram, 1800000);
    metrics_observe(&histogram, 1800001);
    assert_int_equal(histogram.buckets[0], 2);
    assert_int_equal(histogram.buckets[1], 1);
    assert_int_equal(histogram.buckets[METRICS_BUCKETS - 1], 1);
    assert_int_equal(histogram.count, 5);
    assert_int_equal(histogram.sum_ms, 100 + 101 + 1800000 + 1800001);
    for (size_t i = 1; i < METRICS_BUCKETS; i++)
        assert_true(metrics_bounds_ms[i - 1] < metrics_bounds_ms[i]);
}

static void test_only_models_of_the_fleet_get_a_place_and_only_so_many(void **state)
{
    char name[32];

    (void)state;
    metrics_init(&metrics);
    assert_int_equal(metrics_model(&metrics, span_str("made-up"), false), METRICS_OTHER);
    assert_int_equal(metrics_model(&metrics, span_str("a"), true), 0);
    assert_int_equal(metrics_model(&metrics, span_str("a"), false), 0); /* its last node is gone */
    assert_int_equal(metrics_model(&metrics, span_str(""), true), METRICS_OTHER);
    for (int i = 1; i < METRICS_MODELS_MAX; i++) {
        (void)snprintf(name, sizeof name, "m%d", i);
        assert_int_equal(metrics_model(&metrics, span_str(name), true), i);
    }
    assert_int_equal(metrics_model(&metrics, span_str("one-more"), true), METRICS_OTHER);
    assert_int_equal(metrics.models_n, METRICS_MODELS_MAX);
}

static void test_words_are_counted_apart_until_there_are_too_many(void **state)
{
    struct metric_words words = {{{{0}, 0}}};
    char word[64];

    (void)state;
    for (int i = 0; i < 40; i++) {
        (void)snprintf(word, sizeof word, "w%d", i / 2);
        metrics_word(&words, span_str(word));
    }
    assert_string_equal(words.words[0].text, "w0");
    assert_int_equal(words.words[0].n, 2);
    assert_string_equal(words.words[METRICS_WORDS_MAX - 1].text, "other");
    assert_int_equal(words.words[METRICS_WORDS_MAX - 1].n, 40 - 2 * (METRICS_WORDS_MAX - 1));
    memset(&words, 0, sizeof words);
    metrics_word(&words, span_str("a-word-that-is-longer-than-any-reason"));
    assert_string_equal(words.words[0].text, "other");
}

static void test_every_code_has_its_outcome(void **state)
{
    (void)state;
    assert_string_equal(metrics_outcome_name(metrics_outcome(span_str(""))), "done");
    assert_string_equal(metrics_outcome_name(metrics_outcome(span_str(CODE_REPLY_TOO_LARGE))),
                        CODE_REPLY_TOO_LARGE);
    assert_string_equal(metrics_outcome_name(metrics_outcome(span_str("done"))), "other");
    assert_string_equal(metrics_outcome_name(metrics_outcome(span_str("forged"))), "other");
}

static void test_what_an_event_does_not_tell_is_not_counted(void **state)
{
    struct metric_model model = {.name = "m"};
    struct metric_run run = {.queued_ms = -1, .first_ms = -1, .run_ms = -1, .tokens = -1};

    (void)state;
    metrics_done(&model, &run);
    assert_int_equal(model.run.count + model.request.count + model.first_token.count, 0);
    assert_int_equal(model.tokens, 0);
    run = (struct metric_run){.queued_ms = 1000,
                              .first_ms = 500,
                              .run_ms = 3000,
                              .prompt_tokens = 7,
                              .tokens = 9,
                              .loaded = true,
                              .cached = true};
    metrics_done(&model, &run);
    assert_int_equal(model.request.sum_ms, 4000);
    assert_int_equal(model.first_token.sum_ms, 1500);
    assert_int_equal(model.run.sum_ms, 3000);
    assert_int_equal(model.prompt_tokens, 7);
    assert_int_equal(model.tokens, 9);
    assert_int_equal(model.cold_starts, 1);
    assert_int_equal(model.cache_hits, 1);
}

static void test_a_nodes_figures_are_read_or_unknown(void **state)
{
    static const struct {
        const char *json;
        int64_t swaps;
        int32_t gen_mtps;
    } cases[] = {
        {"{\"models\":[\"m\",\"n\"],\"rates\":{\"n\":{\"gen_tps\":1},\"m\":{\"gen_tps\":12.34}},"
         "\"counters\":{\"swaps\":3}}",
         3, 12340},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":{\"gen_tps\":9}},\"counters\":{\"swaps\":-3}}", -1,
         9000},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":{\"gen_tps\":null}},\"counters\":7}", -1, -1},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":{\"gen_tps\":1e3}}}", -1, -1},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":{\"gen_tps\":-1.5}}}", -1, -1},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":{\"gen_tps\":99999999999}}}", -1, -1},
        {"{\"models\":[\"m\"],\"rates\":{\"m\":5}}", -1, -1},
        {"{\"models\":[7],\"rates\":[]}", -1, -1},
        {"{\"models\":[],\"rates\":{}}", -1, -1},
        {"{}", -1, -1},
    };
    struct node_figures figures;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        node_figures_decode(span_str(cases[i].json), &figures);
        assert_int_equal(figures.swaps, cases[i].swaps);
        assert_int_equal(figures.gen_mtps, cases[i].gen_mtps);
        assert_int_equal(figures.preloads, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_has_a_row_for_each_metric),
        cmocka_unit_test(test_a_value_falls_into_the_smallest_bucket_that_holds_it),
        cmocka_unit_test(test_only_models_of_the_fleet_get_a_place_and_only_so_many),
        cmocka_unit_test(test_words_are_counted_apart_until_there_are_too_many),
        cmocka_unit_test(test_every_code_has_its_outcome),
        cmocka_unit_test(test_what_an_event_does_not_tell_is_not_counted),
        cmocka_unit_test(test_a_nodes_figures_are_read_or_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
