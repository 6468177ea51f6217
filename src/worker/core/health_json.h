#ifndef WORKER_HEALTH_JSON_H
#define WORKER_HEALTH_JSON_H

/*
 * The health object of protocol section 5 as text. Pure but for the memory of `buf`.
 *
 * The object is written WITHOUT its closing brace and without `last_seen`: only Redis knows the
 * time that counts, so the script that stores it appends
 *
 *     ,"last_seen":N,"last_seen_ms":M}
 *
 * What is not known is null. Percentages and the temperature have one decimal, cut and not rounded;
 * the pressure has two, as the kernel writes it. Beyond the protocol's fields there are `suspect`
 * (models that hung here and have not been cleared), `foreign` (of `models`, what somebody else has
 * loaded with another context length) and `epoch`, and in `rates` `hits` (prompts
 * served from the prefix cache); `sizes_mb`
 * (MiB on disk by installed model), `loading` (the model being loaded ahead of need, or null) and
 * `sessions_max` (conversations of one model whose caches stay warm); `keeps_models` (whether
 * Ollama keeps what is in memory for ever); `counters` (what this process has counted since it
 * started).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct buf;
struct rates;
struct sensor_reading;
struct warm_sessions;

#define HEALTH_MODELS_MAX    64  /* resident, and suspect, models named; the rest is left out */
#define HEALTH_INSTALLED_MAX 512 /* installed models named; the rest is left out */
/* No health object is longer, whatever names users choose; for buf_init(). */
#define HEALTH_JSON_MAX_BYTES (size_t)(256 * 1024)

struct health_names {
    const struct span *names; /* canonical model names; UTF-8; may be NULL if n is 0 */
    size_t n;
};

/* Everything is borrowed for the call. */
struct health {
    struct span node_id;
    const struct sensor_reading *reading;
    struct health_names models; /* resident */
    struct health_names installed;
    struct health_names suspect;
    struct health_names
        foreign;          /* of `models`: loaded otherwise than we ask for it (residency.h) */
    const int64_t *sizes; /* bytes on disk of the installed ones, in order; NULL or 0: not known */
    const char *loading;  /* model being loaded ahead of need; NULL: none */
    size_t sessions_max;  /* conversations of one model that stay warm */
    bool knows_keep, keeps_models; /* ps_keeps() */
    bool available;
    const char *reason; /* availability_reason_name() */
    int slots;
    int in_flight;
    int64_t epoch;
    int64_t refused_ends, swaps, preloads; /* counters.h */
    const struct rates *rates;
    const struct warm_sessions *sessions;
    const char *agent_version;
    const char *ollama_version; /* NULL or "" = null */
};

/* Appends the object to `out`. False if out refused (no memory, or its cap is too small). */
bool health_encode(const struct health *health, struct buf *out);

#endif
