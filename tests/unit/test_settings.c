#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/settings.h"

#include "test.h"

struct config {
    int64_t wait_ms, size_bytes, load_pct, temp_mc, count, optional;
    bool flag;
    char name[8];
};

static int check_name(const char *text, struct err *err)
{
    if (strcmp(text, "bad") != 0)
        return 0;
    return err_set(err, -EINVAL, "must not be bad");
}

#define AT(member) .offset = offsetof(struct config, member)

static const struct setting table[] = {
    {.key = "wait",
     .type = SETTING_DURATION,
     AT(wait_ms),
     .default_text = "5s",
     .min = 100,
     .max = 86400000,
     .why = "w"},
    {.key = "size",
     .type = SETTING_BYTES,
     AT(size_bytes),
     .default_text = "8MiB",
     .min = 1,
     .max = INT64_MAX,
     .why = "s"},
    {.key = "load",
     .type = SETTING_PERCENT,
     AT(load_pct),
     .default_text = "90%",
     .min = 1,
     .max = 100,
     .why = "l"},
    {.key = "temp",
     .type = SETTING_CELSIUS,
     AT(temp_mc),
     .default_text = "75C",
     .min = 0,
     .max = 120000,
     .why = "t"},
    {.key = "count",
     .type = SETTING_NUMBER,
     AT(count),
     .default_text = "1",
     .min = 1,
     .max = 64,
     .needs_restart = true,
     .why = "c"},
    {.key = "optional",
     .type = SETTING_NUMBER,
     AT(optional),
     .default_text = "",
     .min = 4,
     .max = 100,
     .why = "o"},
    {.key = "flag", .type = SETTING_BOOL, AT(flag), .default_text = "no", .why = "f"},
    {.key = "name",
     .type = SETTING_TEXT,
     AT(name),
     .size = 8,
     .default_text = "abc",
     .needs_restart = true,
     .why = "n",
     .check = check_name},
};
#define ROWS (sizeof table / sizeof table[0])

static struct config defaults(void)
{
    struct config config;

    memset(&config, 0x55, sizeof config);
    settings_defaults(table, ROWS, &config);
    return config;
}

static void test_defaults_fill_every_value(void **state)
{
    struct config config = defaults();

    (void)state;
    assert_int_equal(config.wait_ms, 5000);
    assert_int_equal(config.size_bytes, 8 << 20);
    assert_int_equal(config.load_pct, 90);
    assert_int_equal(config.temp_mc, 75000);
    assert_int_equal(config.count, 1);
    assert_int_equal(config.optional, 0);
    assert_false(config.flag);
    assert_string_equal(config.name, "abc");
}

