#include "common/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/span.h"

#include "log_journal.h"
#include "log_line.h"

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

/* --- where lines go --------------------------------------------------------------------------- */

enum log_sink {
    LOG_SINK_UNKNOWN = 0, /* nobody has asked yet */
    LOG_SINK_TERMINAL,    /* stderr, with time and level */
    LOG_SINK_JOURNAL,     /* fields; to stderr, with "<level>", when journald is not there */
};

static enum log_sink sink;
static unsigned lost; /* lines that journald did not take, since the last one that it did */
static char self_key[16], self[128];

void log_open(const char *journal_socket)
{
    bool is_journal = log_journal_is_stderr();

    sink = is_journal ? LOG_SINK_JOURNAL : LOG_SINK_TERMINAL;
    (void)log_journal_open(is_journal ? journal_socket : NULL);
}

void log_set_self(const char *key, const char *id)
{
    (void)snprintf(self_key, sizeof self_key, "%s", key);
    (void)snprintf(self, sizeof self, "%s", id);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The time in words, put together once a second. */
static const char *stamp_now(void)
{
    static char stamp[32];
    static time_t made_s = -1;
    time_t now_s = (time_t)clock_wall_s();
    struct tm tm;

    if (now_s != made_s) {
        (void)gmtime_r(&now_s, &tm);
        (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
        made_s = now_s;
    }
    return stamp;
}

static size_t write_head(enum log_level level, char *line, size_t cap)
{
    int len;

    if (sink == LOG_SINK_JOURNAL) {
        len = snprintf(line, cap, "<%d>", levels[level].syslog);
    } else {
        len = snprintf(line, cap, "%s %s ", stamp_now(), levels[level].name);
    }
    assert(len > 0 && (size_t)len < cap);
    return (size_t)len;
}

/* One write, so lines never interleave. There is nobody to tell if it fails. */
static void write_stderr(enum log_level level, const struct log_line *made)
{
    char line[LOG_TEXT_MAX + 64];
    size_t len = write_head(level, line, sizeof line - LOG_TEXT_MAX - 1);

    memcpy(line + len, made->text, made->len);
    len += made->len;
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}

static void send_line(enum log_level level, const struct log_line *line)
{
    switch (log_journal_send(levels[level].syslog, line, self_key, self)) {
    case LOG_JOURNAL_SENT:
        break;
    case LOG_JOURNAL_FULL:
        lost++;
        break;
    case LOG_JOURNAL_GONE:
        write_stderr(level, line);
        break;
    }
}

static void __attribute__((format(printf, 2, 0)))
write_line(enum log_level level, const char *fmt, va_list ap)
{
    static struct log_line line; /* large, and nobody logs while he logs */

    if (!log_enabled(level))
        return;
    if (sink == LOG_SINK_UNKNOWN)
        log_open(LOG_JOURNAL_SOCKET);
    log_line_make(&line, fmt, ap);
    if (sink == LOG_SINK_JOURNAL) {
        send_line(level, &line);
    } else {
        write_stderr(level, &line);
    }
}

/* journald has fallen behind: what was lost meanwhile is told with the next line. */
static void tell_lost(void)
{
    unsigned n = lost;

    if (n == 0)
        return;
    lost = 0;
    log_warn("event=log_lost lines=%u why=\"the journal did not keep up\"", n);
    if (lost > 0)
        lost = n; /* nor did it take that */
}

void log_err(const char *fmt, ...)
{
    va_list ap;

    tell_lost();
    va_start(ap, fmt);
    write_line(LOG_LEVEL_ERROR, fmt, ap);
    va_end(ap);
}

void log_warn(const char *fmt, ...)
{
    va_list ap;

    tell_lost();
    va_start(ap, fmt);
    write_line(LOG_LEVEL_WARNING, fmt, ap);
    va_end(ap);
}

void log_info(const char *fmt, ...)
{
    va_list ap;

    tell_lost();
    va_start(ap, fmt);
    write_line(LOG_LEVEL_INFO, fmt, ap);
    va_end(ap);
}

void log_debug(const char *fmt, ...)
{
    va_list ap;

    tell_lost();
    va_start(ap, fmt);
    write_line(LOG_LEVEL_DEBUG, fmt, ap);
    va_end(ap);
}

/* The place of a reason, a new one if it has none. *ret_is_new: it has just been given one. */
static struct log_reason *reason_place(struct log_repeat *gate, uint64_t hash, bool *ret_is_new)
{
    unsigned i = 0;

    while (i < gate->n_reasons && gate->reasons[i].hash != hash)
        i++;
    *ret_is_new = i == gate->n_reasons && i < LOG_REASONS_MAX;
    if (i == LOG_REASONS_MAX)
        i--;
    if (*ret_is_new)
        gate->reasons[gate->n_reasons++].hash = hash;
    return &gate->reasons[i];
}

bool log_repeat_begin(struct log_repeat *gate, const char *why, int64_t now_ms)
{
    bool is_new;

    if (gate->active) {
        gate->repeats++;
    } else {
        *gate = (struct log_repeat){.active = true};
    }

    struct log_reason *reason = reason_place(gate, span_hash(span_str(why)), &is_new);
    if (is_new) {
        reason->next_ms = now_ms + REPEAT_FIRST_MS;
        reason->pause_ms = REPEAT_FIRST_MS;
        return true;
    }
    if (now_ms < reason->next_ms)
        return false;
    reason->next_ms = now_ms + reason->pause_ms;
    reason->pause_ms =
        reason->pause_ms * 2 < REPEAT_LAST_MS ? reason->pause_ms * 2 : REPEAT_LAST_MS;
    return true;
}

bool log_repeat_end(struct log_repeat *gate)
{
    bool was_active = gate->active;

    gate->active = false;
    return was_active;
}
