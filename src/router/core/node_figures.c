#include "node_figures.h"

#include <string.h>

#include "common/json.h"
#include "common/model_name.h"

static int64_t counter(struct span counters, const char *name)
{
    int64_t n = -1;

    if (json_type(counters) != JSON_OBJECT || !json_to_i64(json_get(counters, name), &n) || n < 0)
        return -1;
    return n;
}

/* "12.34" in thousandths; -1 if it is something else. */
static int32_t thousandths(struct span number)
{
    const char *point = number.len ? memchr(number.ptr, '.', number.len) : NULL;
    size_t whole_len = point ? (size_t)(point - number.ptr) : number.len;
    int64_t whole, value;

    if (!span_to_i64((struct span){number.ptr, whole_len}, &whole) || whole < 0 ||
        whole > NODE_FIGURES_TPS_MAX)
        return -1;
    value = whole * 1000;
    for (size_t i = whole_len + 1, unit = 100; i < number.len && unit > 0; i++, unit /= 10) {
        if (number.ptr[i] < '0' || number.ptr[i] > '9')
            return -1;
        value += (int64_t)unit * (number.ptr[i] - '0');
    }
    return (int32_t)value;
}

/* `rates` has the models by their canonical names, and so has `models`. */
static int32_t first_resident_speed(struct span health)
{
    struct span models = json_get(health, "models"), rates = json_get(health, "rates");
    char name[MODEL_NAME_MAX + 1];
    struct json_iter it;

    if (json_type(models) != JSON_ARRAY || json_type(rates) != JSON_OBJECT)
        return -1;
    json_begin(&it, models);
    if (!json_next(&it) || !json_string_decode(it.value, name, sizeof name))
        return -1;

    struct span rate = json_get(rates, name);
    if (json_type(rate) != JSON_OBJECT)
        return -1;
    struct span speed = json_get(rate, "gen_tps");
    return json_type(speed) == JSON_NUMBER ? thousandths(speed) : -1;
}

void node_figures_decode(struct span health, struct node_figures *ret)
{
    struct span counters = json_get(health, "counters");

    *ret = (struct node_figures){
        .refused_ends = counter(counters, "refused_ends"),
        .swaps = counter(counters, "swaps"),
        .preloads = counter(counters, "preloads"),
        .gen_mtps = first_resident_speed(health),
    };
}
