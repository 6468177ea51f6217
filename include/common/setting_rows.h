#ifndef COMMON_SETTING_ROWS_H
#define COMMON_SETTING_ROWS_H

/*
 * For the daemons' tables of settings (settings.h): names for units, where a member is, and the
 * rows that both tables have. `config` is the tag of the daemon's config struct, which has a member
 * of the name of the key. Pure.
 */

#include <stdint.h>

#include "common/redis_url.h"
#include "common/setting_checks.h"
#include "common/settings.h"

#define SECOND                     INT64_C(1000) /* milliseconds */
#define MINUTE                     (60 * SECOND)
#define HOUR                       (60 * MINUTE)
#define DAY                        (24 * HOUR)
#define KIB                        INT64_C(1024)
#define MIB                        (1024 * KIB)
#define CELSIUS                    INT64_C(1000) /* millidegrees */

#define SETTING_AT(config, member) .offset = offsetof(struct config, member)
#define SETTING_TEXT_AT(config, member)                                                            \
    SETTING_AT(config, member), .size = sizeof((struct config *)0)->member

#define SETTING_ROW_REDIS(config)                                                                  \
    {                                                                                              \
        .key = "redis", .type = SETTING_TEXT, SETTING_TEXT_AT(config, redis),                      \
        .default_text = "redis://127.0.0.1:6379", .needs_restart = true,                           \
        .why = "Where Redis is: redis://[user@]host[:port][/db] or unix:///path[?db=N].",          \
        .check = setting_check_redis                                                               \
    }

#define SETTING_ROW_REDIS_PASSWORD_FILE(config)                                                    \
    {                                                                                              \
        .key = "redis_password_file", .type = SETTING_TEXT,                                        \
        SETTING_TEXT_AT(config, redis_password_file), .default_text = "", .needs_restart = true,   \
        .why = "File that holds the Redis password; empty: systemd's credential redis-password "   \
               "if there is one.",                                                                 \
        .check = setting_check_path                                                                \
    }

#define SETTING_ROW_PREFIX(config)                                                                 \
    {                                                                                              \
        .key = "prefix", .type = SETTING_TEXT, SETTING_TEXT_AT(config, prefix),                    \
        .default_text = "orion:inference", .needs_restart = true,                                  \
        .why = "Beginning of every Redis key; the same for clients, routers and workers.",         \
        .check = setting_check_prefix                                                              \
    }

#define SETTING_ROW_LOG_LEVEL(config)                                                              \
    {                                                                                              \
        .key = "log_level", .type = SETTING_TEXT, SETTING_TEXT_AT(config, log_level),              \
        .default_text = "info",                                                                    \
        .why = "Least important lines to log: error, warning, info or debug.",                     \
        .check = setting_check_log_level                                                           \
    }

#endif
