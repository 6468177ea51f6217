#ifndef ROUTER_FLEET_MODELS_H
#define ROUTER_FLEET_MODELS_H

/* Which nodes have which models: the part of fleet.c that keeps the shared names. Nobody else
 * includes this. */

#include "fleet.h"

/* Replaces the node's models by what the health value lists. Returns true if anything changed. */
bool fleet_models_update(struct fleet *fleet, struct node *node, const struct node_health *health,
                         int64_t now_ms);

/* The node has no models any more. */
void fleet_models_forget(struct fleet *fleet, struct node *node, int64_t now_ms);

#endif
