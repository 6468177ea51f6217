#ifndef CTL_CONFIG_H
#define CTL_CONFIG_H

/*
 * Settings of orionctl: where Redis is, and the routers' limits, by which a node's state is shown.
 * Pure. The file is /etc/orion/orionctl.conf if it is there, or that of --config.
 */

#include <stdint.h>

#include "common/setting_checks.h"
#include "common/settings.h"

#define CTL_CONFIG_PATH "/etc/orion/orionctl.conf"

struct ctl_config {
    char redis[512];
    char redis_password_file[1024];
    char prefix[SETTING_PREFIX_MAX + 1];
    int64_t node_late_ms, node_lost_ms, temp_max_mc, ram_max_pct; /* as in router.conf */
};

extern const struct setting ctl_settings[];
extern const size_t ctl_settings_count;

#endif
