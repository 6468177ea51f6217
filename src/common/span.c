#include "common/span.h"

#include <assert.h>
#include <string.h>

#define FNV_PRIME UINT64_C(1099511628211)

struct span span_str(const char *text)
{
    return (struct span){text, text ? strlen(text) : 0};
}

bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_is(struct span s, const char *text)
{
    return span_eq(s, span_str(text));
}

bool span_starts(struct span s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && (len == 0 || memcmp(s.ptr, prefix, len) == 0);
}

struct span span_trim(struct span s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0]) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && strchr(" \t\r\n", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
        s.len--;
    return s;
}

bool span_to_i64(struct span s, int64_t *ret)
{
    uint64_t value = 0;

    if (s.len == 0 || s.len > 19)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(s.ptr[i] - '0'); /* 19 digits fit 64 bits */
    }
    if (value > INT64_MAX)
        return false;
    *ret = (int64_t)value;
    return true;
}

size_t span_u64_text(uint64_t value, char buf[static SPAN_NUMBER_MAX])
{
    char digits[SPAN_NUMBER_MAX], *at = digits + sizeof digits;

    *--at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    memcpy(buf, at, (size_t)(digits + sizeof digits - at));
    return (size_t)(digits + sizeof digits - at) - 1;
}

size_t span_i64_text(int64_t value, char buf[static SPAN_NUMBER_MAX])
{
    if (value >= 0)
        return span_u64_text((uint64_t)value, buf);
    buf[0] = '-';

    char digits[SPAN_NUMBER_MAX];
    size_t len = span_u64_text(-(uint64_t)value, digits);

    memcpy(buf + 1, digits, len + 1);
    return len + 1;
}

bool span_copy(struct span s, char *buf, size_t cap)
{
    assert(cap > 0);
    size_t len = s.len < cap ? s.len : cap - 1;

    if (len > 0)
        memcpy(buf, s.ptr, len);
    buf[len] = '\0';
    return len == s.len;
}

/* Unicode 15, table 3-7: what the lead byte allows in the second byte. */
static size_t lead_byte(unsigned char lead, unsigned char *ret_min, unsigned char *ret_max)
{
    *ret_min = 0x80;
    *ret_max = 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        *ret_min = lead == 0xe0 ? 0xa0 : 0x80; /* not overlong */
        *ret_max = lead == 0xed ? 0x9f : 0xbf; /* not a surrogate */
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *ret_min = lead == 0xf0 ? 0x90 : 0x80; /* not overlong */
        *ret_max = lead == 0xf4 ? 0x8f : 0xbf; /* at most U+10FFFF */
        return 4;
    }
    return 0;
}

size_t span_utf8_len(struct span s)
{
    unsigned char min, max;

    if (s.len == 0)
        return 0;
    size_t len = lead_byte((unsigned char)s.ptr[0], &min, &max);
    if (len == 0 || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        if (byte < min || byte > max)
            return 0;
        min = 0x80;
        max = 0xbf;
    }
    return len;
}

#define TOP_BITS UINT64_C(0x8080808080808080) /* of eight bytes that are looked at at once */

static uint64_t load_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

static size_t ascii_len(struct span s)
{
    size_t i = 0;

    while (i + sizeof(uint64_t) <= s.len && !(load_word(s.ptr + i) & TOP_BITS))
        i += sizeof(uint64_t);
    while (i < s.len && (unsigned char)s.ptr[i] < 0x80)
        i++;
    return i;
}

bool span_is_utf8(struct span s)
{
    while (s.len > 0) {
        size_t len = ascii_len(s);
        if (len == 0)
            len = span_utf8_len(s);
        if (len == 0)
            return false;
        s.ptr += len;
        s.len -= len;
    }
    return true;
}

/* Where the first byte is that is not 0; the word is not 0. */
static size_t first_byte(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(word) / 8;
#else
    return (size_t)__builtin_clzll(word) / 8;
#endif
}

/* A whole vector register at once, with the compiler's own types: SSE2, NEON, or what there is. */
typedef signed char byte_vector __attribute__((vector_size(16)));

/* Where the first byte is that text in quotes may not hold as it is; all of them are looked at, and
 * sizeof(byte_vector) says that there is none. As signed numbers the bytes outside ASCII are below
 * a blank, too. */
static size_t first_special(const char *at)
{
    byte_vector bytes, special;
    uint64_t words[sizeof special / sizeof(uint64_t)];

    memcpy(&bytes, at, sizeof bytes);
    special = (byte_vector)((bytes < ' ') | (bytes == '"') | (bytes == '\\'));
    memcpy(words, &special, sizeof words);
    if (words[0])
        return first_byte(words[0]);
    return words[1] ? sizeof words[0] + first_byte(words[1]) : sizeof special;
}

size_t span_plain_len(struct span s)
{
    size_t i = 0, len = sizeof(byte_vector);

    while (i + sizeof(byte_vector) <= s.len && len == sizeof(byte_vector)) {
        len = first_special(s.ptr + i);
        i += len;
    }
    while (i < s.len && (unsigned char)s.ptr[i] >= ' ' && (unsigned char)s.ptr[i] < 0x80 &&
           s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return i;
}

uint64_t span_hash_add(uint64_t hash, struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * FNV_PRIME;
    return hash;
}

uint64_t span_hash(struct span s)
{
    return span_hash_add(SPAN_HASH_START, s);
}

/* One multiplication for eight bytes; the shift brings the upper bits, which it mixes best, down.
 */
static uint64_t fingerprint_add(uint64_t print, uint64_t word)
{
    print = (print ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return print ^ print >> 32;
}

uint64_t span_fingerprint(struct span s)
{
    uint64_t print = fingerprint_add(FNV_PRIME, s.len), rest = 0;
    size_t i = 0;

    for (; i + sizeof(uint64_t) <= s.len; i += sizeof(uint64_t))
        print = fingerprint_add(print, load_word(s.ptr + i));
    for (; i < s.len; i++)
        rest = rest << 8 | (unsigned char)s.ptr[i];
    print = fingerprint_add(print, rest);
    return print ? print : 1;
}
