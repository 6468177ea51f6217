#include "sensors.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"

#include "sensor_files.h"

int sensors_init(struct sensors *sensors, const char *root, struct err *err)
{
    size_t len = strlen(root);

    while (len > 0 && root[len - 1] == '/')
        len--;
    if (len > SENSORS_ROOT_MAX) {
        return err_set(err, -ENAMETOOLONG, "root '%.60s...' is longer than %d bytes", root,
                       SENSORS_ROOT_MAX);
    }
    *sensors = (struct sensors){.root = ""};
    memcpy(sensors->root, root, len);
    return 0;
}

/* Reads the file at `path` (which begins with a slash) below the root. */
static bool read_below(const struct sensors *sensors, const char *path, struct sensor_file *file,
                       struct span *ret_text)
{
    char whole[SENSOR_PATH_MAX];

    return sensor_path_join(whole, sensors->root, path + 1) &&
           sensor_file_read(whole, file, ret_text);
}

static bool read_in(const char *dir, const char *name, struct sensor_file *file,
                    struct span *ret_text)
{
    char path[SENSOR_PATH_MAX];

    return sensor_path_join(path, dir, name) && sensor_file_read(path, file, ret_text);
}

static bool find_below(const struct sensors *sensors, const char *dir, const char *prefix,
                       sensor_match *match, char *ret_path)
{
    const char *label_file = strcmp(prefix, "hwmon") == 0 ? "name" : "type";
    char whole[SENSOR_PATH_MAX];

    return sensor_path_join(whole, sensors->root, dir + 1) &&
           sensor_find(whole, prefix, label_file, match, ret_path);
}

/* --- board, boot ------------------------------------------------------------------------------ */

static void read_identity(struct sensors *sensors, struct sensor_reading *ret)
{
    struct sensor_file file;
    struct span text;

    if (read_below(sensors, "/proc/device-tree/model", &file, &text))
        (void)sensor_parse_board(text, ret->board, sizeof ret->board);
    if (read_below(sensors, "/proc/sys/kernel/random/boot_id", &file, &text))
        (void)sensor_parse_boot_id(text, ret->boot_id);
    if (read_below(sensors, "/proc/uptime", &file, &text))
        ret->has_uptime = sensor_parse_uptime(text, &ret->uptime_s);
}

/* Counters of another boot are no baseline. */
static void reset_after_boot(struct sensors *sensors, const struct sensor_reading *reading)
{
    if (strcmp(sensors->boot_id, reading->boot_id) == 0)
        return;
    memcpy(sensors->boot_id, reading->boot_id, sizeof sensors->boot_id);
    sensors->cpu = (struct cpu_meter){.has_baseline = false};
    sensors->swap_in = (struct rate_meter){.has_baseline = false};
}

/* --- load and memory -------------------------------------------------------------------------- */

static void read_cpu(struct sensors *sensors, struct sensor_reading *ret)
{
    struct cpu_counters counters;
    struct sensor_file file;
    struct span text;

    if (read_below(sensors, "/proc/stat", &file, &text) && sensor_parse_cpu(text, &counters))
        ret->has_cpu = cpu_meter_update(&sensors->cpu, &counters, &ret->cpu_permille);
    if (read_below(sensors, "/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq", &file,
                   &text))
        ret->has_cpu_khz = sensor_parse_khz(text, &ret->cpu_khz);
}

static void read_memory(struct sensors *sensors, int64_t now_ms, struct sensor_reading *ret)
{
    struct sensor_file file;
    struct memory_info memory;
    struct span text;
    uint64_t pages = 0;

    if (read_below(sensors, "/proc/meminfo", &file, &text) && sensor_parse_memory(text, &memory)) {
        uint64_t used_kib = memory.total_kib - memory.available_kib;
        ret->has_ram = true;
        ret->ram_permille = (int32_t)(used_kib * 1000 / memory.total_kib);
        ret->ram_used_mb = (int64_t)(used_kib / 1024);
        ret->ram_total_mb = (int64_t)(memory.total_kib / 1024);
    }
    if (read_below(sensors, "/proc/pressure/memory", &file, &text))
        ret->has_memory_pressure = sensor_parse_pressure(text, &ret->memory_pressure_centi);
    if (read_below(sensors, "/proc/vmstat", &file, &text) && sensor_parse_swap_in(text, &pages))
        ret->has_swap_in = rate_meter_update(&sensors->swap_in, pages, now_ms, &ret->swap_in_deci);
}

