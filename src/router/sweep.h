#ifndef ROUTER_SWEEP_H
#define ROUTER_SWEEP_H

/*
 * What time brings to waiting requests.
 */

struct router;

/* Deadlines, unknown models, requests that wait too long, ageing, new positions. */
void sweep_tick(struct router *router);

#endif
