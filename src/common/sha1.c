#include "common/sha1.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_BYTES 64
#define ROUNDS      80

static uint32_t rotate_left(uint32_t word, unsigned bits)
{
    return (word << bits) | (word >> (32 - bits));
}

/* RFC 3174 section 5: the function f(t) and the constant K(t), added up. */
static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    if (round < 20)
        return ((b & c) | (~b & d)) + 0x5a827999U;
    if (round < 40)
        return (b ^ c ^ d) + 0x6ed9eba1U;
    if (round < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcU;
    return (b ^ c ^ d) + 0xca62c1d6U;
}

static void schedule(const unsigned char *block, uint32_t words[ROUNDS])
{
    for (size_t t = 0; t < 16; t++) {
        words[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
                   (uint32_t)block[4 * t + 2] << 8 | (uint32_t)block[4 * t + 3];
    }
    for (size_t t = 16; t < ROUNDS; t++)
        words[t] = rotate_left(words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16], 1);
}

/* Section 6.1: one block of the message goes into the state. */
static void digest_block(uint32_t state[5], const unsigned char *block)
{
    uint32_t words[ROUNDS];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

    schedule(block, words);
    for (unsigned t = 0; t < ROUNDS; t++) {
        uint32_t next = rotate_left(a, 5) + mix(t, b, c, d) + e + words[t];
        e = d;
        d = c;
        c = rotate_left(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

/* Section 4: a one bit, zeros, and the length in bits as 64-bit big-endian number. */
static void digest_tail(uint32_t state[5], struct span tail, uint64_t total_bytes)
{
    unsigned char last[2 * BLOCK_BYTES] = {0};
    size_t end = tail.len < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;

    if (tail.ptr)
        memcpy(last, tail.ptr, tail.len);
    last[tail.len] = 0x80;
    for (size_t i = 0; i < 8; i++)
        last[end - 1 - i] = (unsigned char)(total_bytes * 8 >> (8 * i));
    for (size_t at = 0; at < end; at += BLOCK_BYTES)
        digest_block(state, last + at);
}

void sha1_hex(struct span bytes, char hex[SHA1_HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t state[5] = {0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U, 0xc3d2e1f0U};
    size_t at = 0;

    assert(bytes.ptr || bytes.len == 0);
    for (; bytes.len - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        digest_block(state, (const unsigned char *)bytes.ptr + at);
    digest_tail(state, (struct span){bytes.ptr ? bytes.ptr + at : NULL, bytes.len - at}, bytes.len);

    for (size_t i = 0; i < SHA1_HEX_MAX - 1; i++)
        hex[i] = digits[state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[SHA1_HEX_MAX - 1] = '\0';
}
