#include "node_health.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/model_name.h"
#include "common/node_id.h"
#include "common/request.h"

#define LAST_SEEN_MAX_MS INT64_C(100000000000000) /* the year 5138 */
#define REASON_BYTES_MAX 1024
#define SHOWN_MAX        40 /* bytes of a bad value that an error quotes */

/* --- numbers ---------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip(struct span *text, size_t n)
{
    text->ptr += n;
    text->len -= n;
}

/* Reads digits into *mantissa as long as it stays below 10^15. Returns the power of ten that is
 * missing then: digits that did not fit, less those that did if they stand behind the point. */
static int digits_take(struct span *text, int64_t *mantissa, bool is_fraction)
{
    int power = 0;

    for (; text->len > 0 && is_digit(text->ptr[0]); skip(text, 1)) {
        bool fits = *mantissa < INT64_C(100000000000000);
        if (fits)
            *mantissa = *mantissa * 10 + (text->ptr[0] - '0');
        if (fits && is_fraction)
            power--;
        if (!fits && !is_fraction)
            power++;
    }
    return power;
}

/* The exponent with its e or E, cut at +-1000000000; 0 if there is none. */
static int exponent_take(struct span text)
{
    int64_t value = 0;

    if (text.len < 2)
        return 0;
    skip(&text, 1);
    bool is_negative = text.ptr[0] == '-';
    if (is_negative || text.ptr[0] == '+')
        skip(&text, 1);
    (void)digits_take(&text, &value, false);
    if (value > 1000000000)
        value = 1000000000;
    return is_negative ? -(int)value : (int)value;
}

/* A JSON number times 1000, cut towards zero. False if it is 10^15 or more. */
static bool number_milli(struct span number, int64_t *ret)
{
    int64_t mantissa = 0;
    bool is_negative = number.len > 0 && number.ptr[0] == '-';

    if (is_negative)
        skip(&number, 1);
    int power = 3 + digits_take(&number, &mantissa, false);
    if (number.len > 0 && number.ptr[0] == '.') {
        skip(&number, 1);
        power += digits_take(&number, &mantissa, true);
    }
    power += exponent_take(number);
    for (; power > 0 && mantissa != 0; power--) {
        if (mantissa >= INT64_C(100000000000000))
            return false;
        mantissa *= 10;
    }
    for (; power < 0 && mantissa != 0; power++)
        mantissa /= 10;
    *ret = is_negative ? -mantissa : mantissa;
    return true;
}

/* --- members ---------------------------------------------------------------------------------- */

static struct span shown(struct span value)
{
    if (value.len > SHOWN_MAX)
        value.len = SHOWN_MAX;
    return value;
}

static bool is_given(struct span value)
{
    enum json_type type = json_type(value);

    return type != JSON_NONE && type != JSON_NULL;
}

/* What is read, found in one walk, in the order in which workers write it: a heartbeat has some
 * forty members, and a router may read thousands a second. */
enum given {
    GIVEN_NODE_ID = 0,
    GIVEN_CPU,
    GIVEN_RAM,
    GIVEN_TEMP,
    GIVEN_MODELS,
    GIVEN_AVAILABLE,
    GIVEN_REASON,
    GIVEN_INSTALLED,
    GIVEN_SLOTS,
    GIVEN_IN_FLIGHT,
    GIVEN_THROTTLED,
    GIVEN_UNDER_VOLTAGE,
    GIVEN_FREQ_CAPPED,
    GIVEN_PRESSURE,
    GIVEN_SESSIONS,
    GIVEN_SUSPECT,
    GIVEN_FOREIGN,
    GIVEN_LAST_SEEN,
    GIVEN_LAST_SEEN_MS,
    GIVEN_COUNT
};

static const char *const given_names[GIVEN_COUNT] = {
    [GIVEN_NODE_ID] = "node_id",
    [GIVEN_CPU] = "cpu_percent",
    [GIVEN_RAM] = "ram_percent",
    [GIVEN_TEMP] = "temp_c",
    [GIVEN_MODELS] = "models",
    [GIVEN_AVAILABLE] = "available",
    [GIVEN_REASON] = "reason",
    [GIVEN_INSTALLED] = "installed",
    [GIVEN_SLOTS] = "slots",
    [GIVEN_IN_FLIGHT] = "in_flight",
    [GIVEN_THROTTLED] = "throttled",
    [GIVEN_UNDER_VOLTAGE] = "under_voltage",
    [GIVEN_FREQ_CAPPED] = "freq_capped",
    [GIVEN_PRESSURE] = "memory_pressure",
    [GIVEN_SESSIONS] = "sessions",
    [GIVEN_SUSPECT] = "suspect",
    [GIVEN_FOREIGN] = "foreign",
    [GIVEN_LAST_SEEN] = "last_seen",
    [GIVEN_LAST_SEEN_MS] = "last_seen_ms",
};

