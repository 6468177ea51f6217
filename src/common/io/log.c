#include "common/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/span.h"

#define LINE_MAX_BYTES  2048
#define REPEAT_FIRST_MS INT64_C(60000)
#define REPEAT_LAST_MS  INT64_C(3600000)

static const struct {
    const char *name;
    int syslog; /* RFC 5424, section 6.2.1 */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARNING] = {"warning", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};
_Static_assert(sizeof levels / sizeof levels[0] == LOG_LEVEL_COUNT, "one row per level");

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    assert(level < LOG_LEVEL_COUNT);
    threshold = level;
}

bool log_enabled(enum log_level level)
{
    return level <= threshold;
}

bool log_level_parse(const char *text, enum log_level *ret)
{
    for (int i = 0; i < LOG_LEVEL_COUNT; i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Writes '?' over control characters (C0, DEL, C1) and over bytes that are not UTF-8. */
static void clean(char *line, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = span_utf8_len((struct span){line + i, len - i});
        unsigned char lead = (unsigned char)line[i];
        bool is_c1 = n == 2 && lead == 0xc2 && (unsigned char)line[i + 1] < 0xa0;

        if (n == 0 || lead < ' ' || lead == 0x7f)
            line[i] = '?';
        if (is_c1)
            memset(line + i, '?', 2);
        i += n ? n : 1;
    }
}

static size_t write_head(enum log_level level, char *line, size_t cap)
{
    int64_t wall_s = clock_wall_s();
    time_t seconds = (time_t)wall_s;
    struct tm tm;
    char stamp[32];
    int len;

    if (getenv("JOURNAL_STREAM")) {
        len = snprintf(line, cap, "<%d>", levels[level].syslog);
    } else {
        (void)gmtime_r(&seconds, &tm);
        (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
        len = snprintf(line, cap, "%s %s ", stamp, levels[level].name);
    }
    assert(len > 0 && (size_t)len < cap);
    return (size_t)len;
}

static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *fmt, va_list ap)
{
    char line[LINE_MAX_BYTES];

    if (!log_enabled(level))
        return;
    size_t head = write_head(level, line, sizeof line);
    int len = vsnprintf(line + head, sizeof line - head - 1, fmt, ap);
    if (len < 0)
        return;
    size_t end = head + strlen(line + head);
    clean(line + head, end - head);
    line[end] = '\n';
    /* One write, so lines never interleave. There is nobody to tell if it fails. */
    ssize_t written = write(STDERR_FILENO, line, end + 1);
    (void)written;
}

void log_err(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    write_line(LOG_LEVEL_ERROR, fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    write_line(LOG_LEVEL_WARNING, fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    write_line(LOG_LEVEL_INFO, fmt, ap);
    va_end(ap);
}

void log_debug(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    write_line(LOG_LEVEL_DEBUG, fmt, ap);
    va_end(ap);
}

bool log_repeat_begin(struct log_repeat *gate, int64_t now_ms)
{
    if (!gate->active) {
        *gate = (struct log_repeat){
            .active = true, .next_ms = now_ms + REPEAT_FIRST_MS, .pause_ms = REPEAT_FIRST_MS};
        return true;
    }
    gate->repeats++;
    if (now_ms < gate->next_ms)
        return false;
    gate->next_ms = now_ms + gate->pause_ms;
    gate->pause_ms = gate->pause_ms * 2 < REPEAT_LAST_MS ? gate->pause_ms * 2 : REPEAT_LAST_MS;
    return true;
}

bool log_repeat_end(struct log_repeat *gate)
{
    bool was_active = gate->active;

    gate->active = false;
    return was_active;
}
