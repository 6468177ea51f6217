#ifndef ROUTER_ACCEPT_H
#define ROUTER_ACCEPT_H

/*
 * Takes entries in: decode, then window, parked, or a terminal entry.
 */

#include <stdbool.h>

#include "stream_id.h"

struct redisReply;
struct router;

/* Takes one entry into the window, parks it, or ends it. What was parked has been announced and
 * counted before. */
void accept_entry(struct router *router, const struct redisReply *entry, bool was_parked);
/* Fetches parked entries into the room that the window has, so many at a time: one more with each
 * that comes and is small, few as soon as one is large. */
#define ACCEPT_FETCH_MAX 64
#define ACCEPT_FETCH_MIN 8
void accept_parked(struct router *router);
/* Reads an entry again that was parked, and takes it in. */
void accept_fetch(struct router *router, struct stream_id id);

/* Is this entry in the window or parked? */
bool accept_knows(const struct router *router, struct stream_id id);

#endif
