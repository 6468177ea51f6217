#ifndef ROUTER_WATCH_H
#define ROUTER_WATCH_H

/*
 * Keeps the fleet up to date: P:health, P:drained, the lengths of the nodes' streams; and acts on
 * what changes.
 */

#include <stdint.h>

struct router;

void watch_tick(struct router *router);

/* When it has something to do that cannot wait for the next heartbeat, monotonic. */
int64_t watch_due_ms(const struct router *router);

/* Something about a node has changed: its health is read now. */
void watch_soon(struct router *router);

#endif
