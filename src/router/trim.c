#include "trim.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"

#include "router_state.h"

/* Whole pages only: what shares a page with something else stays. If the system refuses (locked
 * memory) they stay too. */
static void give_back(void *from, size_t bytes, void *arg)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)from + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)from + bytes) / page * page;

    (void)arg;
    if (begin < end)
        (void)madvise((char *)from + (begin - (uintptr_t)from), end - begin, MADV_DONTNEED);
}

void trim_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();

    if (now_ms < router->trim_ms || !policy_rest(router->policy, give_back, NULL))
        return;
    names_rest(&router->names, give_back, NULL);
    (void)malloc_trim(0); /* what answers and calls of that backlog were kept in */
    router->trim_ms = now_ms + TRIM_INTERVAL_MS;
}
