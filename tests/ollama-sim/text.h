#ifndef SIM_TEXT_H
#define SIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

/*
 * Texts as Go writes and reads them. Pure: values in, values or bytes out; the evbuffer is borrowed
 * and only ever appended to.
 */

enum {
    TEXT_TIME_MAX = 48, /* an RFC 3339 time with nine digits and an offset, and its NUL */
    TEXT_FLOAT_MAX = 32,
};

/* Forever, in ns: what Go's time.Duration can hold. Ollama's keep_alive < 0 means this. */
#define DURATION_FOREVER INT64_MAX

/*
 * Appends `s` as a JSON string, quotes included, the way Go's encoder does: '<', '>', '&', U+2028
 * and U+2029 and control characters become \u escapes, bytes that are no UTF-8 become \ufffd.
 * With `ascii` every character above U+007F becomes \u escapes too, surrogate pairs included.
 */
void text_json(struct evbuffer *out, const char *s, size_t len, bool ascii);

/*
 * Length in bytes of the UTF-8 character at s (1 to 4), its value in *ret_rune. A byte that starts
 * no valid character counts as one character, U+FFFD with length 1. len must not be 0.
 */
size_t text_rune(const char *s, size_t len, uint32_t *ret_rune);

/*
 * Writes seconds and nanoseconds since 1970 as RFC 3339 with at most `digits` (0-9) digits of
 * fraction, trailing zeros cut and no fraction when it is 0, and the offset from UTC in minutes
 * ('Z' for 0). Returns `out`.
 */
const char *text_time(char out[TEXT_TIME_MAX], int64_t seconds, int32_t nanos, int zone_min,
                      int digits);

/*
 * Reads a Go duration: "5m", "1h30m", "-1m", "300ms", "0". Returns 0, or -EINVAL, or -ENODATA for a
 * number without a unit, the case for which Go has its own words. Values too large are
 * DURATION_FOREVER.
 */
int text_duration(const char *text, int64_t *ret_ns);

/* Reads a size in bytes: "815MB", "2.5GB", "4GiB", "100000". 0, or -EINVAL. Up to 2^62. */
int text_size(const char *text, int64_t *ret_bytes);

/* Reads a finite number > 0. 0 or -EINVAL. */
int text_positive(const char *text, double *ret_number);

/* Reads a whole number from min to max. 0 or -EINVAL. */
int text_integer(const char *text, int64_t min, int64_t max, int64_t *ret_number);

/* The shortest decimal that reads back as the same float. Returns `out`. */
const char *text_float(char out[TEXT_FLOAT_MAX], float value);

/* FNV-1a, 32 and 64 bit: stable hashes for token numbers, digests and vectors. */
uint32_t text_hash32(const void *data, size_t len, uint32_t seed);
uint64_t text_hash64(const void *data, size_t len, uint64_t seed);

#endif
