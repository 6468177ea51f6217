#ifndef ROUTER_INDEX_TABLE_H
#define ROUTER_INDEX_TABLE_H

/*
 * Two building blocks of tables whose memory is handed in: which indexes are free, and which
 * indexes have a given hash. Pure. All memory is zeroed when handed in, and pages that are not
 * needed stay untouched.
 */

#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

/* Cuts the next `bytes` of a block, aligned for any type, and moves *at behind them. */
static inline size_t carve_bytes(size_t bytes)
{
    return (bytes + 15) & ~(size_t)15;
}

static inline void *carve(char **at, size_t bytes)
{
    void *piece = *at;

    *at += carve_bytes(bytes);
    return piece;
}

/* The indexes 0..capacity-1, free or taken. */
struct index_pool {
    uint32_t *next; /* of a freed index: the next freed one + 1 */
    uint32_t capacity;
    uint32_t high;  /* indexes ever taken */
    uint32_t freed; /* first freed index + 1; 0 = none */
    uint32_t n;     /* taken now */
};

size_t index_pool_bytes(uint32_t capacity);
void index_pool_init(struct index_pool *pool, char **at, uint32_t capacity); /* carves */
uint32_t index_pool_take(struct index_pool *pool); /* INDEX_NONE if all are taken */
void index_pool_give(struct index_pool *pool, uint32_t index);

/* Hash -> indexes, chained. An index is in it at most once; whether a candidate is the one that is
 * looked for, the caller compares. */
struct index_table {
    uint32_t *heads; /* by bucket: index + 1; 0 = empty */
    uint32_t *next;  /* by index: index + 1 */
    uint32_t mask;
};

size_t index_table_bytes(uint32_t capacity);
void index_table_init(struct index_table *table, char **at, uint32_t capacity); /* carves */
void index_table_add(struct index_table *table, uint64_t hash, uint32_t index);
void index_table_remove(struct index_table *table, uint64_t hash, uint32_t index);

/* The indexes in the bucket of `hash`, newest first; INDEX_NONE at the end. */
uint32_t index_table_first(const struct index_table *table, uint64_t hash);
uint32_t index_table_next(const struct index_table *table, uint32_t index);

#endif
