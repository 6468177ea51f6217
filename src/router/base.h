#ifndef ROUTER_BASE_H
#define ROUTER_BASE_H

/*
 * What every file of the router's shell stands on: Redis time, error replies, the groups, and the
 * turn. Depends on no other file of the shell.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/redis_conn.h"

struct router;

/* Redis time now, by the last answer of Redis: may be late by a round trip, never early. */
int64_t router_redis_ms(const struct router *router);

/* Logs an error reply of a script or command once until it is over; true if `reply` is one. `what`
 * names the kind of command, a literal; there are at most ROUTER_TROUBLES_MAX kinds. */
bool router_refused(struct router *router, const struct redisReply *reply, const char *what);

/* Logs event=<event> why="..." for what outsiders can cause at will: with growing pauses. `event`
 * is a literal. */
void router_trouble(struct router *router, const char *event, const char *why);

/* Makes both groups; on_made is called for the origin's (arg: the router). BUSYGROUP is fine. */
void router_make_groups(struct router *router, redis_conn_callback *on_made);

/* turn() is called once in each iteration of the loop in which router_wake() was. */
void router_turn_init(struct router *router, void (*turn)(struct router *router));
void router_turn_done(struct router *router);

/* Something has changed: there may be room to read, or a request that can go. */
void router_wake(struct router *router);

#endif
