#ifndef ROUTER_INTAKE_H
#define ROUTER_INTAKE_H

/*
 * Reads P:requests: new entries with a blocking XREADGROUP on a connection of its own, and our own
 * pending entries wherever a reply may have been lost (protocol 4.6).
 *
 * Pending entries are listed with XPENDING and read with XRANGE: XREADGROUP with an id would count
 * a delivery at every look.
 */

struct router;

void intake_start(struct router *router); /* after redis_ok: reconcile, then read */
void intake_read(struct router *router); /* reads on, if there is room and no read is outstanding */
void intake_tick(struct router *router);

#endif