/* --- temperature ------------------------------------------------------------------------------ */

static bool is_cpu_zone(struct span label)
{
    return span_is(label, "cpu-thermal");
}

/* hwmon forbids the dash. */
static bool is_cpu_hwmon(struct span label)
{
    return span_is(label, "cpu_thermal");
}

static bool mentions_cpu_or_soc(struct span label)
{
    for (size_t i = 0; i + 3 <= label.len; i++) {
        if (strncasecmp(label.ptr + i, "cpu", 3) == 0 || strncasecmp(label.ptr + i, "soc", 3) == 0)
            return true;
    }
    return false;
}

static void read_temp_file(const char *dir, const char *name, struct sensor_reading *ret)
{
    struct sensor_file file;
    struct span text;

    if (read_in(dir, name, &file, &text))
        ret->has_temp = sensor_parse_temp(text, &ret->temp_mc);
}

/* A foreign zone is asked only if neither of the known names exists: a sensor that has no value
 * this time is not replaced by another one. */
static void read_temp(const struct sensors *sensors, struct sensor_reading *ret)
{
    static const char zones[] = "/sys/class/thermal";
    char dir[SENSOR_PATH_MAX];
    bool found = false;

    if (find_below(sensors, zones, "thermal_zone", is_cpu_zone, dir)) {
        found = true;
        read_temp_file(dir, "temp", ret);
    }
    if (!ret->has_temp && find_below(sensors, "/sys/class/hwmon", "hwmon", is_cpu_hwmon, dir)) {
        found = true;
        read_temp_file(dir, "temp1_input", ret);
    }
    if (!found && find_below(sensors, zones, "thermal_zone", mentions_cpu_or_soc, dir))
        read_temp_file(dir, "temp", ret);
}

/* --- throttling and voltage ------------------------------------------------------------------- */

static bool visit_firmware(const char *path, const char *name, void *arg)
{
    static const char suffix[] = "firmware";
    uint32_t *ret_bits = arg;
    size_t len = strlen(name);
    struct sensor_file file;
    struct span text;

    if (len < sizeof suffix - 1 || strcmp(name + len - (sizeof suffix - 1), suffix) != 0)
        return false;
    return read_in(path, "get_throttled", &file, &text) && sensor_parse_throttled(text, ret_bits);
}

static bool visit_soc(const char *path, const char *name, void *arg)
{
    return strncmp(name, "soc", 3) == 0 && sensor_dir_visit(path, visit_firmware, arg);
}

static bool is_voltage_hwmon(struct span label)
{
    return span_is(label, "rpi_volt");
}

static void read_voltage_alarm(const struct sensors *sensors, struct sensor_reading *ret)
{
    char dir[SENSOR_PATH_MAX];
    struct sensor_file file;
    struct span text;

    if (find_below(sensors, "/sys/class/hwmon", "hwmon", is_voltage_hwmon, dir) &&
        read_in(dir, "in0_lcrit_alarm", &file, &text))
        ret->has_under_voltage = sensor_parse_alarm(text, &ret->under_voltage);
}

/* Needs the temperature, so read_temp() comes first. */
static void read_throttling(const struct sensors *sensors, struct sensor_reading *ret)
{
    char platform[SENSOR_PATH_MAX];
    uint32_t bits = 0;

    if (sensor_path_join(platform, sensors->root, "sys/devices/platform") &&
        sensor_dir_visit(platform, visit_soc, &bits)) {
        ret->has_throttled = ret->has_freq_capped = ret->has_under_voltage = true;
        ret->throttled = (bits & (THROTTLE_THROTTLED | THROTTLE_SOFT_LIMIT)) != 0;
        ret->freq_capped = (bits & THROTTLE_FREQ_CAPPED) != 0;
        ret->under_voltage = (bits & THROTTLE_UNDER_VOLTAGE) != 0;
        return;
    }
    ret->has_throttled = ret->has_temp;
    ret->throttled = ret->has_temp && ret->temp_mc >= SENSORS_THROTTLE_MC;
    read_voltage_alarm(sensors, ret);
}

void sensors_read(struct sensors *sensors, int64_t now_ms, struct sensor_reading *ret)
{
    *ret = (struct sensor_reading){.has_cpu = false};
    read_identity(sensors, ret);
    reset_after_boot(sensors, ret);
    read_cpu(sensors, ret);
    read_memory(sensors, now_ms, ret);
    read_temp(sensors, ret);
    read_throttling(sensors, ret);
}
