#ifndef WORKER_RATES_H
#define WORKER_RATES_H

/*
 * How fast this node runs each model, as Ollama itself reported it: moving averages per model.
 * Pure.
 *
 * An answer's weight fades with RATES_ALPHA: average += weight * (sample - average), weight being
 * 1/n for the first answers (a plain mean) and never less than RATES_ALPHA; after ten more answers
 * an old one counts for a tenth. Speeds are averaged as tokens and nanoseconds apart and divided
 * when read, so that a long answer says more than a short one.
 *
 * Prompt speed is that of uncached prompts. Ollama counts all tokens of a prompt but times only
 * those it had not cached, so a prompt that looks RATES_HIT_FACTOR times as fast as usual was
 * (mostly) cached: it is counted as a hit and kept out of the average. The first prompt after the
 * model was loaded cannot have been cached; it anchors the average, which starts again from it if
 * it was off by that factor. Until such an anchor has been seen, a prompt much slower than usual
 * restarts it too: the earlier one must have been a hit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model_name.h"
#include "common/span.h"

#define RATES_MODELS_MAX 64       /* the least recently used one makes room */
#define RATES_ALPHA      0.2      /* weight of a new answer among many */
#define RATES_HIT_FACTOR 3.0      /* throttling slows a Pi by at most 60 %, i.e. a factor of 2.5 */
#define RATES_TOKENS_MAX 10000000 /* more tokens than this in one answer are nonsense: ignored */
#define RATES_NS_MAX     INT64_C(604800000000000) /* a week; likewise */
#define RATES_TPS_MAX    1e6                      /* tokens/s; likewise */

/* The last line of an answer. Ollama leaves out what is zero, so 0 means zero or absent. Negative
 * and huge numbers are ignored one by one. */
struct rates_sample {
    int64_t load_ns;            /* load_duration */
    int64_t prompt_tokens;      /* prompt_eval_count */
    int64_t prompt_ns;          /* prompt_eval_duration; embed has none */
    int64_t output_tokens;      /* eval_count */
    int64_t output_ns;          /* eval_duration */
    bool was_resident;          /* the model was loaded already when the request was sent: then
                                   load_ns is only overhead and does not enter load_ms */
    const char *ollama_version; /* borrowed; "" or NULL if unknown */
};

struct rates_model {
    char name[MODEL_NAME_MAX + 1]; /* canonical */
    uint64_t used;                 /* rates.used when last fed */
    uint32_t n;                    /* answers taken in, stops at UINT32_MAX */
    uint32_t load_n;               /* of which: real loads, */
    uint32_t prompt_n;             /* uncached prompts, */
    uint32_t output_n;             /* answers with output, */
    uint32_t hits;                 /* prompts served from the prefix cache */
    bool prompt_is_anchored;
    double load_ms;
    double prompt_tokens, prompt_ns;
    double output_tokens, output_ns;
};

/* Zeroed = empty. Written by rates_add() and rates_clear() only; models[0..n) in no order. */
struct rates {
    size_t n;
    uint64_t used;
    struct rates_model models[RATES_MODELS_MAX];
};

/* Takes in one finished answer of the model with this canonical name. A name that is empty or
 * longer than MODEL_NAME_MAX is ignored. */
void rates_add(struct rates *rates, struct span model, const struct rates_sample *sample);

/* Forgets everything: for a change of Ollama's version, whose speeds are not the old one's. */
void rates_clear(struct rates *rates);

/* The entry of a model, or NULL. Borrowed until the next change. */
const struct rates_model *rates_find(const struct rates *rates, struct span model);

/* The averages; false, output left alone, if there is none yet. */
bool rates_load_ms(const struct rates_model *model, double *ret_ms);
bool rates_prompt_tps(const struct rates_model *model, double *ret_tps);
bool rates_gen_tps(const struct rates_model *model, double *ret_tps);
bool rates_tokens_out(const struct rates_model *model, double *ret_tokens);

/* False for Ollama 0.12.5 and 0.12.6 (release candidates included), which time only the last batch
 * of a prompt (ollama/ollama #12742). */
bool rates_prompt_is_timed(const char *ollama_version);

#endif
