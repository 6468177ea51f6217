#ifndef ROUTER_METRICS_H
#define ROUTER_METRICS_H

/*
 * What a router counts about its own work, and the one table of everything that it exports. Pure;
 * zeroed memory is a valid beginning. docs/metrics.md has a line for each row of the table.
 *
 * Label values are bounded, whatever clients send: models that some node of the fleet has get a
 * place of their own until METRICS_MODELS_MAX are known, everything else is METRICS_OTHER; words
 * (reasons, kinds of command) likewise.
 *
 * Several routers: each counts what it did itself, and of what workers did the requests that it
 * gave them. So the sum over all routers is the whole, and nothing in it is counted twice.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model_name.h"
#include "common/span.h"

/* Every metric, in the order of the page. */
enum metric {
    METRIC_REQUESTS_RECEIVED = 0,
    METRIC_REQUESTS,
    METRIC_REQUEST_SECONDS,
    METRIC_FIRST_TOKEN_SECONDS,
    METRIC_QUEUE_SECONDS,
    METRIC_RUN_SECONDS,
    METRIC_TOKENS,
    METRIC_COLD_STARTS,
    METRIC_CACHE_HITS,
    METRIC_MOVES,
    METRIC_MOVES_REFUSED,
    METRIC_DECISIONS,
    METRIC_RETRIES,
    METRIC_TAKEBACKS,
    METRIC_DUPLICATES,
    METRIC_DEAD_LETTERS,
    METRIC_QUEUE_REQUESTS,
    METRIC_QUEUE_PARKED,
    METRIC_QUEUE_STREAM_LENGTH,
    METRIC_QUEUE_OLDEST_SECONDS,
    METRIC_MODEL_WAITING,
    METRIC_MODEL_NODES,
    METRIC_NODES,
    METRIC_NODE_UP,
    METRIC_NODE_SILENT_SECONDS,
    METRIC_NODE_TEMPERATURE,
    METRIC_NODE_HOT,
    METRIC_NODE_THROTTLED,
    METRIC_NODE_UNDER_VOLTAGE,
    METRIC_NODE_FREQ_CAPPED,
    METRIC_NODE_CPU,
    METRIC_NODE_MEMORY,
    METRIC_NODE_SLOTS,
    METRIC_NODE_IN_FLIGHT,
    METRIC_NODE_RESIDENT,
    METRIC_NODE_TOKENS_PER_SECOND,
    METRIC_NODE_SWAPS,
    METRIC_NODE_PRELOADS,
    METRIC_NODE_REFUSED_ENDS,
    METRIC_ROUTERS,
    METRIC_REDIS_UP,
    METRIC_REDIS_DURABLE,
    METRIC_REDIS_RECONNECTS,
    METRIC_REDIS_ERRORS,
    METRIC_REDIS_ROUND_TRIP,
    METRIC_BUILD_INFO,
    METRIC_PROCESS_START,
    METRIC_PROCESS_CPU,
    METRIC_PROCESS_MEMORY,
    METRIC_PROCESS_FDS,
    METRIC_PROCESS_MAX_FDS,
    METRIC_COUNT
};

struct metric_row {
    const char *name;
    const char *type; /* "counter", "gauge" or "histogram" */
    const char *help;
};

extern const struct metric_row metric_rows[METRIC_COUNT];

/* --- how a request ended ---------------------------------------------------------------------- */

#define METRICS_OUTCOMES_MAX 9

/* "done", the codes of docs/protocol.md, and "other". Indexes 0 to METRICS_OUTCOMES_MAX - 1. */
const char *metrics_outcome_name(size_t outcome);
size_t metrics_outcome(struct span code); /* "" is done */

/* --- figures ---------------------------------------------------------------------------------- */

/* Upper bounds in ms: from a cached answer of an idle Pi 5 to a long one of a Pi 4 that had to load
 * the model from its SD card. Beyond the last one only the count and the sum know. */
#define METRICS_BUCKETS 15
extern const int64_t metrics_bounds_ms[METRICS_BUCKETS];

struct metric_histogram {
    uint64_t buckets[METRICS_BUCKETS]; /* not cumulative */
    uint64_t count;
    int64_t sum_ms;
};

/* Negative values count as 0. */
void metrics_observe(struct metric_histogram *histogram, int64_t ms);

#define METRICS_MODELS_MAX 64
#define METRICS_OTHER      METRICS_MODELS_MAX /* the place of everything else */

struct metric_model {
    char name[MODEL_NAME_MAX + 1]; /* "" if unused */
    uint64_t outcomes[METRICS_OUTCOMES_MAX];
    uint64_t prompt_tokens, tokens;
    uint64_t cold_starts, cache_hits;
    struct metric_histogram request, first_token, queue, run;
};

/* A counter for each of some words. */
#define METRICS_WORDS_MAX  16 /* the last is "other" */
#define METRICS_WORD_BYTES 24
#define METRICS_OTHER_WORD "other"
struct metric_words {
    struct {
        char text[METRICS_WORD_BYTES]; /* "" if unused */
        uint64_t n;
    } words[METRICS_WORDS_MAX];
};

void metrics_word(struct metric_words *words, struct span text);

struct metrics {
    uint64_t received, moves, retries, duplicates, reconnects;
    struct metric_words moves_refused, decisions, takebacks, redis_errors;
    struct metric_model models[METRICS_MODELS_MAX + 1];
    size_t models_n; /* used, without METRICS_OTHER */

    /* As of the last look at Redis; negative: not known. */
    int64_t routers, dead_letters, round_trip_us;
    int durable; /* 0, 1 */
};

/* Nothing is known of Redis yet. */
void metrics_init(struct metrics *metrics);

/* The place of a model (canonical name). `is_known`: some node has it, so it may get a new place.
 */
size_t metrics_model(struct metrics *metrics, struct span name, bool is_known);

/* Of a request that a worker has finished, from its event: negative if not given. */
struct metric_run {
    int64_t queued_ms, first_ms, run_ms;
    int64_t prompt_tokens, tokens;
    bool loaded, cached;
};

void metrics_done(struct metric_model *model, const struct metric_run *run);

#endif