static int refuse(enum given given, struct span value, const char *expected, struct err *err)
{
    return err_set(err, -EINVAL, "%s is %.*s (should be %s)", given_names[given],
                   SPAN_ARG(shown(value)), expected);
}

/* What one numeric member is: thousandths are divided by `unit`. */
struct member {
    enum given given;
    size_t offset; /* of an int32_t in struct node_health */
    int64_t unit, min, max;
    const char *expected;
};

#define MEMBER(given, field, unit, min, max, expected)                                             \
    {                                                                                              \
        given, offsetof(struct node_health, field), unit, min, max, expected                       \
    }

static const struct member members[] = {
    MEMBER(GIVEN_TEMP, temp_mc, 1, -100000, 200000, "a number from -100 to 200, or null"),
    MEMBER(GIVEN_RAM, ram_permille, 100, 0, 1000, "a number from 0 to 100, or null"),
    MEMBER(GIVEN_CPU, cpu_permille, 100, 0, 1000, "a number from 0 to 100, or null"),
    MEMBER(GIVEN_PRESSURE, pressure_permille, 100, 0, 1000, "a number from 0 to 100, or null"),
    MEMBER(GIVEN_SLOTS, slots, 1000, 0, NODE_SLOTS_MAX, "a number from 0 to 1024"),
    MEMBER(GIVEN_IN_FLIGHT, in_flight, 1000, 0, 1000000, "a number from 0 to 1000000"),
};

static const struct flag {
    enum given given;
    size_t offset;
} flags[] = {
    {GIVEN_THROTTLED, offsetof(struct node_health, throttled)},
    {GIVEN_UNDER_VOLTAGE, offsetof(struct node_health, under_voltage)},
    {GIVEN_FREQ_CAPPED, offsetof(struct node_health, freq_capped)},
};

static void store(struct node_health *health, size_t offset, int64_t value)
{
    int32_t narrow = (int32_t)value;

    memcpy((char *)health + offset, &narrow, sizeof narrow);
}

static int numbers_decode(const struct span *given, struct node_health *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const struct member *m = &members[i];
        struct span value = given[m->given];
        int64_t milli;

        if (!is_given(value))
            continue;
        if (json_type(value) != JSON_NUMBER || !number_milli(value, &milli) ||
            milli < m->min * m->unit || milli > m->max * m->unit)
            return refuse(m->given, value, m->expected, err);
        store(ret, m->offset, milli / m->unit);
    }
    return 0;
}

static int flags_decode(const struct span *given, struct node_health *ret, struct err *err)
{
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        struct span value = given[flags[i].given];
        bool flag;

        if (!is_given(value))
            continue;
        if (!json_to_bool(value, &flag))
            return refuse(flags[i].given, value, "true, false or null", err);
        store(ret, flags[i].offset, flag);
    }
    return 0;
}

static int last_seen_decode(const struct span *given, struct node_health *ret, struct err *err)
{
    struct span ms = given[GIVEN_LAST_SEEN_MS], seconds = given[GIVEN_LAST_SEEN];
    int64_t value;

    if (is_given(ms)) {
        if (!json_to_i64(ms, &value) || value <= 0 || value > LAST_SEEN_MAX_MS)
            return refuse(GIVEN_LAST_SEEN_MS, ms, "Unix milliseconds", err);
        ret->last_seen_ms = value;
        return 0;
    }
    if (!is_given(seconds))
        return err_set(err, -EINVAL, "last_seen is not there (should be Unix seconds)");
    if (!json_to_i64(seconds, &value) || value <= 0 || value > LAST_SEEN_MAX_MS / 1000)
        return refuse(GIVEN_LAST_SEEN, seconds, "Unix seconds", err);
    ret->last_seen_ms = value * 1000 + 999;
    return 0;
}

static int identity_decode(const struct span *given, struct span node_id, struct err *err)
{
    struct span value = given[GIVEN_NODE_ID];
    char id[NODE_ID_MAX + 1];

    if (!is_given(value))
        return 0;
    if (!json_string_decode(value, id, sizeof id) || !span_is(node_id, id)) {
        return err_set(err, -EINVAL, "node_id is %.*s (should be \"%.*s\", as its field)",
                       SPAN_ARG(shown(value)), SPAN_ARG(node_id));
    }
    return 0;
}

