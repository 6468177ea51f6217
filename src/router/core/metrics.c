#include "metrics.h"

#include <string.h>

#include "common/request.h"

const int64_t metrics_bounds_ms[METRICS_BUCKETS] = {
    100,   250,   500,    1000,   2500,   5000,    10000,   20000,
    30000, 60000, 120000, 300000, 600000, 1200000, 1800000,
};

static const char *const outcomes[] = {
    "done",
    CODE_INVALID_REQUEST,
    CODE_UNKNOWN_MODEL,
    CODE_QUEUE_FULL,
    CODE_DEADLINE_EXCEEDED,
    CODE_CANCELLED,
    CODE_ATTEMPTS_EXHAUSTED,
    CODE_REPLY_TOO_LARGE,
    "other",
};
_Static_assert(sizeof outcomes / sizeof outcomes[0] == METRICS_OUTCOMES_MAX, "one name each");

const char *metrics_outcome_name(size_t outcome)
{
    return outcomes[outcome];
}

size_t metrics_outcome(struct span code)
{
    if (code.len == 0)
        return 0;
    for (size_t i = 1; i < METRICS_OUTCOMES_MAX; i++) {
        if (span_is(code, outcomes[i]))
            return i;
    }
    return METRICS_OUTCOMES_MAX - 1;
}

void metrics_observe(struct metric_histogram *histogram, int64_t ms)
{
    size_t i = 0;

    if (ms < 0)
        ms = 0;
    while (i < METRICS_BUCKETS && ms > metrics_bounds_ms[i])
        i++;
    if (i < METRICS_BUCKETS)
        histogram->buckets[i]++;
    histogram->count++;
    histogram->sum_ms += ms;
}

void metrics_word(struct metric_words *words, struct span text)
{
    size_t i = 0;

    if (text.len == 0 || text.len >= METRICS_WORD_BYTES)
        text = span_str(METRICS_OTHER_WORD);
    while (i < METRICS_WORDS_MAX - 1 && words->words[i].text[0] &&
           !span_is(text, words->words[i].text))
        i++;
    if (i == METRICS_WORDS_MAX - 1)
        text = span_str(METRICS_OTHER_WORD);
    (void)span_copy(text, words->words[i].text, METRICS_WORD_BYTES);
    words->words[i].n++;
}

void metrics_init(struct metrics *metrics)
{
    memset(metrics, 0, sizeof *metrics);
    metrics->routers = metrics->dead_letters = metrics->round_trip_us = metrics->durable = -1;
}

size_t metrics_model(struct metrics *metrics, struct span name, bool is_known)
{
    for (size_t i = 0; i < metrics->models_n; i++) {
        if (span_is(name, metrics->models[i].name))
            return i;
    }
    if (!is_known || metrics->models_n == METRICS_MODELS_MAX || name.len == 0 ||
        !span_copy(name, metrics->models[metrics->models_n].name, MODEL_NAME_MAX + 1))
        return METRICS_OTHER;
    return metrics->models_n++;
}

static uint64_t counted(int64_t n)
{
    return n > 0 ? (uint64_t)n : 0;
}

void metrics_done(struct metric_model *model, const struct metric_run *run)
{
    int64_t queued_ms = run->queued_ms > 0 ? run->queued_ms : 0;

    if (run->run_ms >= 0) {
        metrics_observe(&model->run, run->run_ms);
        metrics_observe(&model->request, queued_ms + run->run_ms);
    }
    if (run->first_ms >= 0)
        metrics_observe(&model->first_token, queued_ms + run->first_ms);
    model->prompt_tokens += counted(run->prompt_tokens);
    model->tokens += counted(run->tokens);
    model->cold_starts += run->loaded;
    model->cache_hits += run->cached;
}
