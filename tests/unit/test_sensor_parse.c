#include <string.h>

#include "sensor_parse.h"
#include "sensor_reading.h"
#include "test.h"

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static const char STAT_PI5[] = "cpu  100 20 30 4000 50 6 7 8 90 10\n"
                               "cpu0 25 5 7 1000 12 1 1 2 22 2\nintr 1234\n";

static struct cpu_counters counters_of(uint64_t user, uint64_t idle, uint64_t iowait)
{
    struct cpu_counters counters = {{0}};

    counters.ticks[CPU_USER] = user;
    counters.ticks[CPU_IDLE] = idle;
    counters.ticks[CPU_IOWAIT] = iowait;
    return counters;
}

static void test_the_first_line_of_stat_is_read(void **state)
{
    static const uint64_t want[CPU_FIELD_COUNT] = {100, 20, 30, 4000, 50, 6, 7, 8};
    struct cpu_counters counters;

    (void)state;
    assert_true(sensor_parse_cpu(span_str(STAT_PI5), &counters));
    assert_memory_equal(counters.ticks, want, sizeof want);
    assert_true(sensor_parse_cpu(span_str("cpu  1 2 3 4"), &counters));
    assert_int_equal(counters.ticks[CPU_IDLE], 4);
    assert_int_equal(counters.ticks[CPU_IOWAIT], 0);
}

static void test_a_broken_cpu_line_has_no_value(void **state)
{
    static const char *const broken[] = {
        "",
        "cpu",
        "cpu \n",
        "cpu0 1 2 3 4\n",
        "cpu  1 2 3\n",
        "cpu  1 2 x",
        "cpu  1 2 3 -4",
        "cpu  1 2 3 4x",
        "\ncpu  1 2 3 4\n",
        "cpu  1 2 3 99999999999999999999999",
        "cpu  1 2 3 100000000000001",
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(broken); i++) {
        struct cpu_counters counters = {{7}};
        if (sensor_parse_cpu(span_str(broken[i]), &counters))
            fail_msg("taken: '%s'", broken[i]);
        assert_int_equal(counters.ticks[0], 7);
    }
}

static void test_the_first_cpu_sample_has_no_value(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now = counters_of(100, 900, 0);
    int32_t permille = -7;

    (void)state;
    assert_false(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, -7);
}

static void test_busy_is_everything_but_idle_and_iowait(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now = {{0}};
    int32_t permille = 0;

    (void)state;
    (void)cpu_meter_update(&meter, &now, &permille);
    for (size_t i = 0; i < CPU_FIELD_COUNT; i++)
        now.ticks[i] += 10;
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 750);
    now.ticks[CPU_IDLE] += 100;
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 0);
    now.ticks[CPU_STEAL] += 100;
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 1000);
}

/* A machine that ran a guest for 90 of 100 ticks: the kernel has them in `user` already. */
static void test_guest_time_is_not_counted_twice(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now;
    int32_t permille = 0;

    (void)state;
    assert_true(sensor_parse_cpu(span_str("cpu  0 0 0 0 0 0 0 0 0 0\n"), &now));
    (void)cpu_meter_update(&meter, &now, &permille);
    assert_true(sensor_parse_cpu(span_str("cpu  50 0 0 50 0 0 0 0 40 0\n"), &now));
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 500);
}

static void test_counters_that_do_not_advance_have_no_value(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now = counters_of(100, 900, 0);
    int32_t permille = -7;

    (void)state;
    (void)cpu_meter_update(&meter, &now, &permille);
    assert_false(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, -7);
}

static void test_a_counter_that_runs_backwards_is_clamped(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now = counters_of(100, 900, 500);
    int32_t permille = 0;

    (void)state;
    (void)cpu_meter_update(&meter, &now, &permille);
    now = counters_of(150, 950, 400); /* iowait fell by 100 */
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 500);
    now = counters_of(160, 960, 480); /* still below its old maximum: no step */
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 500);
}

static void test_idle_that_falls_by_three_seconds_starts_anew(void **state)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters now = counters_of(100, 1000, 0);
    int32_t permille = -7;

    (void)state;
    (void)cpu_meter_update(&meter, &now, &permille);
    now = counters_of(200, 701, 0); /* 2.99 s: clamped */
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 1000);
    permille = -7;
    now = counters_of(10, 700, 0); /* 3 s below the maximum */
    assert_false(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, -7);
    now = counters_of(20, 710, 0);
    assert_true(cpu_meter_update(&meter, &now, &permille));
    assert_int_equal(permille, 500);
}

static void test_a_rate_needs_two_samples_and_time(void **state)
{
    struct rate_meter meter = {.has_baseline = false};
    int64_t deci = -7;

    (void)state;
    assert_false(rate_meter_update(&meter, 1000, 5000, &deci));
    assert_false(rate_meter_update(&meter, 1000, 5000, &deci));
    assert_int_equal(deci, -7);
    assert_true(rate_meter_update(&meter, 1025, 7000, &deci));
    assert_int_equal(deci, 125);
    assert_false(rate_meter_update(&meter, 3, 8000, &deci)); /* ran backwards: reboot */
    assert_true(rate_meter_update(&meter, 3, 9000, &deci));
    assert_int_equal(deci, 0);
}

