#ifndef SIM_ROUTED_OPTIONS_H
#define SIM_ROUTED_OPTIONS_H

/* Options of the router's own policies; routed.h says what there are. */

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

#define ROUTED_ROUTERS_MAX 8

struct routed_options {
    struct policy_settings settings;
    int64_t credit, routers, why, learn;
    char record[256]; /* "" = none */
};

/* From "KEY=VALUE\n..."; NULL: the defaults. False: *ret_wrong is where the wrong one begins. */
bool routed_options_read(const char *text, struct routed_options *ret, const char **ret_wrong);

#endif
