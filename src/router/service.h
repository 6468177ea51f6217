#ifndef ROUTER_SERVICE_H
#define ROUTER_SERVICE_H

/*
 * What `systemctl status orion-router` shows in one line (notify.h):
 *
 *     3 nodes up, 1 hot (pi-2 78.1 C), 4 waiting
 *     waiting for Redis at 10.0.0.2: Connection refused
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fleet;
struct node;
struct router;

#define SERVICE_TEXT_MAX 448

/* Why there is no work with Redis. Cut at cap. */
void service_redis_text(const struct router *router, char *buf, size_t cap);

/* Too hot for work, as the node says itself or by this router's temp_max? */
bool service_node_is_hot(const struct node *node);

/* The fleet and the queue in words: each kind of trouble with its number and the first node that
 * has it. `waiting` counts requests that no node has. Cut at cap. */
void service_fleet_text(const struct fleet *fleet, uint32_t waiting, char *buf, size_t cap);

/* At each tick: tells the line if it has changed, at most every second. */
void service_tick(struct router *router);

#endif
