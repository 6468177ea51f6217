#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

#include "sensor_files.h"
#include "sensors.h"
#include "test.h"

static char root[64];
static struct sensors sensors;
static struct sensor_reading reading;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int start(void **state)
{
    struct err err;

    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/orion-sensors-XXXXXX");
    assert_non_null(mkdtemp(root));
    return sensors_init(&sensors, root, &err);
}

static int stop(void **state)
{
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path below the root, its directories made. */
static const char *path_of(const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    return path;
}

static void put_bytes(const char *name, const char *bytes, size_t len)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static void drop(const char *name)
{
    assert_int_equal(remove(path_of(name)), 0);
}

static const struct sensor_reading *read_at(int64_t now_ms)
{
    sensors_read(&sensors, now_ms, &reading);
    return &reading;
}

static void assert_temp(int32_t want_mc)
{
    (void)read_at(0);
    assert_true(reading.has_temp);
    assert_int_equal(reading.temp_mc, want_mc);
}

static void assert_no_temp(void)
{
    assert_false(read_at(0)->has_temp);
}

#define ZONE(n)  "sys/class/thermal/thermal_zone" #n "/"
#define HWMON(n) "sys/class/hwmon/hwmon" #n "/"
#define PI5_SOC  "sys/devices/platform/soc@107c000000/soc:firmware/get_throttled"

static void test_an_empty_root_knows_nothing(void **state)
{
    static const struct sensor_reading nothing;
    struct err err;

    (void)state;
    assert_memory_equal(read_at(1), &nothing, sizeof nothing);
    assert_int_equal(sensors_init(&sensors, "/tmp/orion-there-is-no-such-root", &err), 0);
    assert_memory_equal(read_at(1), &nothing, sizeof nothing);
}

static void test_a_root_that_is_too_long_is_refused(void **state)
{
    char long_root[SENSORS_ROOT_MAX + 3];
    struct err err = {.msg = ""};

    (void)state;
    memset(long_root, 'r', sizeof long_root - 1);
    long_root[0] = '/';
    long_root[sizeof long_root - 1] = '\0';
    assert_int_equal(sensors_init(&sensors, long_root, &err), -ENAMETOOLONG);
    assert_true(err.msg[0] != '\0');
    long_root[SENSORS_ROOT_MAX] = '\0';
    assert_int_equal(sensors_init(&sensors, long_root, &err), 0);
    assert_no_temp();
}

static void test_the_temperature_is_the_socs_and_not_the_hottest(void **state)
{
    (void)state;
    put(ZONE(0) "type", "rp1-thermal\n");
    put(ZONE(0) "temp", "90000\n");
    put(ZONE(1) "type", "cpu-thermal\n");
    put(ZONE(1) "temp", "54200\n");
    put(HWMON(0) "name", "nvme\n");
    put(HWMON(0) "temp1_input", "95000\n");
    assert_temp(54200);
}

static void test_without_the_zone_hwmon_is_asked_by_name(void **state)
{
    (void)state;
    put(HWMON(0) "name", "rp1_adc\n");
    put(HWMON(0) "temp1_input", "60000\n");
    put(HWMON(3) "name", "cpu_thermal\n");
    put(HWMON(3) "temp1_input", "51000\n");
    put(ZONE(0) "type", "soc-thermal\n");
    put(ZONE(0) "temp", "47000\n");
    assert_temp(51000);
}

static void test_a_foreign_board_uses_its_first_cpu_or_soc_zone(void **state)
{
    (void)state;
    put(ZONE(10) "type", "CPU-big\n");
    put(ZONE(10) "temp", "41000\n");
    put(ZONE(2) "type", "gpu_thermal\n");
    put(ZONE(2) "temp", "42000\n");
    put(ZONE(9) "type", "soc_thermal\n");
    put(ZONE(9) "temp", "43000\n");
    assert_temp(43000);
    drop(ZONE(9) "type");
    assert_temp(41000);
    drop(ZONE(10) "type");
    assert_no_temp();
}

static void test_a_sensor_that_moves_is_found_again(void **state)
{
    (void)state;
    put(HWMON(1) "name", "cpu_thermal\n");
    put(HWMON(1) "temp1_input", "50000\n");
    assert_temp(50000);
    put(HWMON(1) "name", "nvme\n");
    put(HWMON(2) "name", "cpu_thermal\n");
    put(HWMON(2) "temp1_input", "52000\n");
    assert_temp(52000);
    drop(HWMON(2) "temp1_input");
    assert_no_temp();
}

static void test_an_implausible_temperature_is_no_value(void **state)
{
    (void)state;
    put(ZONE(0) "type", "cpu-thermal\n");
    put(ZONE(0) "temp", "127000\n");
    put(ZONE(1) "type", "soc-thermal\n");
    put(ZONE(1) "temp", "50000\n");
    assert_no_temp(); /* and no other sensor stands in */
    put(ZONE(0) "temp", "-274000\n");
    assert_no_temp();
    put(ZONE(0) "temp", "");
    assert_no_temp();
}

static void assert_throttle(int throttled, int under_voltage, int freq_capped)
{
    (void)read_at(0);
    assert_int_equal(reading.has_throttled ? reading.throttled : -1, throttled);
    assert_int_equal(reading.has_under_voltage ? reading.under_voltage : -1, under_voltage);
    assert_int_equal(reading.has_freq_capped ? reading.freq_capped : -1, freq_capped);
}

static void test_throttle_bits_of_both_kinds_of_device_tree(void **state)
{
    (void)state;
    put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    assert_throttle(1, 1, 0);
    put("sys/devices/platform/soc/soc:firmware/get_throttled", "f0002\n");
    assert_throttle(0, 0, 1);
    drop("sys/devices/platform/soc/soc:firmware/get_throttled");
    assert_throttle(-1, -1, -1);
    put(PI5_SOC, "8\n");
    assert_throttle(1, 0, 0);
}

static void test_without_the_firmware_file_temperature_and_voltmeter_answer(void **state)
{
    (void)state;
    put("sys/devices/platform/soc/other/get_throttled", "7\n"); /* not the firmware */
    assert_throttle(-1, -1, -1);
    put(ZONE(0) "type", "cpu-thermal\n");
    put(ZONE(0) "temp", "79999\n");
    assert_throttle(0, -1, -1);
    put(ZONE(0) "temp", "80000\n");
    assert_throttle(1, -1, -1);
    put(HWMON(1) "name", "rpi_volt\n");
    put(HWMON(1) "in0_lcrit_alarm", "1\n");
    assert_throttle(1, 1, -1);
    put(HWMON(1) "in0_lcrit_alarm", "0\n");
    assert_throttle(1, 0, -1);
}

static void test_load_is_that_since_the_last_reading(void **state)
{
    (void)state;
    put("proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0\n");
    put("proc/vmstat", "pswpin 10\n");
    assert_false(read_at(1000)->has_cpu);
    assert_false(reading.has_swap_in);
    put("proc/stat", "cpu  130 0 0 970 0 0 0 0 0 0\n");
    put("proc/vmstat", "pswpin 30\n");
    assert_true(read_at(3000)->has_cpu);
    assert_int_equal(reading.cpu_permille, 300);
    assert_true(reading.has_swap_in);
    assert_int_equal(reading.swap_in_deci, 100);
    assert_false(read_at(4000)->has_cpu); /* no tick has passed */
}

static void test_another_boot_starts_the_counters_anew(void **state)
{
    (void)state;
    put("proc/sys/kernel/random/boot_id", "e458060a-3534-4a8d-a590-71175354798e\n");
    put("proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0\n");
    (void)read_at(1000);
    put("proc/sys/kernel/random/boot_id", "00000000-3534-4a8d-a590-71175354798e\n");
    put("proc/stat", "cpu  130 0 0 970 0 0 0 0 0 0\n");
    assert_false(read_at(2000)->has_cpu);
    assert_string_equal(reading.boot_id, "00000000-3534-4a8d-a590-71175354798e");
}

static void test_memory_board_and_the_rest(void **state)
{
    static const char model[] = "Raspberry Pi 5 Model B Rev 1.0"; /* with its NUL */

    (void)state;
    put("proc/meminfo", "MemTotal: 8257536 kB\nMemAvailable: 2064384 kB\n");
    put("proc/pressure/memory", "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\n");
    put("proc/uptime", "12345.67 3.00\n");
    put("sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "2400000\n");
    put_bytes("proc/device-tree/model", model, sizeof model);
    (void)read_at(0);
    assert_true(reading.has_ram);
    assert_int_equal(reading.ram_permille, 750);
    assert_int_equal(reading.ram_used_mb, 6048);
    assert_int_equal(reading.ram_total_mb, 8064);
    assert_true(reading.has_memory_pressure);
    assert_int_equal(reading.memory_pressure_centi, 150);
    assert_int_equal(reading.uptime_s, 12345);
    assert_int_equal(reading.cpu_khz, 2400000);
    assert_string_equal(reading.board, "Raspberry Pi 5 Model B Rev 1.0");
}

/* Were it opened or read like a file, this test would never end. */
static void test_a_fifo_in_the_tree_hangs_nobody(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path_of("proc/stat"), 0600), 0);
    assert_int_equal(mkfifo(path_of("proc/meminfo"), 0600), 0);
    assert_int_equal(mkfifo(path_of(ZONE(0) "type"), 0600), 0);
    assert_int_equal(mkfifo(path_of("sys/class/hwmon"), 0600), 0);
    assert_int_equal(mkdir(path_of("proc/uptime"), 0700), 0);
    (void)read_at(0);
    assert_false(reading.has_cpu || reading.has_ram || reading.has_temp || reading.has_uptime);

    int fd = open(path_of("proc/stat"), O_RDWR | O_CLOEXEC); /* a writer that says nothing */
    assert_true(fd >= 0);
    assert_false(read_at(0)->has_cpu);
    assert_int_equal(close(fd), 0);
}

