#ifndef COMMON_LISTEN_ADDRESS_H
#define COMMON_LISTEN_ADDRESS_H

/*
 * Where a daemon listens: address:port, with a numeric address ("127.0.0.1:9464", "[::1]:9464",
 * "0.0.0.0:9464"). Port 0 lets the kernel choose. Pure.
 */

#include <stdint.h>

struct err;

struct listen_address {
    char host[64]; /* numeric, without brackets */
    uint16_t port;
};

/* Returns 0 with *ret, or -EINVAL with *err; *ret is then left alone. Whether `host` is an address
 * is found out by who binds it. */
int listen_address_parse(const char *text, struct listen_address *ret, struct err *err);

/* For a table of settings: empty, or what listen_address_parse() says. */
int setting_check_listen(const char *text, struct err *err);

#endif
