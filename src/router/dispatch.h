#ifndef ROUTER_DISPATCH_H
#define ROUTER_DISPATCH_H

/*
 * The scheduling pass: whose turn is it, which node, and one move.lua for each.
 */

struct router;

/* Moves what can be moved now. */
void dispatch_pass(struct router *router);

#endif
