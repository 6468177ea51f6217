#ifndef ROUTER_STREAM_ID_H
#define ROUTER_STREAM_ID_H

/*
 * The id of a stream entry as two numbers. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

#define STREAM_ID_MAX 41 /* bytes of the longest text, without NUL: 20 digits, '-', 20 digits */

struct stream_id {
    uint64_t ms;  /* Redis time at which the entry was added */
    uint64_t seq; /* within that millisecond */
};

/* Reads "1700000000000-0": two decimal numbers of at most 64 bits. False, *ret left alone, if it is
 * anything else. */
bool stream_id_parse(struct span text, struct stream_id *ret);

/* Writes the text with NUL into buf and returns buf. */
const char *stream_id_text(struct stream_id id, char buf[static STREAM_ID_MAX + 1]);

/* Orders as Redis does: < 0, 0, > 0. */
int stream_id_compare(struct stream_id a, struct stream_id b);

#endif
