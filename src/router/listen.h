#ifndef ROUTER_LISTEN_H
#define ROUTER_LISTEN_H

/*
 * Reads P:control and P:events on a connection of its own (protocol 6).
 *
 * Every router reads all of both. A control entry is applied to Redis by the first router that gets
 * there (cancel.lua and drain.lua keep the mark); what it means for the requests in a router's own
 * window every router sees to itself.
 */

struct router;

/* Begins if it has not begun, after redis_ok; also at each tick, to begin again after an error. */
void listen_start(struct router *router);

#endif
