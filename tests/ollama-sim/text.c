#include "text.h"

#include <errno.h>
#include <event2/buffer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint32_t REPLACEMENT = 0xFFFD;

/* Length that a UTF-8 lead byte announces, 0 when it is none, with its payload bits. */
static size_t lead_length(unsigned char byte, uint32_t *ret_bits)
{
    if (byte < 0x80) {
        *ret_bits = byte;
        return 1;
    }
    if (byte >= 0xC2 && byte < 0xE0) {
        *ret_bits = byte & 0x1Fu;
        return 2;
    }
    if (byte >= 0xE0 && byte < 0xF0) {
        *ret_bits = byte & 0x0Fu;
        return 3;
    }
    if (byte >= 0xF0 && byte < 0xF5) {
        *ret_bits = byte & 0x07u;
        return 4;
    }
    return 0;
}

static bool rune_allowed(uint32_t rune, size_t length)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    return rune >= smallest[length] && rune <= 0x10FFFF && (rune < 0xD800 || rune > 0xDFFF);
}

size_t text_rune(const char *s, size_t len, uint32_t *ret_rune)
{
    uint32_t rune = 0;
    size_t need = lead_length((unsigned char)s[0], &rune);
    *ret_rune = REPLACEMENT;
    if (need == 0 || need > len)
        return 1;
    for (size_t i = 1; i < need; i++) {
        unsigned char byte = (unsigned char)s[i];
        if ((byte & 0xC0u) != 0x80)
            return 1;
        rune = rune << 6 | (byte & 0x3Fu);
    }
    if (!rune_allowed(rune, need))
        return 1;
    *ret_rune = rune;
    return need;
}

static void add_unicode_escape(struct evbuffer *out, uint32_t rune)
{
    if (rune < 0x10000) {
        evbuffer_add_printf(out, "\\u%04x", rune);
        return;
    }
    rune -= 0x10000;
    evbuffer_add_printf(out, "\\u%04x\\u%04x", 0xD800 + (rune >> 10), 0xDC00 + (rune & 0x3FFu));
}

/* The two-character escapes of Go's encoder. NULL: none for this one. */
static const char *short_escape(uint32_t rune)
{
    switch (rune) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    default:
        return NULL;
    }
}

static bool needs_escape(uint32_t rune, size_t length, bool ascii)
{
    if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 ||
        rune == 0x2029)
        return true;
    return (rune == REPLACEMENT && length == 1) || (ascii && rune >= 0x80);
}

void text_json(struct evbuffer *out, const char *s, size_t len, bool ascii)
{
    size_t plain = 0;
    evbuffer_add(out, "\"", 1);
    for (size_t i = 0; i < len;) {
        uint32_t rune = 0;
        size_t length = text_rune(s + i, len - i, &rune);
        const char *escape = short_escape(rune);
        if (escape != NULL || needs_escape(rune, length, ascii)) {
            evbuffer_add(out, s + plain, i - plain);
            if (escape != NULL)
                evbuffer_add(out, escape, 2);
            else
                add_unicode_escape(out, rune);
            plain = i + length;
        }
        i += length;
    }
    evbuffer_add(out, s + plain, len - plain);
    evbuffer_add(out, "\"", 1);
}

const char *text_time(char out[TEXT_TIME_MAX], int64_t seconds, int32_t nanos, int zone_min,
                      int digits)
{
    char fraction[16];
    char zone[16] = "Z";
    struct tm tm;
    time_t local = (time_t)(seconds + (int64_t)zone_min * 60);
    gmtime_r(&local, &tm);
    snprintf(fraction, sizeof(fraction), ".%09d", nanos);
    size_t keep = 1 + (size_t)digits;
    while (keep > 1 && fraction[keep - 1] == '0')
        keep--;
    fraction[keep > 1 ? keep : 0] = '\0';
    if (zone_min != 0)
        snprintf(zone, sizeof(zone), "%c%02d:%02d", zone_min < 0 ? '-' : '+',
                 abs(zone_min) / 60 % 100, abs(zone_min) % 60);
    size_t length = strftime(out, TEXT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + length, TEXT_TIME_MAX - length, "%s%s", fraction, zone);
    return out;
}

/* Length of the unit at s and its ns; 0 when there is none. */
static size_t duration_unit(const char *s, double *ret_ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"\xC2\xB5s", 1e3}, {"ms", 1e6},
                 {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strncmp(s, units[i].name, strlen(units[i].name)) == 0) {
            *ret_ns = units[i].ns;
            return strlen(units[i].name);
        }
    }
    return 0;
}

static int64_t clamp_ns(double ns)
{
    if (ns >= 9.2e18)
        return DURATION_FOREVER;
    if (ns <= -9.2e18)
        return -DURATION_FOREVER;
    return (int64_t)ns;
}

int text_duration(const char *text, int64_t *ret_ns)
{
    const char *s = text;
    bool negative = *s == '-';
    double total = 0;
    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (*s == '\0')
        return -EINVAL;
    while (*s != '\0') {
        char *end = NULL;
        double unit = 0;
        if (strspn(s, "0123456789.") == 0)
            return -EINVAL;
        double number = strtod(s, &end);
        size_t unit_length = duration_unit(end, &unit);
        if (unit_length == 0)
            return -ENODATA;
        total += number * unit;
        s = end + unit_length;
    }
    *ret_ns = clamp_ns(negative ? -total : total);
    return 0;
}

int text_size(const char *text, int64_t *ret_bytes)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"KB", 1e3},
                 {"MB", 1e6},
                 {"GB", 1e9},
                 {"KiB", 1024},
                 {"MiB", 1024.0 * 1024},
                 {"GiB", 1024.0 * 1024 * 1024}};
    char *end = NULL;
    if (strspn(text, "0123456789.") == 0)
        return -EINVAL;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) == 0 && number * units[i].bytes < 4.6e18) {
            *ret_bytes = (int64_t)(number * units[i].bytes);
            return 0;
        }
    }
    return -EINVAL;
}

int text_positive(const char *text, double *ret_number)
{
    char *end = NULL;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(number) || number <= 0)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

int text_integer(const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < min || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

const char *text_float(char out[TEXT_FLOAT_MAX], float value)
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, TEXT_FLOAT_MAX, "%.*g", digits, (double)value);
        if (!(strtof(out, NULL) < value) && !(strtof(out, NULL) > value))
            break;
    }
    return out;
}

uint32_t text_hash32(const void *data, size_t len, uint32_t seed)
{
    const unsigned char *bytes = data;
    uint32_t hash = 2166136261u ^ seed;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

uint64_t text_hash64(const void *data, size_t len, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t hash = 14695981039346656037u ^ seed;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}