static void test_memory_is_what_is_available(void **state)
{
    struct memory_info memory;

    (void)state;
    assert_true(sensor_parse_memory(span_str("MemTotal:        8000000 kB\n"
                                             "MemFree:          100000 kB\n"
                                             "MemAvailable:    5000000 kB\n"),
                                    &memory));
    assert_int_equal(memory.total_kib, 8000000);
    assert_int_equal(memory.available_kib, 5000000);
}

static void test_an_old_kernel_adds_up_free_buffers_and_cached(void **state)
{
    struct memory_info memory;

    (void)state;
    assert_true(sensor_parse_memory(span_str("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\n"
                                             "SwapCached: 999 kB\nCached: 3 kB\n"),
                                    &memory));
    assert_int_equal(memory.available_kib, 123);
    assert_true(sensor_parse_memory(span_str("MemTotal: 1000 kB\nMemFree: 100 kB"), &memory));
    assert_int_equal(memory.available_kib, 100);
}

static void test_more_available_than_there_is_counts_as_all(void **state)
{
    struct memory_info memory;

    (void)state;
    assert_true(sensor_parse_memory(span_str("MemTotal: 10 kB\nMemAvailable: 11 kB\n"), &memory));
    assert_int_equal(memory.available_kib, 10);
}

static void test_memory_without_a_total_has_no_value(void **state)
{
    static const char *const broken[] = {
        "",
        "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
        "MemAvailable: 5 kB\n",
        "MemTotal: 10 kB\n",
        "MemTotal: x\nMemAvailable: 5\n",
        "MemTotal: 9999999999999 kB\nMemAvailable: 5 kB\n",
    };
    struct memory_info memory;

    (void)state;
    for (size_t i = 0; i < LENGTH(broken); i++)
        assert_false(sensor_parse_memory(span_str(broken[i]), &memory));
}

/* For parsers of one number: the text, and what comes out; NONE = refused. */
#define NONE INT64_MIN

struct number_case {
    const char *text;
    int64_t want;
};

static void check_number(const struct number_case *c, bool taken, int64_t got)
{
    if (taken != (c->want != NONE) || (taken && got != c->want))
        fail_msg("'%s': %s %lld", c->text, taken ? "taken as" : "refused", (long long)got);
}

static void test_temperatures_are_plausible_or_absent(void **state)
{
    static const struct number_case cases[] = {
        {"54200\n", 54200}, {"54200", 54200},   {"0\n", 0},
        {"-20000", -20000}, {"125000", 125000}, {"-20001", NONE},
        {"125001", NONE},   {"-1000\n", -1000}, {"127000", NONE},
        {"-274000", NONE},  {"", NONE},         {"\n", NONE},
        {"-", NONE},        {"54.2", NONE},     {"54200x", NONE},
        {"0x20", NONE},     {"--5", NONE},      {"99999999999999999999999", NONE},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        int32_t mc = 0;
        bool taken = sensor_parse_temp(span_str(cases[i].text), &mc);
        check_number(&cases[i], taken, mc);
    }
}

static void test_throttle_bits_are_hex_and_only_the_low_half(void **state)
{
    static const struct number_case cases[] = {
        {"0\n", 0},     {"50005\n", 5},       {"50000", 0},        {"f", 15},
        {"E0008\n", 8}, {"ffffffff", 0xffff}, {"fffffffff", NONE}, {"0x5", NONE},
        {"", NONE},     {"g", NONE},          {"5 5", NONE},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint32_t bits = 0;
        bool taken = sensor_parse_throttled(span_str(cases[i].text), &bits);
        check_number(&cases[i], taken, bits);
    }
}

static void test_pressure_is_the_first_average_of_some(void **state)
{
    static const struct number_case cases[] = {
        {"some avg10=1.23 avg60=9.99 avg300=0.00 total=1\nfull avg10=5.00\n", 123},
        {"some avg10=0.00 avg60=0.00", 0},
        {"some avg10=100.00 avg60=0.00", 10000},
        {"some avg10=0.07", 7},
        {"some avg10=100.01 avg60=0.00", NONE},
        {"some avg10=101.00 avg60", NONE},
        {"full avg10=1.00", NONE},
        {"some avg10=1", NONE},
        {"some avg10=1.2", NONE},
        {"some avg10=1.234", NONE},
        {"some avg10=", NONE},
        {"", NONE},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        int32_t centi = 0;
        bool taken = sensor_parse_pressure(span_str(cases[i].text), &centi);
        check_number(&cases[i], taken, centi);
    }
}

