/* One value of P:health: what is taken, what is refused and in which words. */

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/model_name.h"

#include "node_health.h"
#include "test.h"

static int decode(const char *json, struct node_health *ret, struct err *err)
{
    return node_health_decode(span_str(json), span_str("pi-1"), ret, err);
}

static void test_a_whole_value_is_decoded(void **state)
{
    struct node_health health;
    struct err err = {""};
    char name[MODEL_NAME_MAX + 1];
    struct json_iter it;

    (void)state;
    assert_int_equal(
        decode("{\"node_id\":\"pi-1\",\"cpu_percent\":12.5,\"ram_percent\":40,\"ram_used_mb\":1,"
               "\"ram_total_mb\":2,\"temp_c\":54.26,\"models\":[\"gemma3:1b\"],\"available\":true,"
               "\"reason\":\"ok\",\"last_seen\":1700000000,\"last_seen_ms\":1700000000123,"
               "\"installed\":[\"Llama3\",\"gemma3:1b\"],\"slots\":2,\"in_flight\":1,"
               "\"throttled\":true,\"under_voltage\":null,\"freq_capped\":false,"
               "\"memory_pressure\":0.35,\"rates\":{\"a\":{\"n\":1}},\"sessions\":[\"k1\",\"k2\"],"
               "\"suspect\":[],\"board\":\"Pi\",\"something_new\":{\"a\":[1e999]}}",
               &health, &err),
        0);
    assert_true(health.available);
    assert_string_equal(health.reason, "ok");
    assert_int_equal(health.last_seen_ms, 1700000000123);
    assert_int_equal(health.temp_mc, 54260);
    assert_int_equal(health.ram_permille, 400);
    assert_int_equal(health.cpu_permille, 125);
    assert_int_equal(health.pressure_permille, 3);
    assert_int_equal(health.slots, 2);
    assert_int_equal(health.in_flight, 1);
    assert_int_equal(health.throttled, 1);
    assert_int_equal(health.under_voltage, HEALTH_UNKNOWN);
    assert_int_equal(health.freq_capped, 0);
    assert_int_equal(health.n_sessions, 2);
    assert_true(health.sessions[0] == span_hash(span_str("k1")));
    json_begin(&it, health.installed);
    assert_true(json_next(&it) && node_health_model(it.value, name));
    assert_string_equal(name, "llama3:latest");
}

static void test_all_but_last_seen_may_be_missing_or_null(void **state)
{
    static const char *const values[] = {
        "{\"last_seen\":1700000000}",
        " {\"last_seen\":1700000000,\"temp_c\":null,\"ram_percent\":null,\"models\":null,"
        "\"slots\":null,\"available\":null,\"reason\":null,\"node_id\":null} ",
    };
    struct node_health health;
    struct err err = {""};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(decode(values[i], &health, &err), 0);
        assert_false(health.available);
        assert_int_equal(health.last_seen_ms, 1700000000999);
        assert_int_equal(health.temp_mc, HEALTH_UNKNOWN);
        assert_int_equal(health.ram_permille, HEALTH_UNKNOWN);
        assert_int_equal(health.slots, 1);
        assert_null(health.installed.ptr);
    }
}

static void test_numbers_are_read_in_every_spelling_of_json(void **state)
{
    static const struct {
        const char *json;
        int32_t want_mc;
    } table[] = {
        {"{\"last_seen\":1,\"temp_c\":-0.5}", -500},
        {"{\"last_seen\":1,\"temp_c\":5.426e1}", 54260},
        {"{\"last_seen\":1,\"temp_c\":5426E-2}", 54260},
        {"{\"last_seen\":1,\"temp_c\":0.0000000000000000000000000000054e31}", 54000},
        {"{\"last_seen\":1,\"temp_c\":54.99999999999999999999999999}", 54999},
        {"{\"last_seen\":1,\"temp_c\":0e999999999999}", 0},
        {"{\"last_seen\":1,\"temp_c\":1e-999999999999}", 0},
        {"{\"last_seen\":1,\"temp_c\":5000000000000000000000000000000000000e-35}", 50000},
    };
    struct node_health health;
    struct err err = {""};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (decode(table[i].json, &health, &err) != 0 || health.temp_mc != table[i].want_mc)
            fail_msg("%s: %d, '%s'", table[i].json, health.temp_mc, err.msg);
    }
}

