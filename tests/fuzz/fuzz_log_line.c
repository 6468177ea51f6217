/* Any bytes as the values of a log line: it stays one line of the fields of its format. */

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct log_line line;

static void __attribute__((format(printf, 1, 2))) make(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line_make(&line, fmt, ap);
    va_end(ap);
}

/* Reads the text as somebody would who knows only the form: key=value or key="escaped". */
static size_t fields_in(const char *text)
{
    size_t n = 0;

    while (*text) {
        text += strcspn(text, "=");
        assert(*text == '=');
        text++;
        if (*text == '"') {
            for (text++; *text && *text != '"'; text++)
                text += *text == '\\';
            assert(*text == '"');
            text++;
        } else {
            text += strcspn(text, " ");
        }
        assert(*text == ' ' || *text == '\0');
        text += *text == ' ';
        n++;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    assert(text);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    make("event=x a=%s b=\"%s\" c=%.*s d=%d", text, text, (int)(size < 9 ? size : 9), text, 5);
    assert(line.n == 5 && line.len <= LOG_TEXT_MAX && strlen(line.text) == line.len);
    for (size_t i = 0; i < line.len; i++)
        assert((unsigned char)line.text[i] >= ' ' && line.text[i] != 0x7f);
    if (line.len < LOG_TEXT_MAX - 64)
        assert(fields_in(line.text) == 5);
    make("%s", text);
    assert(line.n == 0 && strlen(line.text) == line.len);
    for (size_t i = 0; i < line.len; i++)
        assert((unsigned char)line.text[i] >= ' ' && line.text[i] != 0x7f);
    free(text);
    return 0;
}
