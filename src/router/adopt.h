#ifndef ROUTER_ADOPT_H
#define ROUTER_ADOPT_H

/*
 * Takes over what a dead router had read but not moved (protocol 4.5).
 */

struct router;

void adopt_tick(struct router *router);

#endif
