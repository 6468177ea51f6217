#ifndef CTL_ASK_H
#define CTL_ASK_H

/*
 * The fields of a request before it is submitted: from a JSON file, the command line, or both, the
 * later winning. Pure but for the buffer. What the fields may hold in detail the router checks;
 * here only what would make a request that nobody meant.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

struct err;

#define ASK_MAX_BYTES                                                                              \
    ((size_t)64 << 20) /* of all values: the largest request_max that may be set */
#define ASK_FIELDS_MAX 20

struct ask {
    struct buf store; /* the values, one behind the other */
    struct {
        const char *name; /* one of FIELD_ */
        size_t at, len;
    } fields[ASK_FIELDS_MAX];
    size_t n;
};

void ask_init(struct ask *ask);
void ask_done(struct ask *ask);

/* Sets a field, or replaces it; `name` is one of FIELD_. False if there is no room. */
bool ask_set(struct ask *ask, const char *name, struct span value);

/* The value; {NULL, 0} if it is not set. Borrowed until the next ask_set(). */
struct span ask_get(const struct ask *ask, const char *name);

/* Takes an object of the protocol's fields, or an array of messages. A string is taken as it is
 * (for `input` as JSON), true as 1, a number as its digits, an object or array as JSON; null and
 * false leave a field out. Returns 0, or -EINVAL with *err. */
int ask_from_json(struct ask *ask, struct span json, struct err *err);

enum ask_kind { ASK_CHAT = 0, ASK_GENERATE, ASK_EMBED };

/* Makes `text` the payload, and takes away another one. `system` may be NULL. 0 or -EINVAL. */
int ask_text(struct ask *ask, enum ask_kind kind, struct span text, const char *system,
             struct err *err);

/* Is it whole? 0, or -EINVAL with what is missing. */
int ask_check(const struct ask *ask, struct err *err);

#endif