static void test_good_values_are_taken_and_written_back(void **state)
{
    static const struct {
        const char *key, *text, *written;
    } cases[] = {
        {"wait", "100ms", "100ms"},
        {"wait", "15s", "15s"},
        {"wait", "90s", "90s"},
        {"wait", "2m", "2m"},
        {"wait", "120s", "2m"},
        {"wait", "1h", "1h"},
        {"wait", "1d", "1d"},
        {"wait", "24h", "1d"},
        {"wait", "0100ms", "100ms"},
        {"size", "512B", "512B"},
        {"size", "64KiB", "64KiB"},
        {"size", "1024KiB", "1MiB"},
        {"size", "3GiB", "3GiB"},
        {"load", "1%", "1%"},
        {"load", "100%", "100%"},
        {"temp", "0C", "0C"},
        {"temp", "72.5C", "72.5C"},
        {"temp", "72.50C", "72.5C"},
        {"temp", "72.125C", "72.125C"},
        {"temp", "72.05C", "72.050C"},
        {"temp", "120C", "120C"},
        {"count", "64", "64"},
        {"optional", "", ""},
        {"optional", "4", "4"},
        {"flag", "yes", "yes"},
        {"flag", "true", "yes"},
        {"flag", "on", "yes"},
        {"flag", "no", "no"},
        {"flag", "false", "no"},
        {"flag", "off", "no"},
        {"name", "", ""},
        {"name", "1234567", "1234567"},
        {"name", "a b", "a b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config = defaults();
        struct err err;
        char text[64];
        if (settings_set(table, ROWS, &config, cases[i].key, span_str(cases[i].text), &err) < 0)
            fail_msg("%s", err.msg);
        for (size_t r = 0; r < ROWS; r++) {
            if (strcmp(table[r].key, cases[i].key) != 0)
                continue;
            settings_format(&table[r], &config, text, sizeof text);
            assert_string_equal(text, cases[i].written);
        }
    }
}

#define NOT_DURATION " is not a duration with its unit, such as 250ms, 15s, 2m, 1h or 1d"
#define NOT_SIZE     " is not a size with its unit, such as 512B, 64KiB, 16MiB or 1GiB"
#define NOT_PERCENT  " is not a percentage with its sign, such as 90%"
#define NOT_CELSIUS  " is not a temperature with its unit, such as 75C or 72.5C"
#define NOT_NUMBER   " is not a whole number without a unit, such as 3"

static const struct {
    const char *key, *text;
    int code;
    const char *msg;
} refusals[] = {
    {"wait", "5", -EINVAL, "wait: \"5\"" NOT_DURATION},
    {"wait", "", -EINVAL,
     "wait: no value; expected a duration with its unit, such as 250ms, 15s, 2m, 1h or 1d"},
    {"wait", "s", -EINVAL, "wait: \"s\"" NOT_DURATION},
    {"wait", "-5s", -EINVAL, "wait: \"-5s\"" NOT_DURATION},
    {"wait", "+5s", -EINVAL, "wait: \"+5s\"" NOT_DURATION},
    {"wait", "5 s", -EINVAL, "wait: \"5 s\"" NOT_DURATION},
    {"wait", "1.5s", -EINVAL, "wait: \"1.5s\"" NOT_DURATION},
    {"wait", "5sec", -EINVAL, "wait: \"5sec\"" NOT_DURATION},
    {"wait", "5S", -EINVAL, "wait: \"5S\"" NOT_DURATION},
    {"wait", "1h30m", -EINVAL, "wait: \"1h30m\"" NOT_DURATION},
    {"wait", "99ms", -ERANGE, "wait: 99ms is out of range: 100ms to 1d"},
    {"wait", "2d", -ERANGE, "wait: 2d is out of range: 100ms to 1d"},
    {"wait", "9223372036854775807d", -ERANGE,
     "wait: 9223372036854775807d is out of range: 100ms to 1d"},
    {"wait", "99999999999999999999999s", -ERANGE,
     "wait: 99999999999999999999999s is out of range: 100ms to 1d"},
    {"size", "8", -EINVAL, "size: \"8\"" NOT_SIZE},
    {"size", "8MB", -EINVAL, "size: \"8MB\"" NOT_SIZE},
    {"size", "8M", -EINVAL, "size: \"8M\"" NOT_SIZE},
    {"size", "1.5MiB", -EINVAL, "size: \"1.5MiB\"" NOT_SIZE},
    {"size", "0B", -ERANGE, "size: 0B is out of range: 1B to 9223372036854775807B"},
    {"load", "90", -EINVAL, "load: \"90\"" NOT_PERCENT},
    {"load", "0.9", -EINVAL, "load: \"0.9\"" NOT_PERCENT},
    {"load", "101%", -ERANGE, "load: 101% is out of range: 1% to 100%"},
    {"load", "0%", -ERANGE, "load: 0% is out of range: 1% to 100%"},
    {"temp", "75", -EINVAL, "temp: \"75\"" NOT_CELSIUS},
    {"temp", "75000", -EINVAL, "temp: \"75000\"" NOT_CELSIUS},
    {"temp", "167F", -EINVAL, "temp: \"167F\"" NOT_CELSIUS},
    {"temp", ".5C", -EINVAL, "temp: \".5C\"" NOT_CELSIUS},
    {"temp", "72.C", -EINVAL, "temp: \"72.C\"" NOT_CELSIUS},
    {"temp", "72.1234C", -EINVAL, "temp: \"72.1234C\"" NOT_CELSIUS},
    {"temp", "120.001C", -ERANGE, "temp: 120.001C is out of range: 0C to 120C"},
    {"count", "x", -EINVAL, "count: \"x\"" NOT_NUMBER},
    {"count", "1s", -EINVAL, "count: \"1s\"" NOT_NUMBER},
    {"count", "0x1", -EINVAL, "count: \"0x1\"" NOT_NUMBER},
    {"count", "", -EINVAL, "count: no value; expected a whole number without a unit, such as 3"},
    {"count", "0", -ERANGE, "count: 0 is out of range: 1 to 64"},
    {"count", "65", -ERANGE, "count: 65 is out of range: 1 to 64"},
    {"optional", "3", -ERANGE, "optional: 3 is out of range: 4 to 100, or empty"},
    {"flag", "1", -EINVAL, "flag: \"1\" is not yes or no"},
    {"flag", "Yes", -EINVAL, "flag: \"Yes\" is not yes or no"},
    {"flag", "", -EINVAL, "flag: no value; expected yes or no"},
    {"name", "12345678", -EINVAL, "name: longer than 7 bytes"},
    {"name", "a\tb", -EINVAL, "name: has a control character in it"},
    {"name", "\xff", -EINVAL, "name: is not UTF-8"},
    {"name", "bad", -EINVAL, "name: must not be bad"},
    {"nam", "x", -ENOENT, "unknown key \"nam\"; the nearest known key is \"name\""},
    {"wiat", "5s", -ENOENT, "unknown key \"wiat\"; the nearest known key is \"wait\""},
    {"Count", "1", -ENOENT, "unknown key \"Count\"; the nearest known key is \"count\""},
    {"optionale", "1", -ENOENT, "unknown key \"optionale\"; the nearest known key is \"optional\""},
    {"", "1", -ENOENT, "expected KEY = VALUE, with a key of letters, digits and \"_\""},
    {"redis://:hunter2@h", "1", -ENOENT,
     "expected KEY = VALUE, with a key of letters, digits and \"_\""},
};

static void test_bad_values_are_refused_in_words_and_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct config config = defaults(), before = config;
        struct err err = {""};
        int rc =
            settings_set(table, ROWS, &config, refusals[i].key, span_str(refusals[i].text), &err);
        assert_string_equal(err.msg, refusals[i].msg);
        assert_int_equal(rc, refusals[i].code);
        assert_memory_equal(&config, &before, sizeof config);
    }
}

