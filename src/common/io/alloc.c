#include "common/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

static void *checked(void *ptr)
{
    if (!ptr) {
        log_err("event=out_of_memory");
        abort();
    }
    return ptr;
}

void *xcalloc(size_t n, size_t size)
{
    return checked(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *ptr, size_t n, size_t size)
{
    return checked(reallocarray(ptr, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}
