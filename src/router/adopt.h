#ifndef ROUTER_ADOPT_H
#define ROUTER_ADOPT_H

/*
 * Takes over what a dead router had read but not moved (protocol 4.5).
 */

#include <stdint.h>

struct router;

void adopt_tick(struct router *router);

/* When it has something to do that cannot wait for the next heartbeat, monotonic. */
int64_t adopt_due_ms(const struct router *router);

#endif
