/* libFuzzer target: the first byte chooses a parser, the rest is the file's contents. Whatever the
 * text, an output is in its range or was left alone. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "sensor_parse.h"
#include "sensor_reading.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two samples, the second one behind the first line: also tries the meter. */
static void try_cpu(struct span text)
{
    struct cpu_meter meter = {.has_baseline = false};
    struct cpu_counters counters;
    int32_t permille = -1;
    const char *newline = memchr(text.ptr, '\n', text.len);

    if (!sensor_parse_cpu(text, &counters) || !newline)
        return;
    assert(!cpu_meter_update(&meter, &counters, &permille));
    size_t skip = (size_t)(newline - text.ptr) + 1;
    if (!sensor_parse_cpu((struct span){text.ptr + skip, text.len - skip}, &counters))
        return;
    bool has_value = cpu_meter_update(&meter, &counters, &permille);
    assert(has_value ? permille >= 0 && permille <= 1000 : permille == -1);
}

static void try_memory(struct span text)
{
    struct memory_info memory;

    if (sensor_parse_memory(text, &memory))
        assert(memory.total_kib > 0 && memory.available_kib <= memory.total_kib &&
               memory.total_kib <= UINT64_C(1) << 40);
}

static void try_pressure(struct span text)
{
    int32_t centi = -1;
    bool has_value = sensor_parse_pressure(text, &centi);

    assert(has_value ? centi >= 0 && centi <= 10000 : centi == -1);
}

static void try_swap_in(struct span text)
{
    struct rate_meter meter = {.has_baseline = false};
    uint64_t pages = 0;
    int64_t deci = -1;

    if (!sensor_parse_swap_in(text, &pages))
        return;
    (void)rate_meter_update(&meter, 0, 0, &deci);
    bool has_value = rate_meter_update(&meter, pages, 1, &deci);
    assert(has_value && deci >= 0);
}

static void try_temp(struct span text)
{
    int32_t temp_mc = INT32_MIN;
    bool has_value = sensor_parse_temp(text, &temp_mc);

    assert(has_value ? temp_mc >= SENSOR_TEMP_MIN_MC && temp_mc <= SENSOR_TEMP_MAX_MC
                     : temp_mc == INT32_MIN);
}

static void try_firmware(struct span text)
{
    uint32_t bits = UINT32_MAX;
    bool alarm = false;
    int64_t khz = -1;
    int64_t uptime_s = -1;
    bool has_bits = sensor_parse_throttled(text, &bits);

    assert(has_bits ? bits <= 0xffff : bits == UINT32_MAX);
    (void)sensor_parse_alarm(text, &alarm);
    assert(sensor_parse_khz(text, &khz) ? khz > 0 : khz == -1);
    assert(sensor_parse_uptime(text, &uptime_s) ? uptime_s >= 0 : uptime_s == -1);
}

static void try_identity(struct span text)
{
    char board[SENSOR_BOARD_MAX + 1];
    char boot_id[SENSOR_BOOT_ID_LEN + 1];

    if (sensor_parse_board(text, board, sizeof board)) {
        assert(board[0] != '\0' && strlen(board) <= SENSOR_BOARD_MAX);
        assert(span_is_utf8(span_str(board)));
    }
    if (sensor_parse_boot_id(text, boot_id))
        assert(strlen(boot_id) == SENSOR_BOOT_ID_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct span) = {
        try_cpu, try_memory, try_pressure, try_swap_in, try_temp, try_firmware, try_identity,
    };

    if (size == 0)
        return 0;
    tries[data[0] % (sizeof tries / sizeof tries[0])](
        (struct span){(const char *)data + 1, size - 1});
    return 0;
}
