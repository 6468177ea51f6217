#include "log_line.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A va_list that can be handed on. */
struct arguments {
    va_list ap;
};

/* --- values ----------------------------------------------------------------------------------- */

static void put_value(struct log_line *line, const char *text, size_t len)
{
    size_t room = sizeof line->values - line->values_len;

    len = len < room ? len : room;
    memcpy(line->values + line->values_len, text, len);
    line->values_len += len;
}

static void put_number(struct log_line *line, bool is_signed, int longs, struct arguments *from)
{
    char digits[SPAN_NUMBER_MAX];
    size_t n;

    if (is_signed) {
        long long value = longs == 0   ? va_arg(from->ap, int)
                          : longs == 1 ? va_arg(from->ap, long)
                                       : va_arg(from->ap, long long);
        n = span_i64_text(value, digits);
    } else {
        unsigned long long value = longs == 0   ? va_arg(from->ap, unsigned)
                                   : longs == 1 ? va_arg(from->ap, unsigned long)
                                                : va_arg(from->ap, unsigned long long);
        n = span_u64_text(value, digits);
    }
    put_value(line, digits, n);
}

static void put_real(struct log_line *line, int decimals, struct arguments *from)
{
    char digits[64];
    int n = snprintf(digits, sizeof digits, "%.*f", decimals, va_arg(from->ap, double));

    if (n > 0)
        put_value(line, digits, (size_t)n < sizeof digits ? (size_t)n : sizeof digits - 1);
}

static void put_string(struct log_line *line, int precision, struct arguments *from)
{
    const char *text = va_arg(from->ap, const char *);

    if (text)
        put_value(line, text, precision >= 0 ? strnlen(text, (size_t)precision) : strlen(text));
}

/* Takes in the conversion at `fmt`, behind its '%'; returns what follows it. */
static const char *put_conversion(struct log_line *line, const char *fmt, struct arguments *from)
{
    int precision = -1, longs = 0;

    if (fmt[0] == '.' && fmt[1] == '*') {
        precision = va_arg(from->ap, int);
        fmt += 2;
    } else if (fmt[0] == '.') {
        for (precision = 0, fmt++; *fmt >= '0' && *fmt <= '9'; fmt++)
            precision = precision * 10 + (*fmt - '0');
    }
    for (; *fmt == 'l' || *fmt == 'z'; fmt++)
        longs++; /* size_t is as long as unsigned long wherever orion runs */
    _Static_assert(sizeof(size_t) == sizeof(unsigned long), "%zu is read as %lu");
    switch (*fmt) {
    case 's':
        put_string(line, precision, from);
        break;
    case 'd':
    case 'u':
        put_number(line, *fmt == 'd', longs, from);
        break;
    case 'f':
        put_real(line, precision < 0 ? 6 : precision, from);
        break;
    case '%':
        put_value(line, "%", 1);
        break;
    default:
        assert(false && "a conversion that log_line.h does not list");
        return fmt;
    }
    return fmt + 1;
}

/* Takes in a template up to `end` (a character, or NUL); returns where it stopped. */
static const char *put_template(struct log_line *line, const char *fmt, char end,
                                struct arguments *from)
{
    while (*fmt && *fmt != end) {
        if (*fmt == '%') {
            fmt = put_conversion(line, fmt + 1, from);
        } else {
            put_value(line, fmt++, 1);
        }
    }
    return fmt;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Whole or not at all, so that an escape is not cut; one byte stays free for a quote. */
static bool put_text(struct log_line *line, const char *text, size_t len)
{
    if (line->len + len + 1 > LOG_TEXT_MAX)
        return false;
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

/* Length of the printable character at the front of `rest`, 0 if it is none. */
static size_t printable_len(struct span rest)
{
    size_t n = span_utf8_len(rest);
    unsigned char lead = (unsigned char)rest.ptr[0];

    if (n == 1)
        return lead >= ' ' && lead != 0x7f ? 1 : 0;
    if (n == 2 && lead == 0xc2 && (unsigned char)rest.ptr[1] < 0xa0)
        return 0; /* C1: an escape sequence without ESC */
    return n;
}

static bool put_escaped(struct log_line *line, unsigned char byte)
{
    static const struct {
        char byte;
        const char *escape;
    } known[] = {{'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}, {'"', "\\\""}, {'\\', "\\\\"}};
    char hex[8];

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (byte == (unsigned char)known[i].byte)
            return put_text(line, known[i].escape, 2);
    }
    (void)snprintf(hex, sizeof hex, "\\x%02x", byte);
    return put_text(line, hex, 4);
}

static bool needs_quotes(struct span value)
{
    size_t n;

    for (size_t i = 0; i < value.len; i += n) {
        n = printable_len((struct span){value.ptr + i, value.len - i});
        if (n == 0 || value.ptr[i] == ' ' || value.ptr[i] == '"' || value.ptr[i] == '\\')
            return true;
    }
    return value.len == 0;
}

static void put_quoted(struct log_line *line, struct span value)
{
    bool has_room = put_text(line, "\"", 1);

    for (size_t i = 0; has_room && i < value.len;) {
        size_t n = printable_len((struct span){value.ptr + i, value.len - i});

        if (n > 0 && value.ptr[i] != '"' && value.ptr[i] != '\\') {
            has_room = put_text(line, value.ptr + i, n);
        } else {
            has_room = put_escaped(line, (unsigned char)value.ptr[i]);
            n = 1;
        }
        i += n;
    }
    if (line->len < LOG_TEXT_MAX)
        line->text[line->len++] = '"';
}

static void put_free_text(struct log_line *line, struct span text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = printable_len((struct span){text.ptr + i, text.len - i});

        if (!put_text(line, n > 0 ? text.ptr + i : "?", n > 0 ? n : 1))
            return;
        i += n > 0 ? n : 1;
    }
}

/* --- the line --------------------------------------------------------------------------------- */

/* One "key=template" of the format; returns what follows it. */
static const char *put_field(struct log_line *line, const char *fmt, struct arguments *from)
{
    struct span key = {fmt, strcspn(fmt, "=")};
    size_t start = line->values_len;
    bool quoted;

    fmt += key.len;
    if (*fmt == '=')
        fmt++;
    quoted = *fmt == '"';
    fmt = put_template(line, quoted ? fmt + 1 : fmt, quoted ? '"' : ' ', from);
    if (quoted && *fmt == '"')
        fmt++;

    struct span value = {line->values + start, line->values_len - start};
    if (line->n < LOG_FIELDS_MAX)
        line->fields[line->n++] = (struct log_field){key, value};
    if (!put_text(line, key.ptr, key.len) || !put_text(line, "=", 1))
        return fmt;
    if (quoted || needs_quotes(value)) {
        put_quoted(line, value);
    } else {
        put_free_text(line, value);
    }
    return fmt;
}

static void put_fields(struct log_line *line, const char *fmt, struct arguments *from)
{
    while (*fmt) {
        fmt = put_field(line, fmt, from);
        if (*fmt == ' ') {
            (void)put_text(line, " ", 1);
            fmt++;
        }
    }
}

void log_line_make(struct log_line *line, const char *fmt, va_list ap)
{
    struct arguments from;

    line->len = line->values_len = line->n = 0;
    va_copy(from.ap, ap);
    if (strncmp(fmt, "event=", 6) == 0) {
        put_fields(line, fmt, &from);
    } else {
        (void)put_template(line, fmt, '\0', &from);
        put_free_text(line, (struct span){line->values, line->values_len});
    }
    va_end(from.ap);
    line->text[line->len] = '\0';
}
