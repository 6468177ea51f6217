#include "ctl_config.h"

#include "common/setting_rows.h"

#define AT(member) SETTING_AT(ctl_config, member)

const struct setting ctl_settings[] = {
    /* The daemons' rows (setting_rows.h), without their restart. */
    {.key = "redis",
     .type = SETTING_TEXT,
     SETTING_TEXT_AT(ctl_config, redis),
     .default_text = "redis://127.0.0.1:6379",
     .why = "Where Redis is: redis://[user@]host[:port][/db] or unix:///path[?db=N].",
     .check = setting_check_redis},
    {.key = "redis_password_file",
     .type = SETTING_TEXT,
     SETTING_TEXT_AT(ctl_config, redis_password_file),
     .default_text = "",
     .why = "File that holds the Redis password; empty: none.",
     .check = setting_check_path},
    {.key = "prefix",
     .type = SETTING_TEXT,
     SETTING_TEXT_AT(ctl_config, prefix),
     .default_text = "orion:inference",
     .why = "Beginning of every Redis key; the same for clients, routers and workers.",
     .check = setting_check_prefix},
    {.key = "node_late",
     .type = SETTING_DURATION,
     AT(node_late_ms),
     .default_text = "10s",
     .min = SECOND,
     .max = HOUR,
     .why = "Silence after which a node is shown as late; as in router.conf."},
    {.key = "node_lost",
     .type = SETTING_DURATION,
     AT(node_lost_ms),
     .default_text = "15s",
     .min = SECOND,
     .max = HOUR,
     .why = "Silence after which a node is shown as lost and may be forgotten; as in router.conf."},
    {.key = "temp_max",
     .type = SETTING_CELSIUS,
     AT(temp_max_mc),
     .default_text = "75C",
     .min = 0,
     .max = 120 * CELSIUS,
     .why = "Temperature from which a node is shown as hot; as in router.conf."},
    {.key = "ram_max",
     .type = SETTING_PERCENT,
     AT(ram_max_pct),
     .default_text = "90%",
     .min = 1,
     .max = 100,
     .why = "Memory in use from which a node is shown as short of it; as in router.conf."},
};
const size_t ctl_settings_count = sizeof ctl_settings / sizeof ctl_settings[0];
_Static_assert(sizeof ctl_settings / sizeof ctl_settings[0] <= SETTINGS_ROWS_MAX, "too many rows");
