#ifndef ROUTER_HEAL_H
#define ROUTER_HEAL_H

/*
 * Against entries of P:requests whose id lies in the far future (ENTRY_FUTURE_MAX_MS). Whoever may
 * XADD may choose the id, and no ACL forbids it; after the highest possible one nobody could submit
 * any more. heal.lua puts the stream right again.
 */

#include "stream_id.h"

struct router;

/* How many entries one call may move: it blocks Redis for about 10 us for each. */
#define HEAL_ENTRIES_MAX 10000

/* Looks at the id of an entry that was read. */
void heal_look(struct router *router, struct stream_id id);

/* Calls heal.lua if such an entry was seen. Also whenever P:requests is empty, for an entry that
 * was trimmed in the same moment has left its id and nothing else. */
void heal_tick(struct router *router);

#endif
