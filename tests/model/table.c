#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 4096

/* Mixes as splitmix64 does; not for hostile input. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

uint64_t hash_bytes(const void *bytes, size_t len)
{
    const char *at = bytes;
    uint64_t hash = 0x9e3779b97f4a7c15U + len;

    for (; len > 0;) {
        uint64_t word = 0;
        size_t n = len < sizeof word ? len : sizeof word;

        memcpy(&word, at, n);
        hash = mix(hash ^ word) + 0x9e3779b97f4a7c15U;
        at += n;
        len -= n;
    }
    return hash ? hash : 1;
}

void *grow(void *block, size_t n, size_t size)
{
    void *more = reallocarray(block, n, size);

    if (!more) {
        (void)fprintf(stderr, "model: no memory for %zu times %zu bytes\n", n, size);
        exit(2);
    }
    return more;
}

static size_t place_of(const struct table *table, uint64_t hash)
{
    size_t i = (size_t)hash & (table->capacity - 1);

    while (table->hashes[i] != 0 && table->hashes[i] != hash)
        i = (i + 1) & (table->capacity - 1);
    return i;
}

uint32_t table_find(const struct table *table, uint64_t hash)
{
    if (table->capacity == 0)
        return TABLE_NONE;
    size_t i = place_of(table, hash);
    return table->hashes[i] ? table->values[i] : TABLE_NONE;
}

static void table_widen(struct table *table)
{
    struct table old = *table;

    table->capacity = old.capacity ? 2 * old.capacity : CAPACITY_FIRST;
    table->hashes = grow(NULL, table->capacity, sizeof *table->hashes);
    table->values = grow(NULL, table->capacity, sizeof *table->values);
    memset(table->hashes, 0, table->capacity * sizeof *table->hashes);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.hashes[i] == 0)
            continue;
        size_t place = place_of(table, old.hashes[i]);
        table->hashes[place] = old.hashes[i];
        table->values[place] = old.values[i];
    }
    free(old.hashes);
    free(old.values);
}

void table_add(struct table *table, uint64_t hash, uint32_t value)
{
    if (3 * table->n >= 2 * table->capacity)
        table_widen(table);
    size_t i = place_of(table, hash);
    table->n += table->hashes[i] == 0;
    table->hashes[i] = hash;
    table->values[i] = value;
}

void table_free(struct table *table)
{
    free(table->hashes);
    free(table->values);
    *table = (struct table){0};
}