static void collect(unsigned line, const char *msg, void *arg)
{
    char *text = arg;
    size_t len = strlen(text);

    (void)snprintf(text + len, 2000 - len, "%u: %s\n", line, msg);
}

static void test_a_file_is_lines_of_key_and_value_with_comments(void **state)
{
    static const char text[] = "# a comment\n"
                               "\n"
                               "wait = 15s # another\n"
                               "  size=64KiB\r\n"
                               "\tname\t=\ta#b # c\n"
                               "flag = yes\n"
                               "optional =\n"
                               "count = 3";
    char errors[2000] = "";
    struct config config = defaults();

    (void)state;
    assert_int_equal(settings_parse(table, ROWS, &config, span_str(text), collect, errors), 0);
    assert_string_equal(errors, "");
    assert_int_equal(config.wait_ms, 15000);
    assert_int_equal(config.size_bytes, 65536);
    assert_string_equal(config.name, "a#b");
    assert_true(config.flag);
    assert_int_equal(config.count, 3);
}

static void test_every_fault_of_a_file_is_reported_with_its_line(void **state)
{
    static const char text[] = "wait = 5\n"
                               "no equals sign\n"
                               "count = 2\n"
                               "cuont = 3\n"
                               "count = 4 # again\n"
                               "redis://:hunter2@host = x\n"
                               "name = \xff\n"
                               "= 5\n"
                               "load = 50%\n";
    char errors[2000] = "";
    struct config config = defaults();

    (void)state;
    assert_int_equal(settings_parse(table, ROWS, &config, span_str(text), collect, errors), 7);
    assert_string_equal(errors,
                        "1: wait: \"5\"" NOT_DURATION "\n"
                        "2: expected KEY = VALUE\n"
                        "4: unknown key \"cuont\"; the nearest known key is \"count\"\n"
                        "5: count: given twice, first in line 3\n"
                        "6: expected KEY = VALUE, with a key of letters, digits and \"_\"\n"
                        "7: the line is not UTF-8\n"
                        "8: expected KEY = VALUE, with a key of letters, digits and \"_\"\n");
    assert_int_equal(config.count, 2); /* the first one counts */
    assert_int_equal(config.load_pct, 50);
    assert_int_equal(config.wait_ms, 5000);
}

static void test_a_nul_byte_in_a_file_is_a_fault(void **state)
{
    static const char text[] = "name = a\0b\nco\0unt = 1\n";
    char errors[2000] = "";
    struct config config = defaults();

    (void)state;
    assert_int_equal(
        settings_parse(table, ROWS, &config, (struct span){text, sizeof text - 1}, collect, errors),
        2);
    assert_string_equal(errors,
                        "1: name: has a control character in it\n"
                        "2: expected KEY = VALUE, with a key of letters, digits and \"_\"\n");
}

static void count_change(const struct setting *row, void *arg)
{
    char *text = arg;

    (void)strcat(text, row->key);
    (void)strcat(text, row->needs_restart ? "! " : " ");
}

static void test_a_difference_names_each_row_and_keep_takes_it_back(void **state)
{
    struct config running = defaults(), config = running;
    char changes[200] = "";
    struct err err;

    (void)state;
    settings_diff(table, ROWS, &running, &config, count_change, changes);
    assert_string_equal(changes, "");
    assert_int_equal(settings_set(table, ROWS, &config, "count", span_str("2"), &err), 0);
    assert_int_equal(settings_set(table, ROWS, &config, "flag", span_str("yes"), &err), 0);
    assert_int_equal(settings_set(table, ROWS, &config, "name", span_str("z"), &err), 0);
    settings_diff(table, ROWS, &running, &config, count_change, changes);
    assert_string_equal(changes, "count! flag name! ");
    settings_keep(table, ROWS, &running, &config);
    assert_int_equal(config.count, 1);
    assert_string_equal(config.name, "abc");
    assert_true(config.flag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_fill_every_value),
        cmocka_unit_test(test_good_values_are_taken_and_written_back),
        cmocka_unit_test(test_bad_values_are_refused_in_words_and_change_nothing),
        cmocka_unit_test(test_a_file_is_lines_of_key_and_value_with_comments),
        cmocka_unit_test(test_every_fault_of_a_file_is_reported_with_its_line),
        cmocka_unit_test(test_a_nul_byte_in_a_file_is_a_fault),
        cmocka_unit_test(test_a_difference_names_each_row_and_keep_takes_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
