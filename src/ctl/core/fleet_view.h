#ifndef CTL_FLEET_VIEW_H
#define CTL_FLEET_VIEW_H

/* The fleet as text and as JSON: what `status` prints and `top` shows. Pure. */

#include "fleet_seen.h"
#include "table.h"

/* The table of nodes, in the order of `sorted` (seen_sort()). Borrows both. */
struct fleet_rows {
    const struct fleet_seen *fleet;
    const uint16_t *sorted;
};

void fleet_table(struct fleet_rows *rows, struct table *ret);

/* "3 nodes: 2 up, 1 hot | 1 router | 4 waiting, oldest 12s | 2 on nodes", without a newline. What
 * is wider than `width` tells "2 up, 1 not", and is cut if that does not suffice. */
void fleet_summary(const struct fleet_seen *fleet, size_t width, bool color, struct buf *out);

/* Can a request be answered now: a router is alive and a node takes work? */
bool fleet_serves(const struct fleet_seen *fleet);

/* All of `status`. `where` is the address of Redis, `prefix` that of the keys. */
void fleet_status(const struct fleet_seen *fleet, const char *where, const char *prefix,
                  size_t width, bool color, struct buf *out);
void fleet_status_json(const struct fleet_seen *fleet, const char *where, const char *prefix,
                       struct buf *out);

/* Everything about one node, lines of at most `width` columns. */
void fleet_node_details(const struct seen_node *node, size_t width, bool color, struct buf *out);

enum text_style fleet_state_style(enum seen_state state);

#endif