static int availability_decode(const struct span *given, struct node_health *ret, struct err *err)
{
    struct span available = given[GIVEN_AVAILABLE], reason = given[GIVEN_REASON];
    char text[REASON_BYTES_MAX];

    if (is_given(available) && !json_to_bool(available, &ret->available))
        return refuse(GIVEN_AVAILABLE, available, "true or false", err);
    if (!is_given(reason))
        return 0;
    if (!json_string_decode(reason, text, sizeof text))
        return refuse(GIVEN_REASON, reason, "a short string", err);
    text[NODE_REASON_MAX] = '\0';
    for (char *c = text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    }
    memcpy(ret->reason, text, strlen(text) + 1);
    return 0;
}

static int list_decode(const struct span *given, enum given name, struct span *ret, struct err *err)
{
    struct span value = given[name];
    struct json_iter it;

    if (!is_given(value))
        return 0;
    if (json_type(value) != JSON_ARRAY)
        return refuse(name, value, "an array of strings", err);
    for (json_begin(&it, value); json_next(&it);) {
        if (json_type(it.value) != JSON_STRING)
            return refuse(name, value, "an array of strings", err);
    }
    *ret = value;
    return 0;
}

static int lists_decode(const struct span *given, struct node_health *ret, struct err *err)
{
    struct span sessions = {NULL, 0};
    struct json_iter it;
    char key[REQUEST_SESSION_MAX + 1];
    int rc = list_decode(given, GIVEN_MODELS, &ret->resident, err);

    if (rc == 0)
        rc = list_decode(given, GIVEN_INSTALLED, &ret->installed, err);
    if (rc == 0)
        rc = list_decode(given, GIVEN_SUSPECT, &ret->suspect, err);
    if (rc == 0)
        rc = list_decode(given, GIVEN_FOREIGN, &ret->foreign, err);
    if (rc == 0)
        rc = list_decode(given, GIVEN_SESSIONS, &sessions, err);
    if (rc < 0 || !sessions.ptr)
        return rc;
    for (json_begin(&it, sessions); ret->n_sessions < NODE_SESSIONS_MAX && json_next(&it);) {
        if (json_string_decode(it.value, key, sizeof key))
            ret->sessions[ret->n_sessions++] = span_hash(span_str(key));
    }
    return 0;
}

int node_health_decode(struct span json, struct span node_id, struct node_health *ret,
                       struct err *err)
{
    struct span given[GIVEN_COUNT];
    int rc;

    if (json.len > NODE_HEALTH_BYTES_MAX) {
        return err_set(err, -EINVAL, "it has %zu bytes (at most %zu)", json.len,
                       NODE_HEALTH_BYTES_MAX);
    }
    rc = json_check(json, err);
    if (rc < 0)
        return rc;
    if (json_type(json) != JSON_OBJECT)
        return err_set(err, -EINVAL, "it is %.*s (should be a JSON object)", SPAN_ARG(shown(json)));
    *ret = (struct node_health){
        .temp_mc = HEALTH_UNKNOWN,
        .ram_permille = HEALTH_UNKNOWN,
        .cpu_permille = HEALTH_UNKNOWN,
        .pressure_permille = HEALTH_UNKNOWN,
        .throttled = HEALTH_UNKNOWN,
        .under_voltage = HEALTH_UNKNOWN,
        .freq_capped = HEALTH_UNKNOWN,
        .slots = 1,
    };
    json_get_all(json, given_names, GIVEN_COUNT, given);
    rc = identity_decode(given, node_id, err);
    if (rc == 0)
        rc = last_seen_decode(given, ret, err);
    if (rc == 0)
        rc = availability_decode(given, ret, err);
    if (rc == 0)
        rc = numbers_decode(given, ret, err);
    if (rc == 0)
        rc = flags_decode(given, ret, err);
    if (rc == 0)
        rc = lists_decode(given, ret, err);
    return rc;
}

bool node_health_milli(struct span number, int64_t *ret)
{
    return json_type(number) == JSON_NUMBER && number_milli(number, ret);
}

bool node_health_model(struct span element, char *buf)
{
    char name[MODEL_NAME_MAX + 64]; /* before "registry.ollama.ai/library/" is dropped */

    return json_string_decode(element, name, sizeof name) &&
           model_name_canonical(span_str(name), buf);
}
