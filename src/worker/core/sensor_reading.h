#ifndef WORKER_SENSOR_READING_H
#define WORKER_SENSOR_READING_H

/*
 * What the node's sensors said at one moment: a value, passed from the shell that reads files
 * (sensors.h) to the core that judges (availability.h) and publishes (health_json.h). Pure.
 *
 * A value counts only if its `has_` flag is true; a sensor that could not be read is absent, never
 * guessed. All-zero bytes are a valid reading in which nothing is known.
 *
 * Whole numbers throughout, cut and never rounded: 74.96 C is less than 75 C both here and in what
 * the router reads.
 */

#include <stdbool.h>
#include <stdint.h>

#define SENSOR_BOARD_MAX                                                                           \
    127                       /* bytes of the board's name kept, without NUL; longer ones are cut  \
                               */
#define SENSOR_BOOT_ID_LEN 36 /* a UUID in text */

struct sensor_reading {
    bool has_cpu;
    bool has_ram; /* the three ram_ fields */
    bool has_temp;
    bool has_throttled;
    bool has_under_voltage;
    bool has_freq_capped;
    bool has_memory_pressure;
    bool has_swap_in;
    bool has_cpu_khz;
    bool has_uptime;

    bool throttled;     /* the firmware slows the clock because of heat, now */
    bool under_voltage; /* supply below 4.63 V, now */
    bool freq_capped;   /* the ARM clock is capped, now */

    int32_t cpu_permille; /* busy share of all cores since the last reading, 0 to 1000 */
    int32_t ram_permille; /* (total - available) / total, 0 to 1000 */
    int64_t ram_used_mb;  /* MiB */
    int64_t ram_total_mb; /* MiB */
    int32_t temp_mc;      /* SoC temperature, millidegrees Celsius, -20000 to 125000 */

    int32_t memory_pressure_centi; /* PSI memory `some avg10`, hundredths of a percent, to 10000 */
    int64_t swap_in_deci;          /* pages swapped in per second, in tenths */
    int64_t cpu_khz;               /* requested clock of the first CPU cluster */
    int64_t uptime_s;

    char board[SENSOR_BOARD_MAX + 1];     /* printable ASCII; "" if unknown */
    char boot_id[SENSOR_BOOT_ID_LEN + 1]; /* "" if unknown */
};

#endif
