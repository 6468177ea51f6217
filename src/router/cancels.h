#ifndef ROUTER_CANCELS_H
#define ROUTER_CANCELS_H

/*
 * The newest cancels, remembered for requests that this router has not read yet. Older ones are
 * known to the job (cancel.lua marks it).
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct router;

#define CANCELS_KEPT      1024 /* newest cancels remembered, for entries not yet read */
#define CANCELS_KEPT_TEXT "1024"

void cancels_add(struct router *router, struct span request_id, int64_t redis_ms);

/* Was the request cancelled at or after it was submitted? */
bool cancels_have(const struct router *router, struct span request_id, int64_t submitted_ms);

#endif
