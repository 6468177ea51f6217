#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "grow.h"
#include "workload.h"

#define FIELDS_MAX 64

struct columns {
    size_t timestamp, input, output;
};

/* The next comma-separated field of *line, without blanks; false at the end. */
static bool next_field(struct span *line, struct span *ret)
{
    if (!line->ptr)
        return false;
    const char *comma = memchr(line->ptr, ',', line->len);
    size_t len = comma ? (size_t)(comma - line->ptr) : line->len;

    *ret = span_trim((struct span){line->ptr, len});
    *line = comma ? (struct span){comma + 1, line->len - len - 1} : (struct span){NULL, 0};
    return true;
}

static bool read_header(struct span line, struct columns *ret)
{
    struct span field;

    *ret = (struct columns){FIELDS_MAX, FIELDS_MAX, FIELDS_MAX};
    for (size_t i = 0; i < FIELDS_MAX && next_field(&line, &field); i++) {
        if (span_is(field, "TIMESTAMP"))
            ret->timestamp = i;
        else if (span_is(field, "ContextTokens"))
            ret->input = i;
        else if (span_is(field, "GeneratedTokens"))
            ret->output = i;
    }
    return ret->timestamp < FIELDS_MAX && ret->input < FIELDS_MAX && ret->output < FIELDS_MAX;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, "chrono-compatible low-level
 * date algorithms"). */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* n decimal digits at `*at`, which moves on. */
static bool digits(struct span text, size_t *at, size_t n, int64_t *ret)
{
    struct span part = {text.ptr + *at, n};

    if (*at + n > text.len || !span_to_i64(part, ret))
        return false;
    *at += n;
    return true;
}

static bool mark(struct span text, size_t *at, char c)
{
    if (*at >= text.len || text.ptr[*at] != c)
        return false;
    ++*at;
    return true;
}

/* "2023-11-16 18:17:03.9799600": nanoseconds since 1970. */
static bool read_timestamp(struct span text, int64_t *ret_ns)
{
    int64_t year, month, day, hour, minute, second, fraction = 0, scale = 1000000000;
    size_t at = 0;

    if (!digits(text, &at, 4, &year) || !mark(text, &at, '-') || !digits(text, &at, 2, &month) ||
        !mark(text, &at, '-') || !digits(text, &at, 2, &day) || !mark(text, &at, ' ') ||
        !digits(text, &at, 2, &hour) || !mark(text, &at, ':') || !digits(text, &at, 2, &minute) ||
        !mark(text, &at, ':') || !digits(text, &at, 2, &second))
        return false;
    if (mark(text, &at, '.')) {
        for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++) {
            if (scale > 1) {
                fraction = fraction * 10 + (text.ptr[at] - '0');
                scale /= 10;
            }
        }
    }
    if (year < 1971 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
        minute > 59 || second > 60)
        return false;
    *ret_ns = ((days_from_date(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    *ret_ns = *ret_ns * 1000000000 + fraction * scale;
    return at == text.len || text.ptr[at] == '+';
}

static bool read_row(struct span line, const struct columns *columns, struct trace_row *ret)
{
    struct span field;
    int64_t tokens;
    unsigned found = 0;

    for (size_t i = 0; i < FIELDS_MAX && next_field(&line, &field); i++) {
        if (i == columns->timestamp) {
            if (!read_timestamp(field, &ret->at_ns))
                return false;
            found |= 1;
        } else if (i == columns->input || i == columns->output) {
            if (!span_to_i64(field, &tokens) || tokens > 10000000)
                return false;
            *(i == columns->input ? &ret->input : &ret->output) = (int32_t)tokens;
            found |= i == columns->input ? 2 : 4;
        }
    }
    return found == 7;
}

static int add_row(struct trace *trace, struct trace_row row, const char *file, unsigned number,
                   struct err *err)
{
    if (trace->n >= TRACE_ROWS_MAX)
        return err_set(err, -EINVAL, "%.100s:%u: more than %d rows", file, number, TRACE_ROWS_MAX);
    if (trace->n > 0 && row.at_ns < trace->rows[trace->n - 1].at_ns)
        return err_set(err, -EINVAL, "%.100s:%u: earlier than the row before it", file, number);
    trace->rows = grow(trace->rows, &trace->capacity, trace->n + 1, sizeof row);
    trace->rows[trace->n++] = row;
    return 0;
}

static int read_rows(struct span text, const char *file, struct trace *ret, struct err *err)
{
    struct columns columns = {0};
    unsigned number = 0;
    int rc = 0;

    while (text.len > 0 && rc == 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len;
        struct span line = span_trim((struct span){text.ptr, len});
        struct trace_row row = {0};

        if (++number == 1) {
            if (!read_header(line, &columns))
                rc =
                    err_set(err, -EINVAL,
                            "%.100s:1: no columns TIMESTAMP, ContextTokens, GeneratedTokens", file);
        } else if (line.len > 0 && !read_row(line, &columns, &row)) {
            rc = err_set(err, -EINVAL,
                         "%.100s:%u: not a row of a trace, as \"2023-11-16 18:17:03.98,480,10\"",
                         file, number);
        } else if (line.len > 0) {
            rc = add_row(ret, row, file, number, err);
        }
        len += newline ? 1 : 0;
        text = (struct span){text.ptr + len, text.len - len};
    }
    return rc;
}

int trace_parse(struct span text, const char *file, struct trace *ret, struct err *err)
{
    *ret = (struct trace){0};
    int rc = read_rows(text, file, ret, err);

    if (rc == 0 && ret->n == 0)
        rc = err_set(err, -EINVAL, "%.100s: no rows", file);
    if (rc < 0) {
        trace_free(ret);
        return rc;
    }
    for (size_t i = ret->n; i-- > 0;)
        ret->rows[i].at_ns -= ret->rows[0].at_ns;
    return 0;
}

void trace_free(struct trace *trace)
{
    free(trace->rows);
    *trace = (struct trace){0};
}
