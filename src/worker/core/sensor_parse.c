#include "sensor_parse.h"

#include <assert.h>
#include <string.h>

#include "sensor_reading.h"

/* No counter of a real machine is larger (ticks: 31,000 years); sums and products of the smaller
 * ones stay within 64 bits. */
#define COUNTER_MAX   UINT64_C(100000000000000)

#define TOTAL_KIB_MAX (UINT64_C(1) << 40)
#define KHZ_MAX       UINT64_C(100000000)
#define UPTIME_MAX_S  UINT64_C(10000000000)

/* --- reading text from the left --------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void advance(struct span *s, size_t n)
{
    s->ptr += n;
    s->len -= n;
}

static void skip_blanks(struct span *s)
{
    while (s->len > 0 && is_blank(s->ptr[0]))
        advance(s, 1);
}

/* Only white space is left. */
static bool is_finished(struct span s)
{
    skip_blanks(&s);
    return s.len == 0;
}

static bool take_word(struct span *s, const char *word)
{
    if (!span_starts(*s, word))
        return false;
    advance(s, strlen(word));
    return true;
}

/* Decimal digits, at most `max`. On failure *s is somewhere in the number. */
static bool take_number(struct span *s, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    assert(max <= UINT64_MAX / 10 - 10);
    if (s->len == 0 || !is_digit(s->ptr[0]))
        return false;
    while (s->len > 0 && is_digit(s->ptr[0])) {
        value = value * 10 + (uint64_t)(s->ptr[0] - '0');
        if (value > max)
            return false;
        advance(s, 1);
    }
    *ret = value;
    return true;
}

static bool take_line(struct span *text, struct span *ret_line)
{
    if (text->len == 0)
        return false;
    const char *newline = memchr(text->ptr, '\n', text->len);
    size_t len = newline ? (size_t)(newline - text->ptr) : text->len;

    *ret_line = (struct span){text->ptr, len};
    advance(text, newline ? len + 1 : len);
    return true;
}

/* A file that holds one number. */
static bool parse_number(struct span text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;

    if (!take_number(&text, max, &value) || !is_finished(text))
        return false;
    *ret = value;
    return true;
}

/* The number behind `key` and blanks in the first line that begins with key. */
static bool find_number(struct span text, const char *key, uint64_t max, uint64_t *ret)
{
    struct span line;

    while (take_line(&text, &line)) {
        if (!take_word(&line, key) || line.len == 0 || !is_blank(line.ptr[0]))
            continue;
        skip_blanks(&line);
        return take_number(&line, max, ret);
    }
    return false;
}

/* --- /proc/stat ------------------------------------------------------------------------------- */

bool sensor_parse_cpu(struct span text, struct cpu_counters *ret)
{
    struct cpu_counters counters = {{0}};
    struct span line;
    size_t n = 0;

    if (!take_line(&text, &line) || !take_word(&line, "cpu ") || line.len == 0)
        return false;
    for (skip_blanks(&line); n < CPU_FIELD_COUNT && line.len > 0; n++) {
        if (!take_number(&line, COUNTER_MAX, &counters.ticks[n]) ||
            (line.len > 0 && !is_blank(line.ptr[0])))
            return false;
        skip_blanks(&line);
    }
    if (n <= CPU_IDLE)
        return false;
    *ret = counters;
    return true;
}

/* How far each counter has moved; the baseline follows, but never backwards. */
static struct cpu_counters advance_baseline(struct cpu_counters *baseline,
                                            const struct cpu_counters *now)
{
    struct cpu_counters delta = {{0}};

    for (size_t i = 0; i < CPU_FIELD_COUNT; i++) {
        if (now->ticks[i] <= baseline->ticks[i])
            continue;
        delta.ticks[i] = now->ticks[i] - baseline->ticks[i];
        baseline->ticks[i] = now->ticks[i];
    }
    return delta;
}

static bool has_restarted(const struct cpu_counters *baseline, const struct cpu_counters *now)
{
    return now->ticks[CPU_IDLE] + CPU_IDLE_RESET_TICKS <= baseline->ticks[CPU_IDLE];
}

bool cpu_meter_update(struct cpu_meter *meter, const struct cpu_counters *now,
                      int32_t *ret_permille)
{
    if (!meter->has_baseline || has_restarted(&meter->baseline, now)) {
        *meter = (struct cpu_meter){.has_baseline = true, .baseline = *now};
        return false;
    }

    struct cpu_counters delta = advance_baseline(&meter->baseline, now);
    uint64_t total = 0;
    for (size_t i = 0; i < CPU_FIELD_COUNT; i++)
        total += delta.ticks[i];
    if (total == 0)
        return false;

    uint64_t busy = total - delta.ticks[CPU_IDLE] - delta.ticks[CPU_IOWAIT];
    *ret_permille = (int32_t)(busy * 1000 / total);
    return true;
}

bool rate_meter_update(struct rate_meter *meter, uint64_t now, int64_t now_ms, int64_t *ret_deci)
{
    struct rate_meter before = *meter;

    assert(now_ms >= 0);
    if (before.has_baseline && now_ms <= before.baseline_ms)
        return false;
    *meter = (struct rate_meter){.has_baseline = true, .baseline = now, .baseline_ms = now_ms};
    if (!before.has_baseline || now < before.baseline || now - before.baseline > COUNTER_MAX)
        return false;
    uint64_t elapsed_ms = (uint64_t)(now_ms - before.baseline_ms);
    *ret_deci = (int64_t)((now - before.baseline) * 10000 / elapsed_ms);
    return true;
}

