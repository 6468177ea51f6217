#ifndef COMMON_NODE_ID_H
#define COMMON_NODE_ID_H

/*
 * Ids of nodes and routers: 1 to 64 of A-Z a-z 0-9 . _ - (protocol, section 1). Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

struct err;

#define NODE_ID_MAX 64 /* bytes, without NUL */

bool node_id_valid(struct span id);

/* May this byte stand in an id? Request ids may hold ':' as well. */
bool node_id_byte_valid(char byte);

/* For a table of settings: 0 if `text` is an id or empty (the host name), else -EINVAL and *err. */
int node_id_check(const char *text, struct err *err);

/* Makes an id of a host name: every other character becomes '-', what is too long is cut off, and
 * an empty name becomes "node". buf has at least NODE_ID_MAX + 1 bytes. */
void node_id_from_host(const char *host, char *buf, size_t cap);

#endif
