#ifndef COMMON_SPAN_H
#define COMMON_SPAN_H

/*
 * A borrowed run of bytes: a pointer and a length, not NUL-terminated. Pure.
 *
 * The type says that somebody else owns the bytes and for how long they live (a Redis reply until
 * its callback returns, an argument until the function returns). {NULL, 0} means "absent"; a
 * present but empty value has len 0 and a pointer that is not NULL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *ptr;
    size_t len;
};

/* Use as printf("%.*s", SPAN_ARG(s)). The length is cut at 200 so that a message stays a line. */
#define SPAN_ARG(s) (int)((s).len > 200 ? 200 : (s).len), ((s).ptr ? (s).ptr : "")

/* The span of a NUL-terminated string, without the NUL; {NULL, 0} for NULL. */
struct span span_str(const char *text);

/* Same bytes? An absent span equals only an absent or empty one. */
bool span_eq(struct span a, struct span b);
bool span_is(struct span s, const char *text);
bool span_starts(struct span s, const char *prefix);

/* Reads 1 to 19 decimal digits and nothing else, at most INT64_MAX. False if it is not that; *ret
 * is then left alone. No sign, no blanks. */
bool span_to_i64(struct span s, int64_t *ret);

/* Writes the decimal digits and a NUL; returns the number of bytes before the NUL. What printf does
 * with a tenth of its instructions: for what is written several times per request. */
#define SPAN_NUMBER_MAX 24 /* of a sign, 19 or 20 digits and the NUL, with room to spare */
size_t span_u64_text(uint64_t value, char buf[static SPAN_NUMBER_MAX]);
size_t span_i64_text(int64_t value, char buf[static SPAN_NUMBER_MAX]);

/* Copies into buf, cutting at cap - 1, and terminates with NUL. Returns false if it was cut. */
bool span_copy(struct span s, char *buf, size_t cap);

/* True if the bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool span_is_utf8(struct span s);

/* Bytes of the well-formed UTF-8 sequence that `s` begins with, 1 to 4; 0 if it begins with none.
 */
size_t span_utf8_len(struct span s);

/* Bytes at the beginning that text in quotes may hold as they are: ASCII from the blank on, but no
 * quote and no backslash. Most text is nothing else, and is passed over eight bytes at a time. */
size_t span_plain_len(struct span s);

/* Without the blanks, tabs, carriage returns and newlines at both ends. An empty result still has a
 * pointer if `s` had one. */
struct span span_trim(struct span s);

/* FNV-1a, 64 bits (Fowler, Noll, Vo): for hash tables and conversation keys, not against an
 * adversary. The hash of several spans in a row is span_hash_add() over each, from
 * SPAN_HASH_START. */
#define SPAN_HASH_START UINT64_C(14695981039346656037)
uint64_t span_hash(struct span s);
uint64_t span_hash_add(uint64_t hash, struct span s);

/* A number that says whether bytes are still the same, quicker than the hash: for this process
 * alone, because it depends on the byte order. Never 0. */
uint64_t span_fingerprint(struct span s);

#endif
