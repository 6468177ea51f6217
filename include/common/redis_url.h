#ifndef COMMON_REDIS_URL_H
#define COMMON_REDIS_URL_H

/*
 * Where Redis is: redis://[user@]host[:port][/db] or unix:///path[?db=N]. Pure.
 *
 * A password in the URL is refused with an error that names redis_password_file: URLs end up in
 * logs and process lists.
 */

#include <stdint.h>

struct err;

struct redis_url {
    char host[256];     /* name or address without brackets; empty if `path` is used */
    char path[108];     /* unix socket; empty if `host` is used */
    char user[64];      /* ACL user; empty: the default user */
    uint16_t port;      /* default 6379 */
    uint16_t db;        /* 0 to 65535 */
    char password[256]; /* set by redis_password_read(), never from the URL; empty: none */
};

/* Returns 0 with *ret filled (password empty), or -EINVAL with *err; *ret is then left alone. */
int redis_url_parse(const char *text, struct redis_url *ret, struct err *err);

/* For a table of settings: what redis_url_parse() says, without the result. */
int setting_check_redis(const char *text, struct err *err);

#endif
