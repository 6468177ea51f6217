#ifndef ROUTER_TAKEBACK_H
#define ROUTER_TAKEBACK_H

/*
 * Takes work back from nodes that are lost, or that may get no work and have not started what they
 * have (protocol 4.3). The script asks again whether the node is lost; two routers may do this at
 * the same time.
 */

#include "common/span.h"

struct router;

enum takeback_mode {
    TAKEBACK_LOST = 0,  /* everything: the node is lost */
    TAKEBACK_UNSTARTED, /* what it has not started: it may get no work */
    TAKEBACK_OVERDUE,   /* what it has not started and that is cancelled or past its deadline */
};

void takeback_node(struct router *router, struct span node, enum takeback_mode mode);

#endif
