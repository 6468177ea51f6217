#include "common/resp.h"

#include <string.h>

#include "common/span.h"

static const char line_end[] = "\r\n";

#define LINE_END_LEN (sizeof line_end - 1)

static size_t digits(size_t n)
{
    char number[SPAN_NUMBER_MAX];

    return span_u64_text(n, number);
}

static char *put(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

/* "*3\r\n" or "$12\r\n" */
static char *put_head(char *at, char kind, size_t n)
{
    char number[SPAN_NUMBER_MAX];
    size_t len = span_u64_text(n, number);

    *at++ = kind;
    return put(put(at, number, len), line_end, LINE_END_LEN);
}

size_t resp_command_bytes(int argc, const size_t *argv_len)
{
    size_t bytes = 1 + digits((size_t)argc) + LINE_END_LEN;

    for (int i = 0; i < argc; i++)
        bytes += 1 + digits(argv_len[i]) + LINE_END_LEN + argv_len[i] + LINE_END_LEN;
    return bytes;
}

void resp_command_write(char *out, int argc, const char *const *argv, const size_t *argv_len)
{
    out = put_head(out, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        out = put_head(out, '$', argv_len[i]);
        out = put(out, argv[i], argv_len[i]);
        out = put(out, line_end, LINE_END_LEN);
    }
    *out = '\0';
}