static void test_swap_in_is_found_by_its_whole_name(void **state)
{
    static const struct number_case cases[] = {
        {"nr_free_pages 1\npswpin 42\npswpout 7\n", 42},
        {"pswpin 0", 0},
        {"pswpinx 3\n", NONE},
        {"xpswpin 3\n", NONE},
        {"pswpin \n", NONE},
        {"pswpin", NONE},
        {"", NONE},
    };

    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        uint64_t pages = 0;
        bool taken = sensor_parse_swap_in(span_str(cases[i].text), &pages);
        check_number(&cases[i], taken, (int64_t)pages);
    }
}

static void test_clock_uptime_and_alarm(void **state)
{
    int64_t value = 0;
    bool alarm = false;

    (void)state;
    assert_true(sensor_parse_khz(span_str("2400000\n"), &value));
    assert_int_equal(value, 2400000);
    assert_false(sensor_parse_khz(span_str("0\n"), &value));
    assert_false(sensor_parse_khz(span_str("<unknown>\n"), &value));
    assert_true(sensor_parse_uptime(span_str("350735.47 234388.90\n"), &value));
    assert_int_equal(value, 350735);
    assert_false(sensor_parse_uptime(span_str("12x"), &value));
    assert_false(sensor_parse_uptime(span_str(".5 1.0"), &value));
    assert_true(sensor_parse_alarm(span_str("1\n"), &alarm));
    assert_true(alarm);
    assert_true(sensor_parse_alarm(span_str("0\n"), &alarm));
    assert_false(alarm);
    assert_false(sensor_parse_alarm(span_str("2\n"), &alarm));
}

static void test_a_board_name_ends_at_nul_and_is_printable(void **state)
{
    static const char pi[] = "Raspberry Pi 5 Model B Rev 1.0\0garbage";
    static const char odd[] = "A\x01\xff\"B\n";
    char board[16];
    char whole[64];

    (void)state;
    assert_true(sensor_parse_board((struct span){pi, sizeof pi - 1}, whole, sizeof whole));
    assert_string_equal(whole, "Raspberry Pi 5 Model B Rev 1.0");
    assert_true(sensor_parse_board((struct span){pi, sizeof pi - 1}, board, sizeof board));
    assert_string_equal(board, "Raspberry Pi 5 ");
    assert_true(sensor_parse_board(span_str(odd), board, sizeof board));
    assert_string_equal(board, "A??\"B");
    assert_false(sensor_parse_board((struct span){"\0x", 2}, board, sizeof board));
    assert_false(sensor_parse_board((struct span){NULL, 0}, board, sizeof board));
}

static void test_a_boot_id_is_a_uuid(void **state)
{
    char boot_id[SENSOR_BOOT_ID_LEN + 1] = "x";

    (void)state;
    assert_false(sensor_parse_boot_id(span_str("e458060a-3534-4a8d-a590-71175354798"), boot_id));
    assert_false(sensor_parse_boot_id(span_str("e458060a-3534-4a8d-a590-71175354798g"), boot_id));
    assert_false(sensor_parse_boot_id(span_str("e458060a03534-4a8d-a590-71175354798e"), boot_id));
    assert_false(sensor_parse_boot_id(span_str("e458060a-3534-4a8d-a590-71175354798ef"), boot_id));
    assert_string_equal(boot_id, "x");
    assert_true(sensor_parse_boot_id(span_str("e458060a-3534-4a8d-a590-71175354798e\n"), boot_id));
    assert_string_equal(boot_id, "e458060a-3534-4a8d-a590-71175354798e");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_line_of_stat_is_read),
        cmocka_unit_test(test_a_broken_cpu_line_has_no_value),
        cmocka_unit_test(test_the_first_cpu_sample_has_no_value),
        cmocka_unit_test(test_busy_is_everything_but_idle_and_iowait),
        cmocka_unit_test(test_guest_time_is_not_counted_twice),
        cmocka_unit_test(test_counters_that_do_not_advance_have_no_value),
        cmocka_unit_test(test_a_counter_that_runs_backwards_is_clamped),
        cmocka_unit_test(test_idle_that_falls_by_three_seconds_starts_anew),
        cmocka_unit_test(test_a_rate_needs_two_samples_and_time),
        cmocka_unit_test(test_memory_is_what_is_available),
        cmocka_unit_test(test_an_old_kernel_adds_up_free_buffers_and_cached),
        cmocka_unit_test(test_more_available_than_there_is_counts_as_all),
        cmocka_unit_test(test_memory_without_a_total_has_no_value),
        cmocka_unit_test(test_temperatures_are_plausible_or_absent),
        cmocka_unit_test(test_throttle_bits_are_hex_and_only_the_low_half),
        cmocka_unit_test(test_pressure_is_the_first_average_of_some),
        cmocka_unit_test(test_swap_in_is_found_by_its_whole_name),
        cmocka_unit_test(test_clock_uptime_and_alarm),
        cmocka_unit_test(test_a_board_name_ends_at_nul_and_is_printable),
        cmocka_unit_test(test_a_boot_id_is_a_uuid),
    };

    return cmocka_run_group_tests_name("sensor_parse", tests, NULL, NULL);
}
