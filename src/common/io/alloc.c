#include "common/alloc.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

/* Several blocks: each is small enough for malloc to keep it in the heap when it is freed. */
#define BLOCKS      4
#define BLOCK_BYTES (ALLOC_RESERVE_BYTES / BLOCKS)

static void *reserve[BLOCKS];
static bool is_lent;

void alloc_reserve_fill(void)
{
    bool is_whole = true;

    for (size_t i = 0; i < BLOCKS; i++) {
        if (!reserve[i])
            reserve[i] = malloc(BLOCK_BYTES);
        is_whole = is_whole && reserve[i];
    }
    if (is_lent && is_whole) {
        is_lent = false;
        log_info("event=memory_back");
    }
}

bool alloc_reserve_lend(void)
{
    bool had_any = false;

    for (size_t i = 0; i < BLOCKS; i++) {
        had_any = had_any || reserve[i];
        free(reserve[i]);
        reserve[i] = NULL;
    }
    if (had_any && !is_lent)
        log_warn("event=memory_short reserve_bytes=%zu", ALLOC_RESERVE_BYTES);
    is_lent = is_lent || had_any;
    return had_any;
}

void alloc_give_up(const char *what)
{
    log_err("event=out_of_memory for=%s", what);
    _exit(EXIT_FAILURE); /* nothing of ours is to be tidied up: what matters is in Redis */
}

void *xcalloc(size_t n, size_t size)
{
    n = n ? n : 1;
    size = size ? size : 1;
    void *ptr = calloc(n, size);

    if (ptr)
        return ptr;
    if (alloc_reserve_lend())
        ptr = calloc(n, size);
    if (!ptr)
        alloc_give_up("itself");
    alloc_reserve_fill(); /* it may have been for a moment only */
    return ptr;
}
