#include "grow.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *must(void *ptr)
{
    if (!ptr) {
        (void)fputs("orion-sim: no memory left\n", stderr);
        exit(3);
    }
    return ptr;
}

void *grow_new(size_t n, size_t size)
{
    return must(calloc(n > 0 ? n : 1, size));
}

void *grow(void *items, size_t *capacity, size_t n, size_t size)
{
    if (n <= *capacity)
        return items;

    size_t wanted = *capacity < 16 ? 16 : *capacity * 2;

    if (wanted < n)
        wanted = n;
    if (wanted > SIZE_MAX / size)
        return must(NULL);
    *capacity = wanted;
    return must(realloc(items, wanted * size));
}
