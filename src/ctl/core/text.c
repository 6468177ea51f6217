#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void text_style(struct buf *out, bool color, enum text_style style)
{
    static const char *const sequences[TEXT_STYLE_COUNT] = {
        [TEXT_PLAIN] = "\033[0m",  [TEXT_GOOD] = "\033[32m", [TEXT_WARN] = "\033[33m",
        [TEXT_BAD] = "\033[31m",   [TEXT_DIM] = "\033[2m",   [TEXT_BOLD] = "\033[1m",
        [TEXT_INVERSE] = "\033[7m"};

    assert(style < TEXT_STYLE_COUNT);
    if (color)
        (void)buf_add_str(out, sequences[style]);
}

/* --- characters ------------------------------------------------------------------------------- */

struct range {
    uint32_t first, last;
};

/* Cn, Cf and the rest that has no business in a line: Unicode 15, general categories Cc, Cf, Zl,
 * Zp, as far as terminals act on them or show nothing. */
static const struct range hidden[] = {{0x00, 0x1f},     {0x7f, 0x9f},      {0xad, 0xad},
                                      {0x61c, 0x61c},   {0x180e, 0x180e},  {0x200b, 0x200f},
                                      {0x2028, 0x202e}, {0x2060, 0x206f},  {0xfeff, 0xfeff},
                                      {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};

static const struct range combining[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
    {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};

/* East Asian Width W and F, and pictures (Unicode 15, EastAsianWidth.txt, in blocks). */
static const struct range wide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
                                    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
                                    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
                                    {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd}};

static bool is_in(const struct range *ranges, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

#define IS_IN(ranges, c) is_in(ranges, sizeof(ranges) / sizeof(ranges)[0], c)

/* One character: its bytes, its columns, and whether it may be shown. */
struct character {
    size_t len, cols;
    uint32_t code;
    bool ok;
};

static struct character character_at(struct span s)
{
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t len = span_utf8_len(s);

    if (len == 0)
        return (struct character){.len = 1, .cols = 1};
    uint32_t code = (uint8_t)s.ptr[0] & lead_mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((uint8_t)s.ptr[i] & 0x3f);
    if (IS_IN(hidden, code))
        return (struct character){.len = len, .cols = 1, .code = code};
    size_t cols = IS_IN(combining, code) ? 0 : IS_IN(wide, code) ? 2 : 1;
    return (struct character){.len = len, .cols = cols, .code = code, .ok = true};
}

static struct span behind(struct span s, size_t n)
{
    return (struct span){s.ptr + n, s.len - n};
}

static bool is_blank(uint32_t code)
{
    return code == '\n' || code == '\r' || code == '\t';
}

size_t text_cols(struct span s)
{
    size_t cols = 0;

    while (s.len > 0) {
        struct character c = character_at(s);
        cols += c.cols;
        s = behind(s, c.len);
    }
    return cols;
}

static void add_character(struct buf *out, struct span s, struct character c)
{
    if (c.ok) {
        (void)buf_add(out, s.ptr, c.len);
    } else {
        (void)buf_add_str(out, is_blank(c.code) ? " " : "?");
    }
}

size_t text_add(struct buf *out, struct span s, size_t max_cols)
{
    bool fits = max_cols == TEXT_NO_LIMIT || text_cols(s) <= max_cols;
    size_t room = fits ? TEXT_NO_LIMIT : max_cols ? max_cols - 1 : 0, cols = 0;

    while (s.len > 0) {
        struct character c = character_at(s);
        if (c.cols > room - cols)
            break;
        add_character(out, s, c);
        cols += c.cols;
        s = behind(s, c.len);
    }
    if (!fits && max_cols > 0) {
        (void)buf_add_str(out, "~");
        cols++;
    }
    return cols;
}

void text_add_lines(struct buf *out, struct span s)
{
    while (s.len > 0) {
        struct character c = character_at(s);
        if (c.code == '\n' || c.code == '\t') {
            (void)buf_add(out, s.ptr, 1);
        } else if (!(c.code == '\r' && s.len > 1 && s.ptr[1] == '\n')) {
            add_character(out, s, c);
        }
        s = behind(s, c.len);
    }
}

static void add_escape(struct buf *out, uint32_t code)
{
    if (code >= 0x10000) {
        (void)buf_add_fmt(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10),
                          0xdc00 + ((code - 0x10000) & 0x3ff));
    } else {
        (void)buf_add_fmt(out, "\\u%04x", code);
    }
}

void text_add_json(struct buf *out, struct span s)
{
    (void)buf_add_str(out, "\"");
    while (s.len > 0) {
        struct character c = character_at(s);
        bool is_utf8 = span_utf8_len(s) > 0;
        if (!is_utf8) {
            (void)buf_add_str(out, "\\ufffd");
        } else if (c.code == '\n' || c.code == '\t') {
            (void)buf_add_str(out, c.code == '\n' ? "\\n" : "\\t");
        } else if (!c.ok) {
            add_escape(out, c.code);
        } else {
            (void)buf_add_str(out, c.code == '"' || c.code == '\\' ? "\\" : "");
            (void)buf_add(out, s.ptr, c.len);
        }
        s = behind(s, c.len);
    }
    (void)buf_add_str(out, "\"");
}

/* Control characters stand in JSON only as white space between values, the others only in strings.
 */
void text_add_raw_json(struct buf *out, struct span json)
{
    while (json.len > 0) {
        struct character c = character_at(json);
        if (is_blank(c.code)) {
            (void)buf_add_str(out, " ");
        } else if (!c.ok) {
            add_escape(out, c.code);
        } else {
            (void)buf_add(out, json.ptr, c.len);
        }
        json = behind(json, c.len);
    }
}

void text_pad(struct buf *out, size_t cols)
{
    for (; cols > 0; cols--)
        (void)buf_add_str(out, " ");
}

/* --- wrapping --------------------------------------------------------------------------------- */

static size_t word_len(struct span s)
{
    size_t len = 0;

    while (len < s.len && s.ptr[len] != ' ' && s.ptr[len] != '\n')
        len++;
    return len;
}

void text_wrap(struct buf *out, struct span s, size_t col, size_t indent, size_t width)
{
    bool is_first = true;

    s = span_trim(s);
    while (s.len > 0) {
        struct span word = {s.ptr, word_len(s)};
        size_t cols = text_cols(word);
        size_t room = width > indent ? width - indent : 1;
        if (!is_first && col + 1 + cols > width) {
            (void)buf_add_str(out, "\n");
            text_pad(out, indent);
            col = indent;
        } else if (!is_first) {
            (void)buf_add_str(out, " ");
            col++;
        }
        col += text_add(out, word, room);
        is_first = false;
        s = span_trim(behind(s, word.len));
    }
}

/* --- small texts ------------------------------------------------------------------------------ */

void text_fixed(struct buf *buf, char *bytes, size_t cap)
{
    *buf = (struct buf){.cap = cap, .max_bytes = cap - 1};
    buf->ptr = bytes;
}

const char *text_fixed_str(struct buf *buf)
{
    buf->ptr[buf->len] = '\0';
    return buf->ptr;
}

const char *text_duration(int64_t ms, char buf[static TEXT_NUMBER_SIZE])
{
    int64_t s = ms / 1000;

    if (ms < 0) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "-");
    } else if (ms < 1000) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "ms", ms);
    } else if (s < 10 && ms % 1000 != 0) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
    } else if (s < 60) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "s", s);
    } else if (s < 3600) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "h%02" PRId64 "m", s / 3600,
                       s % 3600 / 60);
    } else {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "d%02" PRId64 "h", s / 86400,
                       s % 86400 / 3600);
    }
    return buf;
}

