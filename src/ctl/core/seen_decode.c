/* JSON of others to what is shown. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"

#include "fleet_seen.h"

#define NUMBER_BYTES_MAX 40

/* A JSON number within the range; SEEN_UNKNOWN for everything else. */
static double number(struct span object, const char *name, double min, double max)
{
    struct span value = json_get(object, name);
    char text[NUMBER_BYTES_MAX];

    if (json_type(value) != JSON_NUMBER || !span_copy(value, text, sizeof text))
        return SEEN_UNKNOWN;
    double result = strtod(text, NULL);
    return result >= min && result <= max ? result : SEEN_UNKNOWN;
}

static int64_t integer(struct span object, const char *name, int64_t max)
{
    int64_t value;

    if (!json_to_i64(json_get(object, name), &value) || value < 0 || value > max)
        return -1;
    return value;
}

static int flag(struct span object, const char *name)
{
    bool value;

    return json_to_bool(json_get(object, name), &value) ? value : -1;
}

/* A text, cut; "" if it is none. */
static void text(struct span object, const char *name, char *buf, size_t cap)
{
    char whole[1024];

    buf[0] = '\0';
    if (json_string_decode(json_get(object, name), whole, sizeof whole))
        (void)span_copy(span_str(whole), buf, cap);
}

static void resident_decode(struct span object, struct seen_node *ret)
{
    struct json_iter it;
    char name[MODEL_NAME_MAX + 1];
    size_t len = 0;

    for (json_begin(&it, json_get(object, "models")); json_next(&it);) {
        ret->n_resident++;
        if (!json_string_decode(it.value, name, sizeof name))
            continue;
        size_t need = strlen(name) + (len ? 2 : 0);
        if (len + need >= sizeof ret->resident)
            continue;
        memcpy(ret->resident + len, ", ", len ? 2 : 0);
        memcpy(ret->resident + len + (len ? 2 : 0), name, strlen(name) + 1);
        len += need;
    }
}

static bool is_resident(struct span object, struct span raw_name)
{
    struct json_iter it;

    for (json_begin(&it, json_get(object, "models")); json_next(&it);) {
        if (span_eq(json_string_raw(it.value), raw_name))
            return true;
    }
    return false;
}

static void speed_decode(struct span object, struct seen_node *ret)
{
    struct json_iter it;
    double best = -1;

    ret->gen_tps = SEEN_UNKNOWN;
    for (json_begin(&it, json_get(object, "rates")); json_next(&it);) {
        double tps = number(it.value, "gen_tps", 0, 1e6), n = number(it.value, "n", 0, 1e12);
        double weight = (n > 0 ? n : 0) + (is_resident(object, it.key) ? 1e13 : 0);
        if (tps > 0 && weight > best) {
            best = weight;
            ret->gen_tps = tps;
        }
    }
}

static void board_decode(struct span object, struct seen_node *ret)
{
    ret->throttled = flag(object, "throttled");
    ret->under_voltage = flag(object, "under_voltage");
    ret->freq_capped = flag(object, "freq_capped");
    ret->keeps_models = flag(object, "keeps_models");
    text(object, "board", ret->board, sizeof ret->board);
    text(object, "ollama_version", ret->ollama_version, sizeof ret->ollama_version);
    text(object, "agent_version", ret->agent_version, sizeof ret->agent_version);
    ret->uptime_s = number(object, "uptime_s", 0, 1e10);
}

static void load_decode(struct span object, struct seen_node *ret)
{
    ret->temp_c = number(object, "temp_c", -100, 200);
    ret->cpu_pct = number(object, "cpu_percent", 0, 100);
    ret->ram_pct = number(object, "ram_percent", 0, 100);
    ret->ram_used_mb = number(object, "ram_used_mb", 0, 1e9);
    ret->ram_total_mb = number(object, "ram_total_mb", 0, 1e9);
    ret->pressure_pct = number(object, "memory_pressure", 0, 100);
    ret->swap_per_s = number(object, "swap_in_per_s", 0, 1e9);
    ret->slots = integer(object, "slots", 1024);
    ret->in_flight = integer(object, "in_flight", 1000000);
}

static int64_t last_seen(struct span object)
{
    int64_t ms = integer(object, "last_seen_ms", INT64_C(100000000000000));
    int64_t seconds = integer(object, "last_seen", INT64_C(100000000000));

    return ms >= 0 ? ms : seconds >= 0 ? seconds * 1000 + 999 : -1;
}

static bool is_object(struct span json)
{
    struct err err;

    return json.len <= SEEN_HEALTH_BYTES_MAX && json_type(json) == JSON_OBJECT &&
           json_check(json, &err) == 0;
}

/* Between two looks a clock may have moved on: what is seen in the future is seen now. */
static int64_t age(int64_t redis_ms, int64_t last_seen_ms)
{
    if (last_seen_ms < 0)
        return -1;
    return redis_ms > last_seen_ms ? redis_ms - last_seen_ms : 0;
}

void seen_node_decode(struct span id, struct span json, int64_t redis_ms, struct seen_node *ret)
{
    bool ok = is_object(json);
    struct json_iter it;

    *ret = (struct seen_node){.id = id, .length = -1};
    if (ok)
        ret->json = json;
    struct span object = ret->json;
    ret->available = flag(object, "available") != 0;
    text(object, "reason", ret->reason, sizeof ret->reason);
    load_decode(object, ret);
    board_decode(object, ret);
    resident_decode(object, ret);
    speed_decode(object, ret);
    for (json_begin(&it, json_get(object, "installed")); json_next(&it);)
        ret->n_installed++;
    ret->last_seen_ms = last_seen(object);
    ret->age_ms = age(redis_ms, ret->last_seen_ms);
}

void seen_router_decode(struct span id, struct span json, int64_t redis_ms, struct seen_router *ret)
{
    *ret = (struct seen_router){.id = id};
    if (is_object(json))
        ret->json = json;
    text(ret->json, "version", ret->version, sizeof ret->version);
    ret->window = integer(ret->json, "window", INT64_C(1000000000));
    ret->parked = integer(ret->json, "parked", INT64_C(1000000000));
    ret->last_seen_ms = last_seen(ret->json);
    ret->age_ms = age(redis_ms, ret->last_seen_ms);
}
