#ifndef ROUTER_TRIM_H
#define ROUTER_TRIM_H

/*
 * Memory follows need: pages that a backlog has needed go back to the system when it is gone.
 *
 * The core lives in blocks of fixed size (137 MiB by default), of which only what is used is
 * resident. The core names what has not been needed for TRIM_INTERVAL_MS (index_table.h), and those
 * pages are given back by madvise(MADV_DONTNEED): they read as zeros when they are needed again. So
 * are the free pages of malloc, which held the commands and answers of that backlog.
 */

struct router;

#define TRIM_INTERVAL_MS 5000

/* At each tick; wakes nobody. */
void trim_tick(struct router *router);

#endif
