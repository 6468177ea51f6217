#ifndef ROUTER_PRESENCE_H
#define ROUTER_PRESENCE_H

/*
 * The router's own heartbeat. It tells Redis time and the length of the queue, too.
 */

#include <stdbool.h>

struct router;

/* Also if it is due so soon that nobody sleeps before. */
bool presence_is_due(const struct router *router);

/* Until the heartbeat that is on its way has its answer the reads that block are left alone: each
 * would wake us for itself, and whatever they bring begins with a command, which is answered after
 * the heartbeat anyway. */
void presence_hold_reads(struct router *router);

void presence_tick(struct router *router);

/* Says goodbye: the others may take over at once. */
void presence_leave(struct router *router);

#endif
