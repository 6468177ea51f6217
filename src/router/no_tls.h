#ifndef ROUTER_NO_TLS_H
#define ROUTER_NO_TLS_H

/*
 * GnuTLS stays asleep. libmicrohttpd is linked with it on Debian and prepares it as soon as it is
 * loaded, before main(): 770 KiB of memory (x86_64), for a server that speaks plain HTTP. So this
 * module answers in GnuTLS' place until the program begins:
 *
 *   _gnutls_global_init_skip()   GnuTLS asks it whether to prepare itself when it is loaded
 *                                (GNUTLS_SKIP_GLOBAL_INIT in gnutls/gnutls.h)
 *   gnutls_global_init()         what libmicrohttpd calls when it is loaded
 *
 * Both are found by the dynamic linker because CMakeLists.txt has the program export them. If
 * libmicrohttpd has no TLS nobody calls either.
 *
 * From no_tls_end() on gnutls_global_init() is GnuTLS' own again: whoever needs TLS in this process
 * later, as a module of the C library that looks up names in LDAP, calls it first and gets it.
 */

/* Before anything that may need TLS. */
void no_tls_end(void);

/* As in gnutls/gnutls.h, which need not be installed. */
int _gnutls_global_init_skip(void); /* NOLINT(readability-identifier-naming) */
int gnutls_global_init(void);

#endif