static void test_only_the_first_4_kib_are_read_and_a_cut_line_is_left_out(void **state)
{
    char text[SENSOR_FILE_MAX + 100];
    static const char line[] = "pswpin 123456\n";

    (void)state;
    memset(text, '\n', sizeof text);
    memcpy(text + SENSOR_FILE_MAX - 10, line, sizeof line - 1); /* cut behind "pswpin 123" */
    put_bytes("proc/vmstat", text, sizeof text);
    (void)read_at(1000);
    assert_false(read_at(2000)->has_swap_in);
    memcpy(text + SENSOR_FILE_MAX - (sizeof line - 1), line, sizeof line - 1);
    put_bytes("proc/vmstat", text, sizeof text);
    (void)read_at(3000);
    assert_true(read_at(4000)->has_swap_in);
    memset(text, 'x', sizeof text);
    put_bytes("proc/vmstat", text, sizeof text);
    assert_false(read_at(5000)->has_swap_in);
}

static void test_the_real_machine_can_be_read(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(sensors_init(&sensors, "", &err), 0);
    assert_true(read_at(0)->has_ram);
    assert_true(reading.ram_total_mb > 0);
    assert_int_equal(strlen(reading.boot_id), SENSOR_BOOT_ID_LEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_empty_root_knows_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_a_root_that_is_too_long_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_the_temperature_is_the_socs_and_not_the_hottest, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_without_the_zone_hwmon_is_asked_by_name, start, stop),
        cmocka_unit_test_setup_teardown(test_a_foreign_board_uses_its_first_cpu_or_soc_zone, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_a_sensor_that_moves_is_found_again, start, stop),
        cmocka_unit_test_setup_teardown(test_an_implausible_temperature_is_no_value, start, stop),
        cmocka_unit_test_setup_teardown(test_throttle_bits_of_both_kinds_of_device_tree, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            test_without_the_firmware_file_temperature_and_voltmeter_answer, start, stop),
        cmocka_unit_test_setup_teardown(test_load_is_that_since_the_last_reading, start, stop),
        cmocka_unit_test_setup_teardown(test_another_boot_starts_the_counters_anew, start, stop),
        cmocka_unit_test_setup_teardown(test_memory_board_and_the_rest, start, stop),
        cmocka_unit_test_setup_teardown(test_a_fifo_in_the_tree_hangs_nobody, start, stop),
        cmocka_unit_test_setup_teardown(
            test_only_the_first_4_kib_are_read_and_a_cut_line_is_left_out, start, stop),
        cmocka_unit_test_setup_teardown(test_the_real_machine_can_be_read, start, stop),
    };

    return cmocka_run_group_tests_name("sensors", tests, NULL, NULL);
}
