#include "health_json.h"

#include <inttypes.h>

#include "common/buf.h"

#include "rates.h"
#include "sensor_reading.h"
#include "warm_sessions.h"

/* Members are written as ,"name":value; the first one of an object without the comma. A refused
 * append makes `out` fail as a whole, so the results are looked at once, at the end. */
static void add_name(struct buf *out, const char *name)
{
    bool is_first = out->len == 0 || out->ptr[out->len - 1] == '{';

    (void)buf_add_str(out, is_first ? "\"" : ",\"");
    (void)buf_add_str(out, name);
    (void)buf_add_str(out, "\":");
}

static void add_null(struct buf *out, const char *name)
{
    add_name(out, name);
    (void)buf_add_str(out, "null");
}

static void add_text(struct buf *out, const char *name, struct span text)
{
    if (text.len == 0) {
        add_null(out, name);
        return;
    }
    add_name(out, name);
    (void)buf_add_json_str(out, text);
}

static void add_integer(struct buf *out, const char *name, int64_t value)
{
    add_name(out, name);
    (void)buf_add_fmt(out, "%" PRId64, value);
}

/* A bool that may be unknown. */
static void add_flag(struct buf *out, const char *name, bool is_known, bool value)
{
    add_name(out, name);
    (void)buf_add_str(out, !is_known ? "null" : value ? "true" : "false");
}

/* `value` in units of 10^-decimals, which is at most 2. Integers, so that no locale and no rounding
 * can change what is written. */
static void add_decimal(struct buf *out, const char *name, int64_t value, int decimals)
{
    int64_t unit = decimals == 2 ? 100 : 10;
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    add_name(out, name);
    (void)buf_add_fmt(out, "%s%" PRIu64 ".%0*" PRIu64, value < 0 ? "-" : "", size / (uint64_t)unit,
                      decimals, size % (uint64_t)unit);
}

static void add_known_decimal(struct buf *out, const char *name, bool is_known, int64_t value,
                              int decimals)
{
    if (is_known) {
        add_decimal(out, name, value, decimals);
    } else {
        add_null(out, name);
    }
}

static void add_known_integer(struct buf *out, const char *name, bool is_known, int64_t value)
{
    if (is_known) {
        add_integer(out, name, value);
    } else {
        add_null(out, name);
    }
}

static void add_names(struct buf *out, const char *name, struct health_names list, size_t max)
{
    size_t n = list.n < max ? list.n : max;

    add_name(out, name);
    (void)buf_add_str(out, "[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            (void)buf_add_str(out, ",");
        (void)buf_add_json_str(out, list.names[i]);
    }
    (void)buf_add_str(out, "]");
}

/* Tenths of a degree, cut towards the colder side. */
static int64_t temp_deci(int32_t temp_mc)
{
    int64_t deci = temp_mc / 100;

    return temp_mc < 0 && temp_mc % 100 != 0 ? deci - 1 : deci;
}

static void add_load(struct buf *out, const struct sensor_reading *reading)
{
    add_known_decimal(out, "cpu_percent", reading->has_cpu, reading->cpu_permille, 1);
    add_known_decimal(out, "ram_percent", reading->has_ram, reading->ram_permille, 1);
    add_known_integer(out, "ram_used_mb", reading->has_ram, reading->ram_used_mb);
    add_known_integer(out, "ram_total_mb", reading->has_ram, reading->ram_total_mb);
    add_known_decimal(out, "temp_c", reading->has_temp, temp_deci(reading->temp_mc), 1);
}

static void add_board(struct buf *out, const struct sensor_reading *reading)
{
    add_flag(out, "throttled", reading->has_throttled, reading->throttled);
    add_flag(out, "under_voltage", reading->has_under_voltage, reading->under_voltage);
    add_flag(out, "freq_capped", reading->has_freq_capped, reading->freq_capped);
    add_known_decimal(out, "memory_pressure", reading->has_memory_pressure,
                      reading->memory_pressure_centi, 2);
    add_known_decimal(out, "swap_in_per_s", reading->has_swap_in, reading->swap_in_deci, 1);
    add_text(out, "board", span_str(reading->board));
    add_text(out, "boot_id", span_str(reading->boot_id));
    add_known_integer(out, "uptime_s", reading->has_uptime, reading->uptime_s);
}

