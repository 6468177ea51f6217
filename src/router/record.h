#ifndef ROUTER_RECORD_H
#define ROUTER_RECORD_H

/*
 * orion-router --record FILE: every call to the window and the policy, and every decision, as lines
 * (tap.h), so that `orion-sim --replay FILE` can make the same decisions again. No prompt and no
 * name of a client gets into it; ids of requests, models and nodes' numbers do.
 */

#include <stdbool.h>

struct router;

#define RECORD_MAX_BYTES ((size_t)1 << 30) /* then it ends, with a word in the log */

/* Makes the file. False after a log line if it cannot be made, or is there already. */
bool record_open(struct router *router, const char *path);

/* Begins the record, if one was opened: the window and the policy are fresh. */
void record_begin(struct router *router);

/* What was recorded is in the file. */
void record_flush(struct router *router);

void record_close(struct router *router);

#endif
