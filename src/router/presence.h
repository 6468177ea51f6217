#ifndef ROUTER_PRESENCE_H
#define ROUTER_PRESENCE_H

/*
 * The router's own heartbeat. It tells Redis time and the length of the queue, too.
 */

struct router;

void presence_tick(struct router *router);

/* Says goodbye: the others may take over at once. */
void presence_leave(struct router *router);

#endif
