#include "index_table.h"

#include <assert.h>

#define WORD_BITS 64U

/* --- free or taken ---------------------------------------------------------------------------- */

static uint32_t words_of(uint32_t bits)
{
    return bits / WORD_BITS + (bits % WORD_BITS != 0);
}

size_t index_pool_bytes(uint32_t capacity)
{
    size_t bytes = 0;
    uint32_t words = capacity;

    do {
        words = words_of(words);
        bytes += carve_bytes(words * sizeof(uint64_t));
    } while (words > 1);
    return bytes;
}

void index_pool_init(struct index_pool *pool, char **at, uint32_t capacity)
{
    uint32_t words = capacity;

    *pool = (struct index_pool){.capacity = capacity};
    do {
        assert(pool->levels < INDEX_LEVELS);
        words = words_of(words);
        pool->full[pool->levels++] = carve(at, words * sizeof(uint64_t));
    } while (words > 1);
}

/* There is one. A word that has bits beyond the capacity is never full, but what is free below it
 * is found first. */
static uint32_t lowest_free(const struct index_pool *pool)
{
    uint32_t i = 0;

    for (uint32_t level = pool->levels; level > 0; level--)
        i = i * WORD_BITS + (uint32_t)__builtin_ctzll(~pool->full[level - 1][i]);
    return i;
}

uint32_t index_pool_take(struct index_pool *pool)
{
    if (pool->n == pool->capacity)
        return INDEX_NONE;
    uint32_t index = lowest_free(pool), i = index;

    for (uint32_t level = 0; level < pool->levels; level++) {
        uint64_t *word = &pool->full[level][i / WORD_BITS];
        *word |= UINT64_C(1) << (i % WORD_BITS);
        if (*word != UINT64_MAX)
            break;
        i /= WORD_BITS;
    }
    pool->n++;
    if (index >= pool->high)
        pool->high = index + 1;
    if (pool->high > pool->peak)
        pool->peak = pool->high;
    return index;
}

/* One above the highest index that is taken, below `high`. Each step down was paid for by one up.
 */
static uint32_t lower_high(const struct index_pool *pool, uint32_t high)
{
    if (pool->n == 0)
        return 0;
    uint32_t word = (high - 1) / WORD_BITS;

    while (pool->full[0][word] == 0)
        word--;
    return (word + 1) * WORD_BITS - (uint32_t)__builtin_clzll(pool->full[0][word]);
}

void index_pool_give(struct index_pool *pool, uint32_t index)
{
    bool was_full = true;

    assert(index < pool->high && pool->full[0][index / WORD_BITS] >> (index % WORD_BITS) & 1);
    for (uint32_t level = 0, i = index; level < pool->levels && was_full; level++) {
        uint64_t *word = &pool->full[level][i / WORD_BITS];
        was_full = *word == UINT64_MAX;
        *word &= ~(UINT64_C(1) << (i % WORD_BITS));
        i /= WORD_BITS;
    }
    pool->n--;
    if (index + 1 == pool->high)
        pool->high = lower_high(pool, pool->high);
}

void index_pool_idle(const struct index_pool *pool, void *array, size_t size, index_idle *idle,
                     void *arg)
{
    if (pool->touched > pool->peak)
        idle((char *)array + pool->peak * size, (pool->capacity - pool->peak) * size, arg);
}

void index_pool_rest(struct index_pool *pool)
{
    pool->touched = pool->peak;
    pool->peak = pool->high;
}

/* --- by hash ---------------------------------------------------------------------------------- */

static uint32_t bucket_count(uint32_t capacity)
{
    uint32_t n = 8;

    assert(capacity <= UINT32_C(1) << 28);
    while (n < capacity + capacity / 2)
        n *= 2;
    return n;
}

size_t index_table_bytes(uint32_t capacity)
{
    return carve_bytes(bucket_count(capacity) * sizeof(uint32_t)) +
           carve_bytes((size_t)capacity * sizeof(uint32_t));
}

void index_table_init(struct index_table *table, char **at, uint32_t capacity)
{
    uint32_t n = bucket_count(capacity);

    *table = (struct index_table){.mask = n - 1};
    table->heads = carve(at, n * sizeof(uint32_t));
    table->next = carve(at, (size_t)capacity * sizeof(uint32_t));
}

/* The finalizer of MurmurHash3 (Appleby): every bit of the hash reaches the low bits. */
static uint32_t bucket(const struct index_table *table, uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return (uint32_t)hash & table->mask;
}

void index_table_add(struct index_table *table, uint64_t hash, uint32_t index)
{
    uint32_t b = bucket(table, hash);

    table->next[index] = table->heads[b];
    table->heads[b] = index + 1;
    table->n++;
    table->is_used = true;
}

void index_table_remove(struct index_table *table, uint64_t hash, uint32_t index)
{
    uint32_t *link = &table->heads[bucket(table, hash)];

    while (*link != index + 1) {
        assert(*link != 0);
        link = &table->next[*link - 1];
    }
    *link = table->next[index];
    table->n--;
}

/* 0 - 1 is INDEX_NONE. */
uint32_t index_table_first(const struct index_table *table, uint64_t hash)
{
    return table->heads[bucket(table, hash)] - 1;
}

uint32_t index_table_next(const struct index_table *table, uint32_t index)
{
    return table->next[index] - 1;
}

void index_table_rest(struct index_table *table, const struct index_pool *pool, index_idle *idle,
                      void *arg)
{
    index_pool_idle(pool, table->next, sizeof *table->next, idle, arg);
    if (table->n == 0 && !table->is_used && table->is_touched) {
        idle(table->heads, ((size_t)table->mask + 1) * sizeof *table->heads, arg);
        table->is_touched = false;
    }
    table->is_touched = table->is_touched || table->is_used;
    table->is_used = table->n > 0;
}
