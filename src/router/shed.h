#ifndef ROUTER_SHED_H
#define ROUTER_SHED_H

/*
 * Ends the newest entries with queue_full while more than max_queue wait (protocol 3).
 */

struct router;

/* Goes on if router->queue_length says so; at each tick. */
void shed_tick(struct router *router);

#endif
