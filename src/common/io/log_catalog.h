#ifndef COMMON_IO_LOG_CATALOG_H
#define COMMON_IO_LOG_CATALOG_H

/*
 * The events that operators search for, each with the MESSAGE_ID of the journal. What it means and
 * what to do is in systemd/catalog/orion.catalog, which `journalctl -x` shows. An id is for ever:
 * people have it in their alerts. New ones: `journalctl --new-id128`.
 */

#include "common/span.h"

/* 32 hexadecimal digits, or NULL: the event has none. */
const char *log_catalog_id(struct span event);

#endif
