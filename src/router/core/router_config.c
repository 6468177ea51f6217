#include "router_config.h"

#include <errno.h>

#include "common/err.h"
#include "common/listen_address.h"
#include "common/node_id.h"
#include "common/setting_rows.h"

#include "policy.h"

#define AT(member)   SETTING_AT(router_config, member)
#define TEXT(member) SETTING_TEXT_AT(router_config, member)

static int check_policy(const char *text, struct err *err)
{
    enum policy_kind kind;

    if (policy_kind_parse(span_str(text), &kind))
        return 0;
    return err_set(err, -EINVAL,
                   "must be late, chwbl, chwbl_prefix, least_in_flight or first_resident");
}

const struct setting router_settings[] = {
    SETTING_ROW_REDIS(router_config),
    SETTING_ROW_REDIS_PASSWORD_FILE(router_config),
    SETTING_ROW_PREFIX(router_config),
    {.key = "router_id",
     .type = SETTING_TEXT,
     TEXT(router_id),
     .default_text = "",
     .needs_restart = true,
     .why = "This router's name, unlike any other router's; empty: the host name.",
     .check = node_id_check},
    SETTING_ROW_LOG_LEVEL(router_config),
    {.key = "http_listen",
     .type = SETTING_TEXT,
     TEXT(http_listen),
     .default_text = "127.0.0.1:9464",
     .needs_restart = true,
     .why = "Where /metrics, /healthz and /readyz are served, without a password: address:port; "
            "empty: nowhere.",
     .check = setting_check_listen},
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
     .needs_restart = true,
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
    {.key = "policy",
     .type = SETTING_TEXT,
     TEXT(policy),
     .default_text = "late",
     .why = "How nodes are chosen: late (docs/routing.md), or to compare with it chwbl, "
            "chwbl_prefix, least_in_flight, first_resident.",
     .check = check_policy},
    {.key = "placement",
     .type = SETTING_BOOL,
     AT(placement),
     .default_text = "yes",
     .why = "Load models ahead of need on nodes that have nothing to do."},
    {.key = "pin",
     .type = SETTING_TEXT,
     TEXT(pin),
     .default_text = "",
     .why = "Models that run only on certain nodes, the first preferred: MODEL = node, node; "
            "MODEL = node",
     .check = place_rules_check},
    {.key = "avoid",
     .type = SETTING_TEXT,
     TEXT(avoid),
     .default_text = "",
     .why = "Models that do not run on certain nodes: MODEL = node, node; MODEL = node",
     .check = place_rules_check},
    {.key = "lambda_t",
     .type = SETTING_PERCENT,
     AT(lambda_t_pct),
     .default_text = "120%",
     .min = 0,
     .max = 1000,
     .why = "Price of heat: delay accepted for each second of throttling avoided; 0% throttles "
            "most."},
    {.key = "home_wait",
     .type = SETTING_PERCENT,
     AT(home_wait_pct),
     .default_text = "100%",
     .min = 0,
     .max = 200,
     .why = "A request waits for the node with its conversation while that takes less than this "
            "share of the time elsewhere; 0% never waits."},
    {.key = "swap_margin",
     .type = SETTING_DURATION,
     AT(swap_margin_ms),
     .default_text = "40s",
     .min = 0,
     .max = HOUR,
     .why = "What loading another model for a waiting request must save at least, but no more than "
            "one load; small values make nodes reload all the time."},
    {.key = "swap_factor",
     .type = SETTING_PERCENT,
     AT(swap_factor_pct),
     .default_text = "100%",
     .min = 100,
     .max = 1000,
     .why =
         "A model is loaded for a request if the wait takes longer than this share of loading and "
         "running it elsewhere, by swap_margin."},
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
