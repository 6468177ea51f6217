#ifndef ROUTER_COUNTING_H
#define ROUTER_COUNTING_H

/*
 * Where the router's figures (metrics.h) come from: what it does itself is counted where it is
 * done, what workers do from P:events, if this router gave them the request (`routed_by`). An event
 * that is missed, because Redis was away, is not counted.
 */

#include <stdint.h>

#include "common/span.h"

struct event_entry;
struct router;
struct window_request;

/* The place of a model (canonical name) in router->metrics.models. */
size_t counting_model(struct router *router, struct span name);

void counting_received(struct router *router);
void counting_event(struct router *router, const struct event_entry *event);

/* A decision for a node: the reason is a short word. */
void counting_decided(struct router *router, const char *reason);

/* What move.lua, takeback.lua and end.lua said. */
void counting_moved(struct router *router, const struct window_request *request,
                    struct span result);
void counting_taken_back(struct router *router, const char *mode);
void counting_ended(struct router *router, size_t model, const char *code, struct span result);

#endif
