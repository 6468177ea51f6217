#include "common/alloc.h"

#include <stdlib.h>

#include "common/log.h"

void *xcalloc(size_t n, size_t size)
{
    void *ptr = calloc(n ? n : 1, size ? size : 1);

    if (!ptr) {
        log_err("event=out_of_memory");
        abort();
    }
    return ptr;
}
