#ifndef ROUTER_CONFIG_H
#define ROUTER_CONFIG_H

/*
 * The router's settings: the struct, and the table that says what each key means. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/settings.h"

#include "place_rules.h"

struct router_config {
    char redis[512];               /* URL without password */
    char redis_password_file[256]; /* "": $CREDENTIALS_DIRECTORY/redis-password if it exists */
    char prefix[128];              /* of every Redis key; at most SETTING_PREFIX_MAX bytes */
    char router_id[65];            /* "": the daemon makes one of the host name at start */
    char log_level[16];
    char http_listen[80]; /* address:port; "": no HTTP */
    int64_t window;       /* requests held in memory */
    int64_t max_queue;
    int64_t default_timeout_ms;
    int64_t request_max_bytes;
    int64_t max_attempts;
    int64_t response_ttl_ms;
    int64_t node_late_ms;
    int64_t node_lost_ms;
    int64_t node_forget_ms;
    int64_t model_wait_ms;
    int64_t temp_max_mc;
    int64_t ram_max_pct;
    int64_t prefetch; /* credit beyond free slots */
    int64_t priority_age_ms;
    char policy[32];                                   /* policy_kind_parse() */
    char pin[PLACE_TEXT_SIZE], avoid[PLACE_TEXT_SIZE]; /* place_rules.h */
    bool placement;
    int64_t lambda_t_pct;
    int64_t home_wait_pct;
    int64_t swap_margin_ms;
    int64_t swap_factor_pct;
};

extern const struct setting router_settings[];
extern const size_t router_settings_count;

/* Checks across settings; `config` is a struct router_config. Calls fault(msg, arg) per fault. */
void router_config_check(const void *config, void (*fault)(const char *msg, void *arg), void *arg);

#endif
