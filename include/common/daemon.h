#ifndef COMMON_DAEMON_H
#define COMMON_DAEMON_H

/*
 * What both daemons do with their settings, at start and at SIGHUP. Writes to the log.
 */

#include <stdbool.h>

#include "common/node_id.h"
#include "common/options.h"

struct err;
struct redis_url;

/* This process's id: `chosen`, or one made of the host name if that is empty. */
void daemon_id(const char *chosen, char id[static NODE_ID_MAX + 1]);

/* The settings redis and redis_password_file. Returns 0, or a negative errno value with *err. */
int daemon_redis_url(const char *redis, const char *password_file, struct redis_url *ret,
                     struct err *err);

/* The setting log_level; nothing if it is none. */
void daemon_log_level(const char *level);

/* SIGHUP: reads all settings again into `fresh` (config_size bytes). False if there is a fault:
 * each is logged, and nothing must change. */
bool daemon_reload_read(const struct options_program *program, const struct options *options,
                        void *fresh);

/* Then: copies what may change of `fresh` into `running`. Logs each key that is different, and
 * whether it needs a restart. */
void daemon_reload_apply(const struct options_program *program, void *fresh, void *running);

#endif
