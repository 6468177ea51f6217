#include "common/resp.h"

#include <string.h>

static const char line_end[] = "\r\n";

#define LINE_END_LEN (sizeof line_end - 1)

static size_t digits(size_t n)
{
    size_t count = 1;

    for (; n >= 10; n /= 10)
        count++;
    return count;
}

static char *put(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

/* "*3\r\n" or "$12\r\n" */
static char *put_head(char *at, char kind, size_t n)
{
    size_t len = digits(n);

    *at++ = kind;
    for (size_t i = len; i-- > 0; n /= 10)
        at[i] = (char)('0' + n % 10);
    return put(at + len, line_end, LINE_END_LEN);
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
