#include "no_tls.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

static bool is_over;

int _gnutls_global_init_skip(void) /* NOLINT(readability-identifier-naming) */
{
    return 1;
}

int gnutls_global_init(void)
{
    int (*own)(void) = NULL;
    void *found;

    if (!is_over)
        return 0; /* GNUTLS_E_SUCCESS */
    found = dlsym(RTLD_NEXT, "gnutls_global_init");
    memcpy(&own, &found, sizeof own); /* ISO C has no cast from an object to a function */
    return own ? own() : 0;
}

void no_tls_end(void)
{
    is_over = true;
}
