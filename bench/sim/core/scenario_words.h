#ifndef SIM_SCENARIO_WORDS_H
#define SIM_SCENARIO_WORDS_H

/* One statement of a scenario taken apart: plain values, then KEY=NUMBER. Pure; inside the parser
 * only. */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define WORDS_MAX 24 /* of one statement */

struct words {
    const char *file;
    unsigned line;
    uint32_t n;
    struct span word[WORDS_MAX];
    bool used[WORDS_MAX]; /* to tell what nobody asked for */
};

/* Splits a line at blanks; `#` and what follows is left out. Returns 0, or -EINVAL. n may be 0. */
int words_split(struct span line, const char *file, unsigned number, struct words *ret,
                struct err *err);

/* "FILE:LINE: " before the message; returns -EINVAL. */
int words_fault(const struct words *words, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A decimal number, digits with at most one point and no sign but '-', and nothing else. */
bool words_to_number(struct span text, double *ret);

/* One number that a statement may or must have. */
struct words_key {
    const char *name;
    double min, max;
    double *ret;
    bool is_optional;
};

/* Reads plain value `i` as a number. */
int words_number(struct words *words, uint32_t i, const struct words_key *key, struct err *err);

/* Reads all KEY=NUMBER from word `from` on: each key at most once, no others, none that must be
 * there missing. */
int words_keys(struct words *words, uint32_t from, const struct words_key *keys, size_t n,
               struct err *err);

#endif
