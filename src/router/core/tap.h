#ifndef ROUTER_TAP_H
#define ROUTER_TAP_H

/*
 * A record of everything that is told to the window and the policy, of every name that becomes an
 * index or stops to be one, and of everything that the policy answers: lines of words, so that the
 * same calls can be made again later and must give the same answers (policy_replay.h). Pure; the
 * lines are handed to whoever listens.
 *
 * A line is an operation and its values, separated by single blanks: integers in decimal, doubles
 * and hashes as sixteen hexadecimal digits (a double's are its bits), names as they are, "-" for
 * none. Lines end without a newline. Times are those that the calls were given.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#define TAP_VERSION  2
#define TAP_LINE_MAX 8192 /* bytes of a line; a heartbeat is one line for each of its models */

struct tap {
    void (*line)(const char *line, size_t len, void *arg);
    void *arg;
};

/* Nothing if `tap` is NULL. */
void tap_line(const struct tap *tap, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The bits of a double. */
uint64_t tap_bits(double value);

/* --- reading a line ------------------------------------------------------------------------------
 */

struct tap_words {
    struct span rest;
    bool failed; /* a word was missing or not what it should be */
};

struct span tap_word(struct tap_words *words); /* {"", 0} for "-" */
int64_t tap_i64(struct tap_words *words);
uint64_t tap_hex(struct tap_words *words);

#endif
