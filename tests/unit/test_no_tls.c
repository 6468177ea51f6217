#include <dlfcn.h>
#include <microhttpd.h>
#include <string.h>

#include "no_tls.h"
#include "test.h"

#define LEVEL_NONCE 0 /* GNUTLS_RND_NONCE */

typedef int rnd(int level, void *data, size_t len);

/* GnuTLS' random numbers: the first thing that does not work before it has been prepared. NULL
 * where libmicrohttpd is built without TLS. */
static rnd *find_rnd(void)
{
    void *found = dlsym(RTLD_DEFAULT, "gnutls_rnd");
    rnd *function = NULL;

    memcpy(&function, &found, sizeof function);
    return function;
}

static void test_gnutls_sleeps_until_somebody_asks_for_it(void **state)
{
    rnd *gnutls_rnd = find_rnd();
    char bytes[16];

    (void)state;
    assert_non_null(MHD_get_version()); /* libmicrohttpd is there, and has been prepared */
    if (!gnutls_rnd)
        skip();
    assert_true(gnutls_rnd(LEVEL_NONCE, bytes, sizeof bytes) < 0);
    assert_int_equal(gnutls_global_init(), 0); /* as libmicrohttpd called it */
    assert_true(gnutls_rnd(LEVEL_NONCE, bytes, sizeof bytes) < 0);

    no_tls_end();
    assert_int_equal(gnutls_global_init(), 0);
    assert_int_equal(gnutls_rnd(LEVEL_NONCE, bytes, sizeof bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gnutls_sleeps_until_somebody_asks_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
