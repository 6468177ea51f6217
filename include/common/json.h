#ifndef COMMON_JSON_H
#define COMMON_JSON_H

/*
 * A JSON reader that never converts anything: values are spans of the text they came from, so what
 * a client wrote reaches Ollama byte for byte and no 64-bit integer passes through a double.
 * (cJSON, which turns every number into a double, is used where we only look at small numbers of
 * our own.)
 *
 * Pure, no allocation, no recursion deeper than JSON_DEPTH_MAX. RFC 8259, strictly: no comments, no
 * trailing commas, no NaN, no lone control characters in strings, UTF-8 required.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define JSON_DEPTH_MAX 64 /* levels of [ and {; protocol section 2 */

enum json_type {
    JSON_NONE = 0, /* not there */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING, /* the span includes the quotes */
    JSON_ARRAY,
    JSON_OBJECT,
};

/* Checks that `text` is one JSON value with nothing but white space around it, at most
 * JSON_DEPTH_MAX deep. Returns 0, or -EINVAL with the offset and what was expected in *err (for
 * example "byte 17: expected ',' or '}'"). */
int json_check(struct span text, struct err *err);

/* The type of the value that begins at the first byte that is not white space. Looks at one byte.
 */
enum json_type json_type(struct span value);

/*
 * Walks the members of an object or the elements of an array that json_check() has accepted:
 *
 *     struct json_iter it;
 *     for (json_begin(&it, value); json_next(&it);)
 *         use(it.key, it.value);
 *
 * `key` is the raw string without its quotes, escapes left in ({NULL, 0} in an array); `value` is
 * the raw value without white space around it. Anything but an object or array has no members.
 */
struct json_iter {
    struct span key;
    struct span value;
    struct span rest; /* private */
    bool in_object;   /* private */
};

void json_begin(struct json_iter *it, struct span value);
bool json_next(struct json_iter *it);

/* The value of the first member called `name` (plain ASCII, compared after decoding escapes,
 * case-sensitively); {NULL, 0} if absent or `object` is not an object. */
struct span json_get(struct span object, const char *name);

/* json_get() for n names in one walk: ret[i] is the value of the first member called names[i]. */
void json_get_all(struct span object, const char *const *names, size_t n, struct span *ret);

/* True if the raw key (as in json_iter) equals `name` in the way Go's encoding/json matches struct
 * fields: after decoding escapes, ignoring case, with U+017F and U+212A folding to s and k. Ollama
 * is written in Go, so this is what decides which field a client's key would set. */
bool json_key_matches_go(struct span raw_key, const char *name);

/* The inside of a raw JSON string: without its quotes, escapes left in. {NULL, 0} if not a string.
 * The insides of several strings may be concatenated and put in quotes again: that is how pieces of
 * an answer are joined without decoding them. */
struct span json_string_raw(struct span value);

/* Decodes a raw JSON string (with quotes) to UTF-8 with a NUL behind. False if it is not a string
 * or does not fit cap bytes, or contains \u0000. A lone surrogate becomes U+FFFD. */
bool json_string_decode(struct span value, char *buf, size_t cap);

/* A number that is an integer in the range of int64_t, exactly; false for anything else, also for
 * an integer written with a fraction or an exponent (1.0, 1e3). */
bool json_to_i64(struct span value, int64_t *ret);

/* true or false; false result for anything else. */
bool json_to_bool(struct span value, bool *ret);

#endif
