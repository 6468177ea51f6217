#ifndef CTL_LOOK_H
#define CTL_LOOK_H

/* Reads the fleet from Redis. */

#include "fleet_seen.h"

struct ctl;
struct err;
struct look;

struct look *look_new(void);
void look_free(struct look *look); /* NULL is fine */

/* Reads everything anew. On failure (conn.h) what was read before stays. */
int look_fleet(struct look *look, struct ctl *ctl, struct err *err);

/* What was read last; borrowed until the next look_fleet(). */
const struct fleet_seen *look_seen(const struct look *look);

#endif