static void add_average(struct buf *out, const char *name, bool is_known, double value)
{
    /* Averages of guarded numbers (rates.h) are at most 1e12. */
    add_known_decimal(out, name, is_known, is_known ? (int64_t)(value * 100.0 + 0.5) : 0, 2);
}

static void add_model_rates(struct buf *out, const struct rates_model *model)
{
    double value = 0;

    add_name(out, model->name);
    (void)buf_add_str(out, "{");
    bool is_known = rates_load_ms(model, &value);
    add_known_integer(out, "load_ms", is_known, (int64_t)value);
    is_known = rates_prompt_tps(model, &value);
    add_average(out, "prompt_tps", is_known, value);
    is_known = rates_gen_tps(model, &value);
    add_average(out, "gen_tps", is_known, value);
    is_known = rates_tokens_out(model, &value);
    add_average(out, "tokens_out", is_known, value);
    add_integer(out, "n", model->n);
    add_integer(out, "hits", model->hits);
    (void)buf_add_str(out, "}");
}

static void add_rates(struct buf *out, const struct rates *rates)
{
    add_name(out, "rates");
    (void)buf_add_str(out, "{");
    for (size_t i = 0; i < rates->n; i++)
        add_model_rates(out, &rates->models[i]);
    (void)buf_add_str(out, "}");
}

/* One conversation may be warm on two models; its key is listed once. */
static void add_sessions(struct buf *out, const struct warm_sessions *sessions)
{
    struct span keys[WARM_SESSIONS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < sessions->n; i++) {
        size_t seen = 0;
        while (seen < n && !span_is(keys[seen], sessions->items[i].key))
            seen++;
        if (seen == n)
            keys[n++] = span_str(sessions->items[i].key);
    }
    add_names(out, "sessions", (struct health_names){keys, n}, WARM_SESSIONS_MAX);
}

/* Names that need escapes are no model names. */
static void add_sizes(struct buf *out, const struct health *health)
{
    size_t n =
        health->installed.n < HEALTH_INSTALLED_MAX ? health->installed.n : HEALTH_INSTALLED_MAX;

    add_name(out, "sizes_mb");
    (void)buf_add_str(out, "{");
    for (size_t i = 0; health->sizes && i < n; i++) {
        if (health->sizes[i] <= 0)
            continue;
        (void)buf_add_str(out, out->ptr[out->len - 1] == '{' ? "" : ",");
        (void)buf_add_json_str(out, health->installed.names[i]);
        (void)buf_add_fmt(out, ":%" PRId64, (health->sizes[i] + 1048575) / 1048576);
    }
    (void)buf_add_str(out, "}");
}

static void add_counters(struct buf *out, const struct health *health)
{
    add_name(out, "counters");
    (void)buf_add_str(out, "{");
    add_integer(out, "refused_ends", health->refused_ends);
    add_integer(out, "swaps", health->swaps);
    add_integer(out, "preloads", health->preloads);
    (void)buf_add_str(out, "}");
}

bool health_encode(const struct health *health, struct buf *out)
{
    (void)buf_add_str(out, "{");
    add_text(out, "node_id", health->node_id);
    add_load(out, health->reading);
    add_names(out, "models", health->models, HEALTH_MODELS_MAX);
    add_flag(out, "available", true, health->available);
    add_text(out, "reason", span_str(health->reason));
    add_names(out, "installed", health->installed, HEALTH_INSTALLED_MAX);
    add_integer(out, "slots", health->slots);
    add_integer(out, "in_flight", health->in_flight);
    add_board(out, health->reading);
    add_rates(out, health->rates);
    add_sessions(out, health->sessions);
    add_names(out, "suspect", health->suspect, HEALTH_MODELS_MAX);
    add_names(out, "foreign", health->foreign, HEALTH_MODELS_MAX);
    add_sizes(out, health);
    add_text(out, "loading", span_str(health->loading ? health->loading : ""));
    add_integer(out, "sessions_max", (int64_t)health->sessions_max);
    add_flag(out, "keeps_models", health->knows_keep, health->keeps_models);
    add_text(out, "agent_version", span_str(health->agent_version));
    add_text(out, "ollama_version", span_str(health->ollama_version));
    add_counters(out, health);
    add_integer(out, "epoch", health->epoch);
    return !out->failed;
}
