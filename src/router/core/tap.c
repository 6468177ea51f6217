#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tap_line(const struct tap *tap, const char *fmt, ...)
{
    char line[TAP_LINE_MAX];
    va_list ap;
    int n;

    if (!tap)
        return;
    va_start(ap, fmt);
    n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0 && n < TAP_LINE_MAX)
        tap->line(line, (size_t)n, tap->arg);
}

uint64_t tap_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

struct span tap_word(struct tap_words *words)
{
    struct span word = words->rest;
    const char *blank = word.len > 0 ? memchr(word.ptr, ' ', word.len) : NULL;

    if (word.len == 0) {
        words->failed = true;
        return span_str("");
    }
    if (blank) {
        word.len = (size_t)(blank - word.ptr);
        words->rest = (struct span){blank + 1, words->rest.len - word.len - 1};
    } else {
        words->rest.len = 0;
    }
    return span_is(word, "-") ? span_str("") : word;
}

int64_t tap_i64(struct tap_words *words)
{
    struct span word = tap_word(words);
    bool is_negative = word.len > 1 && word.ptr[0] == '-';
    int64_t value = 0;

    if (is_negative) {
        word.ptr++;
        word.len--;
    }
    if (!span_to_i64(word, &value))
        words->failed = true;
    return is_negative ? -value : value;
}

uint64_t tap_hex(struct tap_words *words)
{
    struct span word = tap_word(words);
    uint64_t value = 0;

    if (word.len != 16)
        words->failed = true;
    for (size_t i = 0; i < word.len && !words->failed; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *at = memchr(digits, word.ptr[i], sizeof digits - 1);
        if (!at)
            words->failed = true;
        value = value << 4 | (at ? (uint64_t)(at - digits) : 0);
    }
    return value;
}
