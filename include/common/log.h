#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/*
 * The only writer to stderr. One call, one line, one event:
 *
 *     log_info("event=node_up node=%s board=\"%s\"", ...);
 *
 * Under systemd (JOURNAL_STREAM is set) a line begins with the syslog level "<6>", elsewhere with
 * time and level. Control characters, and bytes that are not UTF-8, are replaced, so that a
 * client's bytes can neither forge nor break a line. Only main() and the shells log; pure code
 * returns what happened. Prompts and replies are never logged.
 */

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR = 0,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
    LOG_LEVEL_COUNT
};

/* Lines below this level are not written. Default: info. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

/* "error", "warning", "info" or "debug" to a level; false if it is none of them. */
bool log_level_parse(const char *text, enum log_level *ret);

void log_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A failure that repeats (Redis is down, Ollama refuses) is logged when it begins, then at 1 min,
 * 2 min, 4 min ... at most hourly with the number of repeats, and once when it is over.
 *
 *     static struct log_repeat gate;
 *     if (log_repeat_begin(&gate, now_ms)) log_warn("event=redis_down ... repeats=%u",
 * gate.repeats); if (log_repeat_end(&gate))           log_info("event=redis_up after=%u",
 * gate.repeats);
 */
struct log_repeat {
    bool active;
    unsigned repeats; /* since it began */
    int64_t next_ms;  /* when the next line is due */
    int64_t pause_ms;
};

bool log_repeat_begin(struct log_repeat *gate, int64_t now_ms);
bool log_repeat_end(struct log_repeat *gate);

#endif
