#ifndef COMMON_ALLOC_H
#define COMMON_ALLOC_H

/*
 * Memory for small things of our own whose number is bounded by a setting. There is nothing
 * sensible to do on a Pi without 200 bytes left: this prints one line and stops the process; Redis
 * holds the work and systemd starts us again. Never use it for a size that a client chooses: see
 * buf.h.
 */

#include <stddef.h>

void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));

#endif
