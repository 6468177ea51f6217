#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

/*
 * Settings as a table: one row per key says its type, default, range and reason, and everything
 * else (the file parser, environment, --set, --help, the check of the files in config) is made from
 * the rows. Pure: text in, values out; options.c reads files and the environment.
 *
 * A file is lines of `key = value`; `#` begins a comment at the start of a line or after a blank;
 * blanks around key and value do not count. An unknown key, a value without its unit or out of
 * range is an error that says what would be right. A key given twice in one file is an error; the
 * first one counts. Messages begin with the key and quote the value, cut at 200 bytes, except that
 * the value of a text is never quoted, because it might hold a password.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define SETTING_TEXT_SIZE_MAX 4096 /* bytes of the longest text, with NUL */
#define SETTINGS_ROWS_MAX     64   /* rows of one table; more is a bug of ours */

enum setting_type {
    SETTING_DURATION =
        0,           /* int64_t, milliseconds: "250ms", "15s", "2m", "1h", "1d"; unit required */
    SETTING_BYTES,   /* int64_t, bytes: "512B", "64KiB", "16MiB", "1GiB"; unit required */
    SETTING_PERCENT, /* int64_t, percent: "90%"; sign required */
    SETTING_CELSIUS, /* int64_t, millidegrees: "75C", "72.5C"; unit required */
    SETTING_NUMBER,  /* int64_t: "3"; no unit */
    SETTING_BOOL,    /* bool: yes, no, true, false, on, off */
    SETTING_TEXT,    /* char[size], NUL-terminated; checked by `check` if there is one */
    SETTING_TYPE_COUNT
};

struct setting {
    const char *key;
    enum setting_type type;
    bool needs_restart;       /* SIGHUP does not change it, and says so */
    size_t offset;            /* of the value in the daemon's config struct */
    size_t size;              /* SETTING_TEXT: bytes of the array, with NUL */
    const char *default_text; /* as in the file; "" for an empty text or an unset number */
    int64_t min, max;         /* inclusive, in the value's base unit; not for bool and text */
    const char *why;          /* one line, for --help and the files in config */
    /* SETTING_TEXT: 0, or -EINVAL with *err; NULL: any text that fits. */
    int (*check)(const char *text, struct err *err);
};

/* Sets every value to its default. The defaults of a table must be valid (a test proves it). */
void settings_defaults(const struct setting *table, size_t n, void *config);

/* Sets one value. Returns 0; -ENOENT for an unknown key (the message names the nearest known key);
 * -EINVAL or -ERANGE for a bad value. The config is untouched on failure. */
int settings_set(const struct setting *table, size_t n, void *config, const char *key,
                 struct span value, struct err *err);

/* Parses a whole file's text. Calls on_error(line, message) for every fault found and goes on, so
 * that all are reported at once; good lines take effect. Returns the number of faults. */
size_t settings_parse(const struct setting *table, size_t n, void *config, struct span text,
                      void (*on_error)(unsigned line, const char *msg, void *arg), void *arg);

/* Writes the value of one row as it would stand in a file ("15s", "16MiB"). */
void settings_format(const struct setting *row, const void *config, char *buf, size_t cap);

/* "100ms to 1h", "1 to 64"; "" for bool and text. */
void settings_range(const struct setting *row, char *buf, size_t cap);

/* Copies the rows that need a restart from `running` into `config`: what a reload has to do before
 * it takes the new config, so that nobody acts on a value that is not in force. */
void settings_keep(const struct setting *table, size_t n, const void *running, void *config);

/* Rows whose value differs between two configs. Calls on_change for each, e.g. to name what a
 * reload changed and what needs a restart. */
void settings_diff(const struct setting *table, size_t n, const void *old_config,
                   const void *new_config, void (*on_change)(const struct setting *row, void *arg),
                   void *arg);

#endif
