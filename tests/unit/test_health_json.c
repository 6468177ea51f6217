#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#include "availability.h"
#include "health_json.h"
#include "rates.h"
#include "sensor_reading.h"
#include "test.h"
#include "warm_sessions.h"

static struct rates rates;
static struct warm_sessions sessions;
static struct sensor_reading reading;
static struct buf out;
static struct health health;

static int start(void **state)
{
    (void)state;
    rates_clear(&rates);
    sessions.n = 0;
    reading = (struct sensor_reading){.has_cpu = false};
    health = (struct health){
        .node_id = span_str("pi-1"),
        .reading = &reading,
        .reason = "starting",
        .slots = 1,
        .epoch = 3,
        .rates = &rates,
        .sessions = &sessions,
        .agent_version = "0.1.0",
    };
    buf_init(&out, HEALTH_JSON_MAX_BYTES);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

/* Encodes, closes the object as the script does, and checks that it is JSON. */
static struct span encode(void)
{
    struct err err = {.msg = ""};

    assert_true(health_encode(&health, &out));
    assert_true(buf_add_str(&out, ",\"last_seen\":1,\"last_seen_ms\":1000}"));
    if (json_check(buf_span(&out), &err) != 0)
        fail_msg("%s in %.2000s", err.msg, out.ptr);
    return buf_span(&out);
}

static void assert_member(struct span object, const char *name, const char *want)
{
    struct span value = json_get(object, name);

    if (!span_is(value, want))
        fail_msg("%s is %.*s, not %s", name, SPAN_ARG(value), want);
}

static void test_a_node_that_knows_nothing_says_null(void **state)
{
    static const char *const unknown[] = {
        "cpu_percent",   "ram_percent",     "ram_used_mb",    "ram_total_mb", "temp_c",
        "throttled",     "under_voltage",   "freq_capped",    "board",        "boot_id",
        "swap_in_per_s", "memory_pressure", "ollama_version", "uptime_s",     "keeps_models",
    };

    (void)state;
    struct span object = encode();
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_member(object, unknown[i], "null");
    assert_member(object, "node_id", "\"pi-1\"");
    assert_member(object, "models", "[]");
    assert_member(object, "installed", "[]");
    assert_member(object, "sessions", "[]");
    assert_member(object, "suspect", "[]");
    assert_member(object, "rates", "{}");
    assert_member(object, "available", "false");
    assert_member(object, "reason", "\"starting\"");
    assert_member(object, "slots", "1");
    assert_member(object, "in_flight", "0");
    assert_member(object, "epoch", "3");
    assert_member(object, "agent_version", "\"0.1.0\"");
    assert_member(object, "last_seen", "1");
}

static void fill_reading(void)
{
    reading = (struct sensor_reading){
        .has_cpu = true,
        .cpu_permille = 1000,
        .has_ram = true,
        .ram_permille = 407,
        .ram_used_mb = 3282,
        .ram_total_mb = 8064,
        .has_temp = true,
        .temp_mc = 74960,
        .has_throttled = true,
        .throttled = true,
        .has_under_voltage = true,
        .has_freq_capped = true,
        .freq_capped = true,
        .has_memory_pressure = true,
        .memory_pressure_centi = 107,
        .has_swap_in = true,
        .swap_in_deci = 125,
        .has_uptime = true,
        .uptime_s = 86400,
        .board = "Raspberry Pi \"5\"",
        .boot_id = "e458060a-3534-4a8d-a590-71175354798e",
    };
}

static void test_every_reading_is_published_in_its_unit(void **state)
{
    (void)state;
    fill_reading();
    health.ollama_version = "0.32.15";
    struct span object = encode();
    assert_member(object, "cpu_percent", "100.0");
    assert_member(object, "ram_percent", "40.7");
    assert_member(object, "ram_used_mb", "3282");
    assert_member(object, "ram_total_mb", "8064");
    assert_member(object, "temp_c", "74.9"); /* cut: below 75 stays below 75 */
    assert_member(object, "throttled", "true");
    assert_member(object, "under_voltage", "false");
    assert_member(object, "freq_capped", "true");
    assert_member(object, "memory_pressure", "1.07");
    assert_member(object, "swap_in_per_s", "12.5");
    assert_member(object, "uptime_s", "86400");
    assert_member(object, "board", "\"Raspberry Pi \\\"5\\\"\"");
    assert_member(object, "boot_id", "\"e458060a-3534-4a8d-a590-71175354798e\"");
    assert_member(object, "ollama_version", "\"0.32.15\"");
}

static void check_temp(int32_t temp_mc, const char *want)
{
    buf_clear(&out);
    reading.has_temp = true;
    reading.temp_mc = temp_mc;
    assert_member(encode(), "temp_c", want);
}

static void test_a_temperature_is_cut_towards_the_cold(void **state)
{
    (void)state;
    check_temp(0, "0.0");
    check_temp(75000, "75.0");
    check_temp(99, "0.0");
    check_temp(-1, "-0.1");
    check_temp(-500, "-0.5");
    check_temp(-501, "-0.6");
    check_temp(-20000, "-20.0");
    check_temp(125000, "125.0");
}

static void test_models_and_rates_have_their_names(void **state)
{
    struct span resident[] = {{"gemma3:1b", 9}};
    struct span installed[] = {{"gemma3:1b", 9}, {"me/foo:latest", 13}};
    struct rates_sample sample = {.load_ns = INT64_C(5600000000),
                                  .prompt_tokens = 600,
                                  .prompt_ns = INT64_C(10000000000),
                                  .output_tokens = 100,
                                  .output_ns = INT64_C(8000000000)};

    (void)state;
    health.available = true;
    health.reason = availability_reason_name(AVAILABILITY_OK);
    health.models = (struct health_names){resident, 1};
    health.installed = (struct health_names){installed, 2};
    health.suspect = (struct health_names){resident, 1};
    health.foreign = (struct health_names){installed + 1, 1};
    rates_add(&rates, resident[0], &sample);
    sample = (struct rates_sample){.output_tokens = 0};
    rates_add(&rates, installed[1], &sample);
    struct span object = encode();
    assert_member(object, "models", "[\"gemma3:1b\"]");
    assert_member(object, "installed", "[\"gemma3:1b\",\"me/foo:latest\"]");
    assert_member(object, "suspect", "[\"gemma3:1b\"]");
    assert_member(object, "foreign", "[\"me/foo:latest\"]");
    assert_member(object, "available", "true");
    assert_member(object, "reason", "\"ok\"");
    assert_member(json_get(object, "rates"), "gemma3:1b",
                  "{\"load_ms\":5600,\"prompt_tps\":60.00,\"gen_tps\":12.50,"
                  "\"tokens_out\":100.00,\"n\":1,\"hits\":0}");
    assert_member(json_get(object, "rates"), "me/foo:latest",
                  "{\"load_ms\":null,\"prompt_tps\":null,\"gen_tps\":null,"
                  "\"tokens_out\":null,\"n\":1,\"hits\":0}");
}

static void test_sessions_are_listed_once_newest_first(void **state)
{
    (void)state;
    warm_sessions_touch(&sessions, span_str("s1"), span_str("m"), 4);
    warm_sessions_touch(&sessions, span_str("s\"2\n"), span_str("m"), 4);
    warm_sessions_touch(&sessions, span_str("s1"), span_str("n"), 4);
    assert_member(encode(), "sessions", "[\"s1\",\"s\\\"2\\n\"]");
}

/* The longest names everywhere: what HEALTH_JSON_MAX_BYTES promises. */
static void test_the_largest_node_fits(void **state)
{
    static char longest[MODEL_NAME_MAX + 1];
    static struct span many[2 * HEALTH_INSTALLED_MAX];
    char key[WARM_SESSION_KEY_MAX + 1] = "";
    struct rates_sample sample = {RATES_NS_MAX, 1, 1, RATES_TOKENS_MAX, RATES_NS_MAX, false, NULL};

    (void)state;
    memset(longest, 'm', sizeof longest - 1);
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i] = span_str(longest);
    for (int i = 0; i < RATES_MODELS_MAX; i++) {
        (void)snprintf(longest, 4, "%03d", i);
        longest[3] = 'm';
        rates_add(&rates, span_str(longest), &sample);
    }
    for (char c = 1; c <= WARM_SESSIONS_MAX; c++) {
        memset(key, 1, sizeof key - 1);
        key[0] = c;
        warm_sessions_touch(&sessions, span_str(key), span_str("m"), WARM_SESSIONS_MAX);
    }
    health.models = health.installed = health.suspect = health.foreign =
        (struct health_names){many, sizeof many / sizeof many[0]};
    fill_reading();
    assert_true(encode().len < HEALTH_JSON_MAX_BYTES);
}

static void test_a_buffer_that_is_too_small_is_a_refusal(void **state)
{
    (void)state;
    buf_done(&out);
    buf_init(&out, 100);
    assert_false(health_encode(&health, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_node_that_knows_nothing_says_null, start, stop),
        cmocka_unit_test_setup_teardown(test_every_reading_is_published_in_its_unit, start, stop),
        cmocka_unit_test_setup_teardown(test_a_temperature_is_cut_towards_the_cold, start, stop),
        cmocka_unit_test_setup_teardown(test_models_and_rates_have_their_names, start, stop),
        cmocka_unit_test_setup_teardown(test_sessions_are_listed_once_newest_first, start, stop),
        cmocka_unit_test_setup_teardown(test_the_largest_node_fits, start, stop),
        cmocka_unit_test_setup_teardown(test_a_buffer_that_is_too_small_is_a_refusal, start, stop),
    };

    return cmocka_run_group_tests_name("health_json", tests, NULL, NULL);
}
