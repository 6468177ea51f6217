#ifndef COMMON_LOG_H
#define COMMON_LOG_H

/*
 * The only writer of the log. One call, one line, one event; docs/logs.md lists them all:
 *
 *     log_info("event=node_up node=%s board=\"%s\"", ...);
 *
 * Under systemd (stderr is the stream to the journal) a line goes to the journal with each of its
 * fields: `journalctl ORION_NODE=pi-2`. If journald is not there it is written to stderr behind the
 * syslog level "<6>", elsewhere behind time and level. Values are escaped, so that what a client or
 * Ollama sends can neither forge nor break a line; src/common/io/log_line.h says how. Never blocks
 * in the journal: lines that it does not take are counted and told of (event=log_lost).
 *
 * Only main() and the shells log; pure code returns what happened. Prompts and replies are logged
 * by the worker's log_content() alone, if the setting says so.
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

/* Decides where lines go; the first line does it otherwise. `journal_socket` is for tests. */
void log_open(const char *journal_socket);

/* A field that each line has in the journal, whether or not its text names it: key "node" or
 * "router" of at most 15 bytes, and this process's id. Copied. */
void log_set_self(const char *key, const char *id);

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
 * 2 min, 4 min ... at most hourly with the number of repeats, and once when it is over. A reason
 * that is another one than before ("Connection refused", then "LOADING") is a change, and logged at
 * once; it then repeats at distances of its own. So reasons that take turns are as rare in the log
 * as one that stays. LOG_REASONS_MAX are told apart; all further ones share the last place.
 *
 *     static struct log_repeat gate;
 *     if (log_repeat_begin(&gate, why, now_ms))
 *         log_warn("event=redis_down why=%s repeats=%u", why, gate.repeats);
 *     if (log_repeat_end(&gate))
 *         log_info("event=redis_up after=%u", gate.repeats);
 */
#define LOG_REASONS_MAX 4

struct log_reason {
    uint64_t hash;   /* of the words; the last place keeps that of whoever came first */
    int64_t next_ms; /* when its next line is due */
    int64_t pause_ms;
};

struct log_repeat {
    bool active;
    unsigned repeats; /* since it began, whatever the reason */
    unsigned n_reasons;
    struct log_reason reasons[LOG_REASONS_MAX];
};

/* `why` are the words by which one reason is told from another. True: log it. */
bool log_repeat_begin(struct log_repeat *gate, const char *why, int64_t now_ms);
bool log_repeat_end(struct log_repeat *gate);

#endif
