#ifndef ROUTER_METRICS_TEXT_H
#define ROUTER_METRICS_TEXT_H

/*
 * The metrics page in Prometheus' text format, version 0.0.4, and the two pages for people and
 * programs that ask whether the router is well.
 */

#include <stdbool.h>

struct buf;
struct router;

/* Nodes with series of their own; orion_nodes counts all. */
#define METRICS_NODES_MAX 256

/* Appends the page; `out` has failed if it did not fit. */
void metrics_text(const struct router *router, struct buf *out);

/* Appends a JSON object with `ready` and `reasons`. True if the router can do its work. */
bool readiness_text(const struct router *router, struct buf *out);

#endif