/* --- memory ----------------------------------------------------------------------------------- */

bool sensor_parse_memory(struct span text, struct memory_info *ret)
{
    uint64_t total = 0, available = 0, buffers = 0, cached = 0;

    if (!find_number(text, "MemTotal:", TOTAL_KIB_MAX, &total) || total == 0)
        return false;
    if (!find_number(text, "MemAvailable:", TOTAL_KIB_MAX, &available)) {
        if (!find_number(text, "MemFree:", TOTAL_KIB_MAX, &available))
            return false;
        (void)find_number(text, "Buffers:", TOTAL_KIB_MAX, &buffers); /* 0 if not there */
        (void)find_number(text, "Cached:", TOTAL_KIB_MAX, &cached);
        available += buffers + cached;
    }
    *ret = (struct memory_info){total, available < total ? available : total};
    return true;
}

bool sensor_parse_pressure(struct span text, int32_t *ret_centi)
{
    struct span line;
    uint64_t whole = 0;

    if (!take_line(&text, &line) || !take_word(&line, "some avg10=") ||
        !take_number(&line, 100, &whole))
        return false;
    /* The kernel writes "%lu.%02lu". */
    if (line.len < 3 || line.ptr[0] != '.' || !is_digit(line.ptr[1]) || !is_digit(line.ptr[2]) ||
        (line.len > 3 && line.ptr[3] != ' '))
        return false;
    int32_t centi =
        (int32_t)whole * 100 + (int32_t)(line.ptr[1] - '0') * 10 + (int32_t)(line.ptr[2] - '0');
    if (centi > 10000)
        return false;
    *ret_centi = centi;
    return true;
}

bool sensor_parse_swap_in(struct span text, uint64_t *ret_pages)
{
    return find_number(text, "pswpin", COUNTER_MAX, ret_pages);
}

/* --- firmware and clock ----------------------------------------------------------------------- */

bool sensor_parse_temp(struct span text, int32_t *ret_mc)
{
    bool is_negative = take_word(&text, "-");
    uint64_t value = 0;

    if (!parse_number(text, SENSOR_TEMP_MAX_MC, &value))
        return false;
    int32_t temp_mc = is_negative ? -(int32_t)value : (int32_t)value;
    if (temp_mc < SENSOR_TEMP_MIN_MC)
        return false;
    *ret_mc = temp_mc;
    return true;
}

/* The value of a hex digit, or 16. */
static uint32_t hex_value(char c)
{
    if (is_digit(c))
        return (uint32_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint32_t)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (uint32_t)(c - 'A') + 10;
    return 16;
}

bool sensor_parse_throttled(struct span text, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    size_t n = 0;

    for (; n < 8 && text.len > 0 && hex_value(text.ptr[0]) < 16; n++) {
        bits = bits << 4 | hex_value(text.ptr[0]);
        advance(&text, 1);
    }
    if (n == 0 || !is_finished(text))
        return false;
    *ret_bits = bits & 0xffff;
    return true;
}

bool sensor_parse_alarm(struct span text, bool *ret)
{
    uint64_t value = 0;

    if (!parse_number(text, 1, &value))
        return false;
    *ret = value == 1;
    return true;
}

bool sensor_parse_khz(struct span text, int64_t *ret_khz)
{
    uint64_t khz = 0;

    if (!parse_number(text, KHZ_MAX, &khz) || khz == 0)
        return false;
    *ret_khz = (int64_t)khz;
    return true;
}

/* --- identity --------------------------------------------------------------------------------- */

bool sensor_parse_board(struct span text, char *ret, size_t cap)
{
    size_t len = 0;

    assert(cap > 0);
    while (len < text.len && text.ptr[len] != '\0')
        len++;
    while (len > 0 && is_blank(text.ptr[len - 1]))
        len--;
    if (len == 0)
        return false;
    if (len > cap - 1)
        len = cap - 1;
    memcpy(ret, text.ptr, len);
    ret[len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (ret[i] < ' ' || ret[i] > '~')
            ret[i] = '?';
    }
    return true;
}

bool sensor_parse_boot_id(struct span text, char *ret)
{
    if (text.len < SENSOR_BOOT_ID_LEN)
        return false;
    for (size_t i = 0; i < SENSOR_BOOT_ID_LEN; i++) {
        bool wants_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (wants_dash ? text.ptr[i] != '-' : hex_value(text.ptr[i]) > 15)
            return false;
    }
    if (!is_finished((struct span){text.ptr + SENSOR_BOOT_ID_LEN, text.len - SENSOR_BOOT_ID_LEN}))
        return false;
    memcpy(ret, text.ptr, SENSOR_BOOT_ID_LEN);
    ret[SENSOR_BOOT_ID_LEN] = '\0';
    return true;
}

bool sensor_parse_uptime(struct span text, int64_t *ret_s)
{
    uint64_t seconds = 0;

    if (!take_number(&text, UPTIME_MAX_S, &seconds))
        return false;
    if (text.len > 0 && text.ptr[0] != '.' && !is_blank(text.ptr[0]))
        return false;
    *ret_s = (int64_t)seconds;
    return true;
}
