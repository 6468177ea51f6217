#include "router_config.h"

#include "common/node_id.h"
#include "common/redis_url.h"
#include "common/setting_checks.h"

#define AT(member)   .offset = offsetof(struct router_config, member)
#define TEXT(member) AT(member), .size = sizeof((struct router_config *)0)->member
#define SECOND       INT64_C(1000) /* milliseconds */
#define MINUTE       (60 * SECOND)
#define HOUR         (60 * MINUTE)
#define DAY          (24 * HOUR)
#define KIB          INT64_C(1024)
#define MIB          (1024 * KIB)
#define CELSIUS      INT64_C(1000) /* millidegrees */

const struct setting router_settings[] = {
    {.key = "redis",
     .type = SETTING_TEXT,
     TEXT(redis),
     .default_text = "redis://127.0.0.1:6379",
     .needs_restart = true,
     .why = "Where Redis is: redis://[user@]host[:port][/db] or unix:///path[?db=N].",
     .check = setting_check_redis},
    {.key = "redis_password_file",
     .type = SETTING_TEXT,
     TEXT(redis_password_file),
     .default_text = "",
     .needs_restart = true,
     .why = "File that holds the Redis password; empty: systemd's credential redis-password if "
            "there is one.",
     .check = setting_check_path},
    {.key = "prefix",
     .type = SETTING_TEXT,
     TEXT(prefix),
     .default_text = "orion:inference",
     .needs_restart = true,
     .why = "Beginning of every Redis key; the same for clients, routers and workers.",
     .check = setting_check_prefix},
    {.key = "router_id",
     .type = SETTING_TEXT,
     TEXT(router_id),
     .default_text = "",
     .needs_restart = true,
     .why = "This router's name, unlike any other router's; empty: the host name.",
     .check = node_id_check},
    {.key = "log_level",
     .type = SETTING_TEXT,
     TEXT(log_level),
     .default_text = "info",
     .why = "Least important lines to log: error, warning, info or debug.",
     .check = setting_check_log_level},
    {.key = "window",
     .type = SETTING_NUMBER,
     AT(window),
     .default_text = "4096",
     .min = 1,
     .max = 1000000,
     .needs_restart = true,
     .why = "Requests held in memory: the choice for priorities and fairness, and what a crash "
            "makes the others claim."},
    {.key = "max_queue",
     .type = SETTING_NUMBER,
     AT(max_queue),
     .default_text = "100000",
     .min = 1,
     .max = 10000000,
     .why = "Requests that may wait in all; the newest beyond that get queue_full."},
    {.key = "default_timeout",
     .type = SETTING_DURATION,
     AT(default_timeout_ms),
     .default_text = "30m",
     .min = 100,
     .max = DAY,
     .why = "Deadline of a request that names no timeout_ms."},
    {.key = "request_max",
     .type = SETTING_BYTES,
     AT(request_max_bytes),
     .default_text = "8MiB",
     .min = KIB,
     .max = 64 * MIB,
     .why = "Largest request entry; a larger one gets invalid_request."},
    {.key = "max_attempts",
     .type = SETTING_NUMBER,
     AT(max_attempts),
     .default_text = "3",
     .min = 1,
     .max = 20,
     .why = "Nodes that may fail a request before it gets attempts_exhausted."},
    {.key = "response_ttl",
     .type = SETTING_DURATION,
     AT(response_ttl_ms),
     .default_text = "1h",
     .min = SECOND,
     .max = 7 * DAY,
     .why = "How long a reply can be read, and how long a request_id is known as a duplicate."},
    {.key = "node_late",
     .type = SETTING_DURATION,
     AT(node_late_ms),
     .default_text = "10s",
     .min = SECOND,
     .max = HOUR,
     .why = "Silence after which a node gets no new work; two heartbeats of 5s may be missed."},
    {.key = "node_lost",
     .type = SETTING_DURATION,
     AT(node_lost_ms),
     .default_text = "15s",
     .min = SECOND,
     .max = HOUR,
     .why = "Silence after which the work of a node is taken back and given to others."},
    {.key = "node_forget",
     .type = SETTING_DURATION,
     AT(node_forget_ms),
     .default_text = "24h",
     .min = SECOND,
     .max = 30 * DAY,
     .why = "Silence after which a node is no longer listed."},
    {.key = "model_wait",
     .type = SETTING_DURATION,
     AT(model_wait_ms),
     .default_text = "30s",
     .min = 100,
     .max = HOUR,
     .why = "How long a request waits for a node with its model before it gets unknown_model; a "
            "fleet may be booting."},
    {.key = "temp_max",
     .type = SETTING_CELSIUS,
     AT(temp_max_mc),
     .default_text = "75C",
     .min = 0,
     .max = 120 * CELSIUS,
     .why = "A node at this temperature or above gets no new work; a Pi throttles from 80C."},
    {.key = "ram_max",
     .type = SETTING_PERCENT,
     AT(ram_max_pct),
     .default_text = "90%",
     .min = 1,
     .max = 100,
     .why = "A node with this much memory in use, or more, gets no new work."},
    {.key = "prefetch",
     .type = SETTING_NUMBER,
     AT(prefetch),
     .default_text = "0",
     .min = 0,
     .max = 64,
     .why = "Requests a node may hold beyond its free slots; more hides less of the network, but "
            "can no longer be rerouted cheaply."},
    {.key = "priority_age",
     .type = SETTING_DURATION,
     AT(priority_age_ms),
     .default_text = "60s",
     .min = 100,
     .max = DAY,
     .why = "How long a request waits before it moves up one priority class, so that low is never "
            "starved."},
};
const size_t router_settings_count = sizeof router_settings / sizeof router_settings[0];
_Static_assert(sizeof router_settings / sizeof router_settings[0] <= SETTINGS_ROWS_MAX,
               "too many rows");

void router_config_check(const void *config, void (*fault)(const char *msg, void *arg), void *arg)
{
    const struct router_config *c = config;

    if (c->node_late_ms > c->node_lost_ms)
        fault("node_late must not be longer than node_lost", arg);
    if (c->node_lost_ms > c->node_forget_ms)
        fault("node_lost must not be longer than node_forget", arg);
}
