/*
 * LD_PRELOAD for the soak's control: one in 64 calls of free() does nothing, so the program leaks.
 */

#define _GNU_SOURCE /* NOLINT: the build of this file is one line of stand.py */
#include <dlfcn.h>
#include <stddef.h>

#define LEAK_ONE_IN 64

void free(void *ptr)
{
    static void (*real)(void *);
    static unsigned calls;

    if (!real)
        real = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    if (ptr && ++calls % LEAK_ONE_IN == 0)
        return;
    real(ptr);
}
