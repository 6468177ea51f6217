#ifndef WORKER_SENSORS_H
#define WORKER_SENSORS_H

/*
 * Reads the node's sensors from /proc and /sys below a root prefix. Shell: reads files, keeps
 * nothing open, allocates nothing, never logs.
 *
 * Never blocks: only regular files are read (those of sysfs and procfs are), opened with
 * O_NONBLOCK, at most SENSOR_FILE_MAX bytes each; a FIFO or device in a made-up tree counts as
 * absent.
 *
 * Sensors are found by name and anew at each reading, because hwmon numbers vary from boot to boot
 * and may change when a driver is loaded again:
 *
 * - temperature: the thermal zone of type `cpu-thermal`, else hwmon `cpu_thermal` (temp1_input),
 *   else the first zone whose type contains "cpu" or "soc"; never the hottest of all.
 * - throttled: bits 2 and 3 of get_throttled, a file in a directory whose name ends in "firmware",
 *   below one in /sys/devices/platform whose name begins with "soc"; if there is none, whether the
 *   temperature is 80 C or more, if known.
 * - freq_capped: bit 1 of get_throttled.
 * - under_voltage: bit 0 of get_throttled, else in0_lcrit_alarm of hwmon `rpi_volt`.
 */

#include <stdint.h>

#include "sensor_parse.h"
#include "sensor_reading.h"

struct err;

#define SENSORS_ROOT_MAX    255   /* bytes of the root prefix, without NUL */
#define SENSORS_THROTTLE_MC 80000 /* the firmware slows the clock from 80 C on (all models) */

/* Owns nothing outside itself: needs no done(). Fields are private to sensors.c. */
struct sensors {
    char root[SENSORS_ROOT_MAX + 1];
    char boot_id[SENSOR_BOOT_ID_LEN + 1];
    struct cpu_meter cpu;
    struct rate_meter swap_in;
};

/* `root` is "" for the real machine, else a directory (a slash at its end does not matter). It need
 * not exist: then nothing is known. Returns 0, or -ENAMETOOLONG with *err filled. */
int sensors_init(struct sensors *sensors, const char *root, struct err *err);

/* Takes a reading; whatever cannot be read is absent from *ret. `now_ms` is monotonic. CPU load and
 * swap-in are those since the last call, so the first has neither; calls should be a second or more
 * apart for the load to mean something. Costs about forty opens of files in memory. */
void sensors_read(struct sensors *sensors, int64_t now_ms, struct sensor_reading *ret);

#endif
