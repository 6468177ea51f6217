#include "rates.h"

#include <assert.h>
#include <string.h>

/* --- the table -------------------------------------------------------------------------------- */

static size_t find_index(const struct rates *rates, struct span model)
{
    size_t i = 0;

    while (i < rates->n && !span_is(model, rates->models[i].name))
        i++;
    return i;
}

const struct rates_model *rates_find(const struct rates *rates, struct span model)
{
    size_t i = find_index(rates, model);

    return i < rates->n ? &rates->models[i] : NULL;
}

static size_t least_recently_used(const struct rates *rates)
{
    size_t oldest = 0;

    for (size_t i = 1; i < rates->n; i++) {
        if (rates->models[i].used < rates->models[oldest].used)
            oldest = i;
    }
    return oldest;
}

/* The model's entry, made if need be. */
static struct rates_model *obtain(struct rates *rates, struct span name)
{
    size_t i = find_index(rates, name);

    if (i == rates->n) {
        if (rates->n < RATES_MODELS_MAX) {
            rates->n++;
        } else {
            i = least_recently_used(rates);
        }
        struct rates_model *fresh = &rates->models[i];
        *fresh = (struct rates_model){.n = 0};
        (void)span_copy(name, fresh->name, sizeof fresh->name);
    }
    rates->models[i].used = ++rates->used;
    return &rates->models[i];
}

void rates_clear(struct rates *rates)
{
    *rates = (struct rates){.n = 0};
}

/* --- averages --------------------------------------------------------------------------------- */

static void count_up(uint32_t *n)
{
    if (*n < UINT32_MAX)
        ++*n;
}

/* The weight of the n-th sample. */
static double weight_of(uint32_t n)
{
    assert(n > 0);
    double plain_mean = 1.0 / (double)n;

    return plain_mean > RATES_ALPHA ? plain_mean : RATES_ALPHA;
}

static void move_towards(double *average, double sample, double weight)
{
    *average += weight * (sample - *average);
}

/* A number of tokens and the time they took. */
struct pace {
    double tokens;
    double ns;
};

/* False if either is zero, absent or nonsense. */
static bool pace_of(int64_t tokens, int64_t ns, struct pace *ret)
{
    if (tokens <= 0 || tokens > RATES_TOKENS_MAX || ns <= 0 || ns > RATES_NS_MAX)
        return false;
    struct pace pace = {(double)tokens, (double)ns};
    if (pace.tokens * 1e9 > RATES_TPS_MAX * pace.ns)
        return false;
    *ret = pace;
    return true;
}

/* Is a at least RATES_HIT_FACTOR times as fast as b? */
static bool is_far_faster(struct pace a, struct pace b)
{
    return a.tokens * b.ns > RATES_HIT_FACTOR * b.tokens * a.ns;
}

static void add_load(struct rates_model *model, const struct rates_sample *sample)
{
    if (sample->was_resident || sample->load_ns <= 0 || sample->load_ns > RATES_NS_MAX)
        return;
    count_up(&model->load_n);
    move_towards(&model->load_ms, (double)sample->load_ns / 1e6, weight_of(model->load_n));
}

static void feed_prompt(struct rates_model *model, struct pace pace)
{
    count_up(&model->prompt_n);
    move_towards(&model->prompt_tokens, pace.tokens, weight_of(model->prompt_n));
    move_towards(&model->prompt_ns, pace.ns, weight_of(model->prompt_n));
}

/* Judges one timed prompt against the model's usual pace; see rates.h. */
static void judge_prompt(struct rates_model *model, struct pace pace, bool was_resident)
{
    struct pace usual = {model->prompt_tokens, model->prompt_ns};
    bool is_slow = model->prompt_n > 0 && is_far_faster(usual, pace);
    bool is_fast = model->prompt_n > 0 && is_far_faster(pace, usual);

    if (was_resident && is_fast) {
        count_up(&model->hits);
        return;
    }
    if ((!was_resident && (is_slow || is_fast)) || (is_slow && !model->prompt_is_anchored))
        model->prompt_n = 0; /* weight 1: starts again from this one */
    if (!was_resident)
        model->prompt_is_anchored = true;
    feed_prompt(model, pace);
}

static void add_prompt(struct rates_model *model, const struct rates_sample *sample)
{
    struct pace pace;

    if (!rates_prompt_is_timed(sample->ollama_version))
        return;
    if (pace_of(sample->prompt_tokens, sample->prompt_ns, &pace)) {
        judge_prompt(model, pace, sample->was_resident);
        return;
    }
    /* Nothing was left to evaluate. (Embeddings have no durations at all: no output either.) */
    if (sample->prompt_ns == 0 && sample->prompt_tokens > 0 && sample->output_tokens > 0)
        count_up(&model->hits);
}

static void add_output(struct rates_model *model, const struct rates_sample *sample)
{
    struct pace pace;

    if (!pace_of(sample->output_tokens, sample->output_ns, &pace))
        return;
    count_up(&model->output_n);
    move_towards(&model->output_tokens, pace.tokens, weight_of(model->output_n));
    move_towards(&model->output_ns, pace.ns, weight_of(model->output_n));
}

void rates_add(struct rates *rates, struct span model, const struct rates_sample *sample)
{
    if (model.len == 0 || model.len > MODEL_NAME_MAX || memchr(model.ptr, '\0', model.len))
        return;
    struct rates_model *entry = obtain(rates, model);

    count_up(&entry->n);
    add_load(entry, sample);
    add_prompt(entry, sample);
    add_output(entry, sample);
}

bool rates_load_ms(const struct rates_model *model, double *ret_ms)
{
    if (model->load_n == 0)
        return false;
    *ret_ms = model->load_ms;
    return true;
}

bool rates_prompt_tps(const struct rates_model *model, double *ret_tps)
{
    if (model->prompt_n == 0)
        return false;
    *ret_tps = model->prompt_tokens / model->prompt_ns * 1e9;
    return true;
}

bool rates_gen_tps(const struct rates_model *model, double *ret_tps)
{
    if (model->output_n == 0)
        return false;
    *ret_tps = model->output_tokens / model->output_ns * 1e9;
    return true;
}

bool rates_tokens_out(const struct rates_model *model, double *ret_tokens)
{
    if (model->output_n == 0)
        return false;
    *ret_tokens = model->output_tokens;
    return true;
}

bool rates_prompt_is_timed(const char *ollama_version)
{
    static const char *const untimed[] = {"0.12.5", "0.12.6"};

    if (!ollama_version)
        return true;
    for (size_t i = 0; i < sizeof untimed / sizeof untimed[0]; i++) {
        size_t len = strlen(untimed[i]);
        if (strncmp(ollama_version, untimed[i], len) != 0)
            continue;
        char next = ollama_version[len];
        if (next == '\0' || next == '-' || next == '+')
            return false;
    }
    return true;
}
