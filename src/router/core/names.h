#ifndef ROUTER_NAMES_H
#define ROUTER_NAMES_H

/*
 * Model names as small integers: the same name has the same index for as long as somebody holds it.
 * Pure; memory is handed in.
 *
 * The table is shared by the window (one hold per request) and the fleet (one hold per model that
 * some node has). Both are bounded, so a table of their sum cannot be filled by clients or nodes,
 * whatever names they make up. An index is free for another name once nobody holds it. With a tap
 * the table tells when an index becomes a name's and when it is free again (tap.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#include "index_table.h"

#define NAME_NONE INDEX_NONE

struct tap;

/* Written by the functions below only, but for the tap. */
struct names {
    const struct tap *tap; /* NULL: nobody listens */
    struct index_pool pool;
    struct index_table by_text;
    struct name_slot *slots;
};

/* Bytes of the memory for `capacity` names (1 to 2^24). */
size_t names_bytes(uint32_t capacity);

/* `mem` is names_bytes(capacity) zeroed bytes, aligned for any type; borrowed for the life of the
 * table. Zeroed pages are not touched before they are needed, so a large capacity costs little. */
void names_init(struct names *names, void *mem, uint32_t capacity);

/* The index of `name`, held once more. NAME_NONE if the table is full or the name is longer than
 * MODEL_NAME_MAX. */
uint32_t names_hold(struct names *names, struct span name);

/* Gives one hold back; the index must be held. */
void names_drop(struct names *names, uint32_t index);

/* The index of a name that is held, or NAME_NONE. Takes no hold. */
uint32_t names_find(const struct names *names, struct span name);

/* The text of an index that is held; NUL-terminated; borrowed until it is dropped. */
struct span names_text(const struct names *names, uint32_t index);

/* Names the memory that was needed once, but not since the last call: see index_table.h. */
void names_rest(struct names *names, index_idle *idle, void *arg);

/* Tells the tap of the names that are held now, in the order of their indexes. */
void names_tap_all(const struct names *names);

/* A set of indexes, one bit each: (capacity + 63) / 64 words, the caller's. */
#define NAMES_SET_WORDS(capacity) (((size_t)(capacity) + 63) / 64)

static inline bool names_set_has(const uint64_t *set, uint32_t index)
{
    return (set[index / 64] >> (index % 64) & 1) != 0;
}

static inline void names_set_add(uint64_t *set, uint32_t index)
{
    set[index / 64] |= UINT64_C(1) << (index % 64);
}

static inline void names_set_remove(uint64_t *set, uint32_t index)
{
    set[index / 64] &= ~(UINT64_C(1) << (index % 64));
}

#endif
