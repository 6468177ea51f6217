#include "index_table.h"

#include <assert.h>

size_t index_pool_bytes(uint32_t capacity)
{
    return carve_bytes((size_t)capacity * sizeof(uint32_t));
}

void index_pool_init(struct index_pool *pool, char **at, uint32_t capacity)
{
    *pool = (struct index_pool){.capacity = capacity};
    pool->next = carve(at, (size_t)capacity * sizeof(uint32_t));
}

uint32_t index_pool_take(struct index_pool *pool)
{
    uint32_t index = INDEX_NONE;

    if (pool->freed) {
        index = pool->freed - 1;
        pool->freed = pool->next[index];
    } else if (pool->high < pool->capacity) {
        index = pool->high++;
    }
    if (index != INDEX_NONE)
        pool->n++;
    return index;
}

void index_pool_give(struct index_pool *pool, uint32_t index)
{
    assert(index < pool->high && pool->n > 0);
    pool->next[index] = pool->freed;
    pool->freed = index + 1;
    pool->n--;
}

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

    table->heads = carve(at, n * sizeof(uint32_t));
    table->next = carve(at, (size_t)capacity * sizeof(uint32_t));
    table->mask = n - 1;
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
}

void index_table_remove(struct index_table *table, uint64_t hash, uint32_t index)
{
    uint32_t *link = &table->heads[bucket(table, hash)];

    while (*link != index + 1) {
        assert(*link != 0);
        link = &table->next[*link - 1];
    }
    *link = table->next[index];
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
