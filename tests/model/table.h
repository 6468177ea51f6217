#ifndef MODEL_TABLE_H
#define MODEL_TABLE_H

/* A hash table from 64-bit hashes to numbers, open addressing. The hash is the key: of n entries
 * two collide by chance with a probability of n * n / 2^65. */

#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX

struct table {
    uint64_t *hashes; /* 0: free */
    uint32_t *values;
    size_t capacity, n;
};

uint64_t hash_bytes(const void *bytes, size_t len);

uint32_t table_find(const struct table *table, uint64_t hash); /* TABLE_NONE: not there */
void table_add(struct table *table, uint64_t hash, uint32_t value);
void table_free(struct table *table);

/* realloc() that exits if there is no memory. */
void *grow(void *block, size_t n, size_t size);

#endif
