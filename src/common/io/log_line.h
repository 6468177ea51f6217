#ifndef COMMON_IO_LOG_LINE_H
#define COMMON_IO_LOG_LINE_H

/*
 * One line of the log as text and as fields, made of a call's format:
 *
 *     "event=node_hot node=%s why=\"%s\""
 *
 * Where a field begins and ends is read from the format, never from the values: what a client or
 * Ollama sends cannot end a field or begin another one. In the text a value stands in quotes if the
 * format says so, or if it is empty or has a blank, a quote, a backslash or a byte that is not
 * printable; inside quotes these are escaped as in C: \" \\ \n \r \t, \xNN for every other
 * control character (C0, DEL, C1) and for bytes that are not UTF-8. In `fields` it is as it was.
 *
 * A format that does not begin with "event=" is free text: no fields, and bytes as above become
 * '?'. Conversions: %s %.Ns %.*s %d %u with l, ll, z, and %.Nf; anything else is a bug (asserted;
 * tests/checks/logs.py looks at every call).
 */

#include <stdarg.h>
#include <stddef.h>

#include "common/span.h"

#define LOG_TEXT_MAX   2000 /* bytes of a line; what is longer is cut, and a quote closed */
#define LOG_VALUES_MAX 4000 /* bytes of all values before escaping; cut likewise */
#define LOG_FIELDS_MAX 24   /* of the text only beyond that */

struct log_field {
    struct span key;   /* points into the format */
    struct span value; /* points into the line's values */
};

struct log_line {
    char text[LOG_TEXT_MAX + 1];
    size_t len;
    char values[LOG_VALUES_MAX];
    size_t values_len;
    struct log_field fields[LOG_FIELDS_MAX]; /* the first is `event`, if there are any */
    size_t n;
};

void log_line_make(struct log_line *line, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

#endif
