#include "lines.h"

#include <assert.h>
#include <string.h>

void lines_init(struct lines *lines, size_t line_max)
{
    assert(line_max >= 1);
    *lines = (struct lines){.returned = false};
    buf_init(&lines->partial, line_max);
}

void lines_done(struct lines *lines)
{
    buf_done(&lines->partial);
    lines->rest = (struct span){NULL, 0};
    lines->returned = false;
}

void lines_feed(struct lines *lines, struct span bytes)
{
    assert(lines->rest.len == 0 || lines->too_long);
    lines->rest = bytes;
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r')
            return false;
    }
    return true;
}

/* The line returned last is done with. */
static void forget_returned(struct lines *lines)
{
    if (lines->returned)
        buf_clear(&lines->partial);
    lines->returned = false;
}

/* Joins `head` to what is kept of the line, or takes it as it is: a line that came in one read is
 * never copied. False if it is too long. */
static bool join(struct lines *lines, struct span head, struct span *ret)
{
    if (lines->partial.len == 0) {
        *ret = head;
        return head.len <= lines->partial.max_bytes;
    }
    if (!buf_add_span(&lines->partial, head))
        return false;
    *ret = buf_span(&lines->partial);
    lines->returned = true;
    return true;
}

static enum lines_result refuse(struct lines *lines)
{
    lines->too_long = true;
    lines->rest = (struct span){NULL, 0};
    return LINES_TOO_LONG;
}

static void strip_cr(struct span *line)
{
    if (line->len > 0 && line->ptr[line->len - 1] == '\r')
        line->len--;
}

enum lines_result lines_next(struct lines *lines, struct span *ret_line)
{
    if (lines->too_long)
        return refuse(lines);
    forget_returned(lines);
    while (lines->rest.len > 0) {
        struct span line;
        const char *end = memchr(lines->rest.ptr, '\n', lines->rest.len);
        size_t len = end ? (size_t)(end - lines->rest.ptr) : lines->rest.len;
        struct span head = {lines->rest.ptr, len};

        if (!end) {
            if (!buf_add_span(&lines->partial, head))
                return refuse(lines);
            lines->rest = (struct span){NULL, 0};
            return LINES_NONE;
        }
        lines->rest.ptr += len + 1;
        lines->rest.len -= len + 1;
        if (!join(lines, head, &line))
            return refuse(lines);
        strip_cr(&line);
        if (!is_blank(line)) {
            *ret_line = line;
            return LINES_LINE;
        }
        forget_returned(lines);
    }
    return LINES_NONE;
}

enum lines_result lines_end(struct lines *lines, struct span *ret_line)
{
    enum lines_result got = lines_next(lines, ret_line);

    if (got != LINES_NONE || lines->partial.len == 0)
        return got;
    struct span line = buf_span(&lines->partial);
    lines->returned = true;
    strip_cr(&line);
    if (is_blank(line))
        return LINES_NONE;
    *ret_line = line;
    return LINES_LINE;
}
