#ifndef COMMON_ALLOC_H
#define COMMON_ALLOC_H

/*
 * Memory for small things of our own whose number is bounded by a setting, and a reserve for the
 * moment when there is none. Never use it for a size that a client chooses: see buf.h.
 *
 * A running daemon survives a shortage: the reserve is given to malloc, which then has enough for
 * what is under way, and each tick of the event loop tries to take it back. When even that is used
 * up there is nothing sensible left to do without 200 bytes: the process says so and ends with exit
 * code 1. No request is lost by that, for Redis holds them all; systemd starts us again.
 */

#include <stdbool.h>
#include <stddef.h>

#define ALLOC_RESERVE_BYTES ((size_t)256 << 10)

/* Zeroed memory; never NULL: ends the process if there is none, reserve included. */
void *xcalloc(size_t n, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));

/* Takes as much of the reserve as is missing and can be had. Cheap when it is whole. */
void alloc_reserve_fill(void);

/* Gives the reserve to malloc. True if there was any: what has just failed may be tried again. */
bool alloc_reserve_lend(void);

/* Says that there is no memory for `what` (a literal), and ends the process with exit code 1. */
void alloc_give_up(const char *what) __attribute__((noreturn));

#endif