const char *text_age(int64_t ms, char buf[static TEXT_NUMBER_SIZE])
{
    static const struct {
        int64_t below_s, unit_s;
        char letter;
    } units[] = {{100, 1, 's'}, {INT64_C(100) * 60, 60, 'm'}, {INT64_C(100) * 3600, 3600, 'h'}};
    int64_t s = ms / 1000;

    if (ms < 0) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "-");
        return buf;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (s < units[i].below_s) {
            (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "%c", s / units[i].unit_s,
                           units[i].letter);
            return buf;
        }
    }
    (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 "d", s / 86400 > 999 ? 999 : s / 86400);
    return buf;
}

const char *text_bytes(int64_t bytes, char buf[static TEXT_NUMBER_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    int64_t tenths = bytes > INT64_MAX / 10 ? INT64_MAX : bytes * 10;

    for (; tenths >= 10240 && unit < 4; unit++)
        tenths /= 1024;
    if (unit == 0) {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 " B", bytes);
    } else {
        (void)snprintf(buf, TEXT_NUMBER_SIZE, "%" PRId64 ".%" PRId64 " %s", tenths / 10,
                       tenths % 10, units[unit]);
    }
    return buf;
}

/* Days since 1970 to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static void civil(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = yoe + era * 400 + (*month <= 2);
}

const char *text_moment(int64_t redis_ms, bool with_date, char buf[static 32])
{
    int64_t year, month, day;

    if (redis_ms < 0 || redis_ms > INT64_C(100000000000000)) /* the year 5138 */
        redis_ms = 0;
    int64_t s = redis_ms / 1000, of_day = s % 86400;
    civil(s / 86400, &year, &month, &day);
    int n = 0;
    if (with_date)
        n = snprintf(buf, 32, "%04d-%02d-%02d ", (int)year, (int)month, (int)day);
    (void)snprintf(buf + n, 32 - (size_t)n, "%02d:%02d:%02d.%03d%s", (int)(of_day / 3600),
                   (int)(of_day / 60 % 60), (int)(of_day % 60), (int)(redis_ms % 1000),
                   with_date ? "Z" : "");
    return buf;
}
