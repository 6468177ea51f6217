#include <string.h>

#include "common/json.h"

#include "json_text.h"

static void drop(struct span *s, size_t n)
{
    s->ptr += n;
    s->len -= n;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Reads \uXXXX at the front of raw without taking it; false if that is not what stands there. */
static bool peek_unicode(struct span raw, uint32_t *ret)
{
    uint32_t code = 0;

    if (raw.len < 6 || raw.ptr[0] != '\\' || raw.ptr[1] != 'u')
        return false;
    for (size_t i = 2; i < 6; i++) {
        int digit = hex_digit(raw.ptr[i]);
        if (digit < 0)
            return false;
        code = code * 16 + (uint32_t)digit;
    }
    *ret = code;
    return true;
}

/* \uXXXX, or two of them that make one character (RFC 8259, section 7). */
static uint32_t next_unicode(struct span *raw)
{
    uint32_t high, low;

    if (!peek_unicode(*raw, &high)) {
        drop(raw, 2);
        return JSON_TEXT_REPLACEMENT;
    }
    drop(raw, 6);
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || !peek_unicode(*raw, &low) || low < 0xdc00 || low > 0xdfff)
        return JSON_TEXT_REPLACEMENT;
    drop(raw, 6);
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static uint32_t next_escape(struct span *raw)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (raw->len < 2) {
        drop(raw, 1);
        return JSON_TEXT_REPLACEMENT;
    }
    if (raw->ptr[1] == 'u')
        return next_unicode(raw);
    const char *at = raw->ptr[1] ? strchr(from, raw->ptr[1]) : NULL;
    drop(raw, 2);
    return at ? (unsigned char)to[at - from] : JSON_TEXT_REPLACEMENT;
}

uint32_t json_text_next(struct span *raw)
{
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

    if (raw->ptr[0] == '\\')
        return next_escape(raw);
    size_t len = span_utf8_len(*raw);
    if (len == 0) {
        drop(raw, 1);
        return JSON_TEXT_REPLACEMENT;
    }
    uint32_t code = (unsigned char)raw->ptr[0] & mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)raw->ptr[i] & 0x3f);
    drop(raw, len);
    return code;
}

/* Go, encoding/json/fold.go: ASCII without case, and the two other characters that fold to ASCII.
 */
static uint32_t fold(uint32_t code)
{
    if (code == 0x17f)
        return 's';
    if (code == 0x212a)
        return 'k';
    return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
}

bool json_key_matches_go(struct span raw_key, const char *name)
{
    for (; raw_key.len > 0; name++) {
        uint32_t code = json_text_next(&raw_key);
        if (*name == '\0' || fold(code) != fold((unsigned char)*name))
            return false;
    }
    return *name == '\0';
}

struct span json_string_raw(struct span value)
{
    value = span_trim(value); /* the same four blanks as JSON's */
    if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
        return (struct span){NULL, 0};
    return (struct span){value.ptr + 1, value.len - 2};
}

/* Writes the character as UTF-8; returns its length. */
static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[len] | code);
    return len;
}

bool json_string_decode(struct span value, char *buf, size_t cap)
{
    struct span raw = json_string_raw(value);
    size_t len = 0;

    if (!raw.ptr)
        return false;
    while (raw.len > 0) {
        char bytes[4];
        uint32_t code = json_text_next(&raw);
        size_t n = encode(code, bytes);
        if (code == 0 || len + n >= cap)
            return false;
        memcpy(buf + len, bytes, n);
        len += n;
    }
    if (len >= cap)
        return false;
    buf[len] = '\0';
    return true;
}

bool json_to_i64(struct span value, int64_t *ret)
{
    int64_t magnitude;

    value = span_trim(value);
    bool is_negative = span_starts(value, "-");
    if (is_negative)
        drop(&value, 1);
    if (value.len > 1 && value.ptr[0] == '0')
        return false;
    if (is_negative && span_is(value, "9223372036854775808")) {
        *ret = INT64_MIN;
        return true;
    }
    if (!span_to_i64(value, &magnitude))
        return false;
    *ret = is_negative ? -magnitude : magnitude;
    return true;
}

bool json_to_bool(struct span value, bool *ret)
{
    value = span_trim(value);
    if (!span_is(value, "true") && !span_is(value, "false"))
        return false;
    *ret = span_is(value, "true");
    return true;
}