static void test_what_cannot_be_right_is_refused_in_words(void **state)
{
    static const struct {
        const char *json, *words;
    } table[] = {
        {"", "byte 0"},
        {"hello", "byte 0"},
        {"{\"last_seen\":1", "byte"},
        {"[1]", "it is [1] (should be a JSON object)"},
        {"{}", "last_seen is not there (should be Unix seconds)"},
        {"{\"last_seen\":\"now\"}", "last_seen is \"now\" (should be Unix seconds)"},
        {"{\"last_seen\":1.5}", "last_seen is 1.5 (should be Unix seconds)"},
        {"{\"last_seen\":99999999999999999999}",
         "last_seen is 99999999999999999999 (should be Unix seconds)"},
        {"{\"last_seen\":1,\"last_seen_ms\":-4}",
         "last_seen_ms is -4 (should be Unix milliseconds)"},
        {"{\"last_seen\":1,\"node_id\":\"pi-2\"}",
         "node_id is \"pi-2\" (should be \"pi-1\", as its field)"},
        {"{\"last_seen\":1,\"node_id\":7}", "node_id is 7 (should be \"pi-1\", as its field)"},
        {"{\"last_seen\":1,\"temp_c\":1e300}",
         "temp_c is 1e300 (should be a number from -100 to 200, or null)"},
        {"{\"last_seen\":1,\"temp_c\":200.001}",
         "temp_c is 200.001 (should be a number from -100 to 200, or null)"},
        {"{\"last_seen\":1,\"temp_c\":\"54\"}",
         "temp_c is \"54\" (should be a number from -100 to 200, or null)"},
        {"{\"last_seen\":1,\"ram_percent\":100.1}",
         "ram_percent is 100.1 (should be a number from 0 to 100, or null)"},
        {"{\"last_seen\":1,\"slots\":-1}", "slots is -1 (should be a number from 0 to 1024)"},
        {"{\"last_seen\":1,\"slots\":123456789012345678901234567890123456789012345678901}",
         "slots is 1234567890123456789012345678901234567890 (should be a number from 0 to 1024)"},
        {"{\"last_seen\":1,\"available\":1}", "available is 1 (should be true or false)"},
        {"{\"last_seen\":1,\"reason\":[]}", "reason is [] (should be a short string)"},
        {"{\"last_seen\":1,\"throttled\":0}", "throttled is 0 (should be true, false or null)"},
        {"{\"last_seen\":1,\"models\":{}}", "models is {} (should be an array of strings)"},
        {"{\"last_seen\":1,\"installed\":[\"a\",2]}",
         "installed is [\"a\",2] (should be an array of strings)"},
    };
    struct node_health health;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct err err = {""};
        if (decode(table[i].json, &health, &err) >= 0)
            fail_msg("%s was taken", table[i].json);
        if (strncmp(err.msg, table[i].words, strlen(table[i].words)) != 0)
            fail_msg("%s: '%s', not '%s'", table[i].json, err.msg, table[i].words);
    }
}

static void test_a_value_that_is_too_long_is_refused_unread(void **state)
{
    size_t len = NODE_HEALTH_BYTES_MAX + 1;
    char *json = malloc(len);
    struct node_health health;
    struct err err;

    (void)state;
    assert_non_null(json);
    memset(json, ' ', len);
    assert_true(node_health_decode((struct span){json, len}, span_str("pi-1"), &health, &err) < 0);
    assert_string_equal(err.msg, "it has 524289 bytes (at most 524288)");
    free(json);
}

static void test_a_reason_is_cut_and_made_printable(void **state)
{
    struct node_health health;
    struct err err;

    (void)state;
    assert_int_equal(decode("{\"last_seen\":1,\"reason\":\"a\\nb\\u00e9\"}", &health, &err), 0);
    assert_string_equal(health.reason, "a?b??");
    assert_int_equal(decode("{\"last_seen\":1,\"reason\":\"0123456789012345678901234567890123456789"
                            "01234567890123456789012345678901234567890123456789\"}",
                            &health, &err),
                     0);
    assert_int_equal(strlen(health.reason), NODE_REASON_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_value_is_decoded),
        cmocka_unit_test(test_all_but_last_seen_may_be_missing_or_null),
        cmocka_unit_test(test_numbers_are_read_in_every_spelling_of_json),
        cmocka_unit_test(test_what_cannot_be_right_is_refused_in_words),
        cmocka_unit_test(test_a_value_that_is_too_long_is_refused_unread),
        cmocka_unit_test(test_a_reason_is_cut_and_made_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
