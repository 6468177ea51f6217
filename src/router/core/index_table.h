#ifndef ROUTER_INDEX_TABLE_H
#define ROUTER_INDEX_TABLE_H

/*
 * Two building blocks of tables whose memory is handed in: which indexes are free, and which
 * indexes have a given hash. Pure. All memory is zeroed when handed in, and pages that are not
 * needed stay untouched.
 *
 * MEMORY FOLLOWS NEED. The lowest free index is taken first, so what is in use stays together at
 * the front of an array, and `high` comes down again when the last ones leave. What lies behind
 * was needed once and may be given back: a table's owner names it from time to time (rest), and
 * whoever handed the memory in returns its pages to the system. One period of grace: only what has
 * not been needed since the last rest is named, so a steady load keeps its pages.
 */

#include <stdbool.h>
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

/* Told of `bytes` from `from` on that hold nothing: they may be made zeros, and need not be. */
typedef void index_idle(void *from, size_t bytes, void *arg);

#define INDEX_LEVELS 5 /* of 64-way branching: enough for 2^30 indexes */

/* The indexes 0..capacity-1, free or taken. O(log capacity) with base 64. */
struct index_pool {
    uint64_t *full[INDEX_LEVELS]; /* [0]: bit per index, 1 = taken; [k]: bit per word of [k-1], 1 =
                                   * all its bits are 1 */
    uint32_t levels;
    uint32_t capacity;
    uint32_t high;    /* all taken ones are below */
    uint32_t peak;    /* largest `high` since the last rest */
    uint32_t touched; /* what is behind has not been used, or was named idle */
    uint32_t n;       /* taken now */
};

size_t index_pool_bytes(uint32_t capacity);
void index_pool_init(struct index_pool *pool, char **at, uint32_t capacity); /* carves */
uint32_t index_pool_take(struct index_pool *pool); /* the lowest; INDEX_NONE if all are taken */
void index_pool_give(struct index_pool *pool, uint32_t index);

/* Names the part of an array with an element of `size` bytes per index that nobody needs, if there
 * is any. For every array of the pool, then index_pool_rest(). */
void index_pool_idle(const struct index_pool *pool, void *array, size_t size, index_idle *idle,
                     void *arg);
void index_pool_rest(struct index_pool *pool); /* a new period begins */

/* Hash -> indexes, chained. An index is in it at most once; whether a candidate is the one that is
 * looked for, the caller compares. */
struct index_table {
    uint32_t *heads; /* by bucket: index + 1; 0 = empty */
    uint32_t *next;  /* by index: index + 1 */
    uint32_t mask;
    uint32_t n;      /* indexes in it */
    bool is_used;    /* since the last rest */
    bool is_touched; /* heads have been used since they were named idle */
};

size_t index_table_bytes(uint32_t capacity);
void index_table_init(struct index_table *table, char **at, uint32_t capacity); /* carves */
void index_table_add(struct index_table *table, uint64_t hash, uint32_t index);
void index_table_remove(struct index_table *table, uint64_t hash, uint32_t index);

/* The indexes in the bucket of `hash`, newest first; INDEX_NONE at the end. */
uint32_t index_table_first(const struct index_table *table, uint64_t hash);
uint32_t index_table_next(const struct index_table *table, uint32_t index);

/* Names its memory that nobody needs (the heads only while it is empty), and begins a new period.
 * `pool` is that of its indexes; before index_pool_rest(). */
void index_table_rest(struct index_table *table, const struct index_pool *pool, index_idle *idle,
                      void *arg);

#endif
