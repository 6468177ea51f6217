#ifndef ROUTER_STATUS_H
#define ROUTER_STATUS_H

/*
 * `queued` status entries: where a request stands, and about how long it will take.
 */

#include <stdint.h>

struct router;

/* Writes one for a request of the window that wants them, if it has moved. */
void status_queued(struct router *router, uint32_t index);

#endif
