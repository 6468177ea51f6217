/*
 * LD_PRELOAD: refuses memory on demand, to whatever code of the process asks: ours, hiredis,
 * libcurl, cJSON, libevent, libc.
 *
 * ALLOC_SHIM names a file with struct orders, mapped, so that a test gives its orders while the
 * process runs.
 */
#define _GNU_SOURCE /* NOLINT: test_no_memory.py builds this file by itself */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct orders {
    volatile int64_t countdown;    /* n > 0: the n-th allocation from now is refused. Counts down */
    volatile uint64_t place;       /* not 0: only what this place asks for counts down */
    volatile int64_t floor;        /* > 0: every allocation of so many bytes is refused */
    volatile int64_t made;         /* allocations asked for, since the test wrote 0 here */
    volatile int64_t refused;      /* likewise, refused */
    char who[64];                  /* who asked for the last one refused: library+offset */
    volatile uint64_t trace[2048]; /* the places that asked for the first allocations */
};

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);

static struct orders none, *orders = &none;

__attribute__((constructor)) static void shim_start(void)
{
    const char *path = getenv("ALLOC_SHIM");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped;

    if (fd < 0)
        return;
    mapped = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        orders = mapped;
    close(fd);
}

/* Without snprintf(), which may allocate. */
static void remember(const void *caller)
{
    static const char digits[] = "0123456789abcdef";
    Dl_info info;
    size_t at = 0;
    uintptr_t offset = 0;

    if (dladdr(caller, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        const char *name = slash ? slash + 1 : info.dli_fname;
        for (; name[at] && at < 40; at++)
            orders->who[at] = name[at];
        offset = (uintptr_t)caller - (uintptr_t)info.dli_fbase;
    }
    orders->who[at++] = '+';
    for (int shift = 28; shift >= 0; shift -= 4)
        orders->who[at++] = digits[offset >> shift & 15];
    orders->who[at] = '\0';
}

/* The same in every process, wherever its libraries are: a hash of the library's name, the offset.
 */
static uint64_t place_of(const void *caller)
{
    Dl_info info;
    uint32_t hash = 2166136261U;

    if (!dladdr(caller, &info) || !info.dli_fname)
        return 1;
    for (const char *c = info.dli_fname; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    return (uint64_t)hash << 32 | (uint32_t)((uintptr_t)caller - (uintptr_t)info.dli_fbase);
}

static int is_due_now(const void *caller)
{
    uint64_t place;

    if (orders == &none)
        return 0;
    place = place_of(caller);
    if (orders->made < 2048)
        orders->trace[orders->made] = place;
    orders->made++;
    if (orders->place && orders->place != place)
        return 0;
    return orders->countdown > 0 && --orders->countdown == 0;
}

static int is_refused(size_t size, const void *caller)
{
    int is_due = is_due_now(caller);

    if (orders->floor > 0 && size >= (size_t)orders->floor)
        is_due = 1;
    if (!is_due)
        return 0;
    orders->refused++;
    remember(caller);
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return is_refused(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return is_refused(n * size, __builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *ptr, size_t size)
{
    return is_refused(size, __builtin_return_address(0)) ? NULL : __libc_realloc(ptr, size);
}

/* libc's own would look as if libc had asked. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = is_refused(size, __builtin_return_address(0)) ? NULL : __libc_malloc(size);

    return copy ? memcpy(copy, text, size) : NULL;
}
