#ifndef COMMON_SETTING_VALUE_H
#define COMMON_SETTING_VALUE_H

/* Inside settings.c only: one value of one row, from text. Pure. Writing is in setting_format.c. */

#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"
#include "common/span.h"

struct err;

/* Stores the value. Returns 0, or -EINVAL (not a value of this type) or -ERANGE with *err; the
 * config is then left alone. */
int setting_value_set(const struct setting *row, void *config, struct span value, struct err *err);

/* Bytes of the value in the config struct. */
size_t setting_value_size(const struct setting *row);

bool setting_value_equal(const struct setting *row, const void *a, const void *b);

/* The units of a type, largest first, ending with {NULL, 0}; one unit for percent and celsius, none
 * for a number. */
struct setting_unit {
    const char *name;
    int64_t factor; /* base units in one of these */
};
const struct setting_unit *setting_units(enum setting_type type);

#endif
