#ifndef WORKER_SENSOR_PARSE_H
#define WORKER_SENSOR_PARSE_H

/*
 * Parsers for the small files of /proc and /sys. Pure: text in, numbers out.
 *
 * Every parser takes the contents of a file (a trailing newline is optional) and returns true with
 * its output set, or false with the output left alone when the text is not what the kernel writes
 * or the value is out of its range. A false is "no value", not a fault: kernels and boards differ.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

/* A temperature outside this range is a driver without an answer (-274 C, 127 C and more). */
#define SENSOR_TEMP_MIN_MC (-20000)
#define SENSOR_TEMP_MAX_MC 125000

/* Clock ticks since boot, from the first line of /proc/stat. `guest` and `guest_nice` are not kept:
 * the kernel has already added them to `user` and `nice`, so the eight fields below are the whole.
 */
enum cpu_field {
    CPU_USER = 0,
    CPU_NICE,
    CPU_SYSTEM,
    CPU_IDLE,
    CPU_IOWAIT,
    CPU_IRQ,
    CPU_SOFTIRQ,
    CPU_STEAL,
    CPU_FIELD_COUNT
};

struct cpu_counters {
    uint64_t ticks[CPU_FIELD_COUNT];
};

/* Needs at least user, nice, system and idle, as kernel 2.4 wrote; later fields default to 0. */
bool sensor_parse_cpu(struct span text, struct cpu_counters *ret);

/*
 * CPU load between two looks at the counters.
 *
 * Single counters may run backwards (iowait by the kernel's own documentation, idle when a core is
 * unplugged): such a step counts as 0 and the highest value seen stays the baseline. An idle
 * counter that falls by 3 seconds or more means that counting began anew: the sample becomes the
 * baseline. (The rule is that of Prometheus' node_exporter.)
 */
#define CPU_IDLE_RESET_TICKS 300 /* 3 s; USER_HZ is 100 on every Linux we run on */

struct cpu_meter {
    bool has_baseline;
    struct cpu_counters baseline;
};

/* True with the busy share (0 to 1000) in *ret_permille. False, output left alone, for the first
 * sample, after a reset, and when no tick has passed. A zeroed meter is ready for use. */
bool cpu_meter_update(struct cpu_meter *meter, const struct cpu_counters *now,
                      int32_t *ret_permille);

/* A counter that only grows, as a rate. A zeroed meter is ready for use. */
struct rate_meter {
    bool has_baseline;
    uint64_t baseline;
    int64_t baseline_ms;
};

/* True with the rate per second, in tenths, in *ret_deci. False for the first sample, when the
 * monotonic clock `now_ms` has not advanced, and when the counter ran backwards (which makes it the
 * new baseline). */
bool rate_meter_update(struct rate_meter *meter, uint64_t now, int64_t now_ms, int64_t *ret_deci);

/* /proc/meminfo, in KiB. available <= total; without MemAvailable (kernel before 3.14) it is
 * MemFree + Buffers + Cached. total is at least 1 and at most 2^40. */
struct memory_info {
    uint64_t total_kib;
    uint64_t available_kib;
};
bool sensor_parse_memory(struct span text, struct memory_info *ret);

/* /proc/pressure/memory: `some avg10=1.23` gives 123. 0 to 10000. */
bool sensor_parse_pressure(struct span text, int32_t *ret_centi);

/* /proc/vmstat: pswpin, pages swapped in since boot. */
bool sensor_parse_swap_in(struct span text, uint64_t *ret_pages);

/* A thermal zone's `temp` or hwmon's tempN_input: decimal millidegrees, within the range above. */
bool sensor_parse_temp(struct span text, int32_t *ret_mc);

/*
 * get_throttled: hex without 0x. Only the low half is kept: the high half means "since boot" in the
 * firmware but "in the last two seconds" here, because the kernel's driver clears it at each poll.
 */
enum throttle_bit {
    THROTTLE_UNDER_VOLTAGE = 1 << 0,
    THROTTLE_FREQ_CAPPED = 1 << 1,
    THROTTLE_THROTTLED = 1 << 2,
    THROTTLE_SOFT_LIMIT = 1 << 3 /* only on 3A+ and 3B+: 1.4 -> 1.2 GHz at 60 C */
};
bool sensor_parse_throttled(struct span text, uint32_t *ret_bits);

/* hwmon's in0_lcrit_alarm: 0 or 1. */
bool sensor_parse_alarm(struct span text, bool *ret);

/* cpufreq's scaling_cur_freq: kHz, 1 to 100,000,000. */
bool sensor_parse_khz(struct span text, int64_t *ret_khz);

/* /proc/device-tree/model: text that ends at the first NUL. Bytes that are not printable ASCII
 * become '?'; what does not fit cap - 1 bytes is cut; ret is NUL-terminated. False if empty. */
bool sensor_parse_board(struct span text, char *ret, size_t cap);

/* /proc/sys/kernel/random/boot_id: a UUID; ret has SENSOR_BOOT_ID_LEN + 1 bytes. */
bool sensor_parse_boot_id(struct span text, char *ret);

/* /proc/uptime: whole seconds of the first number. */
bool sensor_parse_uptime(struct span text, int64_t *ret_s);

#endif
