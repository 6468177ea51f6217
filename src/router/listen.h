#ifndef ROUTER_LISTEN_H
#define ROUTER_LISTEN_H

/*
 * Reads P:control and P:events on a connection of its own (protocol 6).
 *
 * Every router reads all of both. A control entry is applied to Redis by the first router that gets
 * there (cancel.lua and drain.lua keep the mark); what it means for the requests in a router's own
 * window every router sees to itself.
 *
 * A control entry wakes the router at once, and so does an event while requests wait for a node.
 * Without such the router need not know of a free slot before the next request is there, and reads
 * what has happened with it; other events that follow one another wake it every 10 ms or so.
 */

struct router;

/* Begins if it has not begun, after redis_ok; also at each tick, to begin again after an error. */
void listen_start(struct router *router);

/* After a read of new requests has been sent on `intake`: Redis answers with what has happened
 * until they came, in the same reply, so that the pass that decides about them knows. */
void listen_behind_intake(struct router *router);

/* After a pass: requests begin to wait for a node while events do not wake us. */
void listen_hurry(struct router *router);

#endif
