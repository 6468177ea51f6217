/* Any bytes as a value of P:health, and as the node id of its field. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"

#include "fleet.h"
#include "policy_feed.h"

#define NAMES 64

/* What the fleet accepts, the policy must be able to work with. */
static void feed_policy(const struct fleet *fleet, struct names *names, uint32_t node,
                        struct span json)
{
    static struct policy_feed feed;
    static const struct place_rules no_rules = {"", ""};
    const struct policy_sizes sizes = {2, 2 * POLICY_FEED_PAIRS_MAX, 4};
    const struct window_sizes window_sizes = {1, 0};
    struct policy_settings settings;
    struct policy_decision decision;
    struct window window;
    void *window_mem = calloc(1, window_bytes(window_sizes, NAMES)), *policy_mem;

    assert(window_mem);
    window_init(&window, window_mem, window_sizes, names, 1);
    policy_settings_default(&settings);
    policy_mem = calloc(1, policy_bytes(sizes, &window));
    assert(policy_mem);
    struct policy *policy = policy_init(policy_mem, sizes, &window, &settings, 1, 6);
    feed.fed_ms[node] = 0;
    feed.rules = &no_rules;
    (void)policy_feed_health(&feed, policy, fleet, node, json,
                             (struct fleet_time){6, INT64_C(1700000000001)});
    policy_feed_all(policy, fleet, 6);
    for (int i = 0; i < 8 && policy_next(policy, 10006, &decision); i++)
        continue;
    free(policy_mem);
    free(window_mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct fleet_limits limits = {
        .node_late_ms = 10000, .node_lost_ms = 15000, .temp_max_mc = 75000, .ram_max_pct = 90};
    struct span json = {(const char *)data, size};
    struct names names;
    struct fleet fleet;
    struct fleet_change change;
    struct err err;
    void *names_mem = calloc(1, names_bytes(NAMES)), *fleet_mem = calloc(1, fleet_bytes(2, NAMES));

    assert(names_mem && fleet_mem);
    names_init(&names, names_mem, NAMES);
    fleet_init(&fleet, fleet_mem, 2, &names);
    fleet_limits_set(&fleet, &limits);
    (void)fleet_health(&fleet, json, json, (struct fleet_time){5, INT64_C(1700000000000)}, &change,
                       &err);
    int rc = fleet_health(&fleet, span_str("pi-1"), json,
                          (struct fleet_time){5, INT64_C(1700000000000)}, &change, &err);
    (void)fleet_health(&fleet, span_str("pi-1"), json,
                       (struct fleet_time){6, INT64_C(1700000000001)}, &change, &err);
    assert(rc < 0 || change.what == 0); /* the same value twice is no news */

    if (rc == 0)
        feed_policy(&fleet, &names, change.node, json);
    uint32_t cursor = 0, i;
    while ((i = fleet_each(&fleet, &cursor)) != FLEET_NONE)
        fleet_remove(&fleet, i, 7);
    assert(names.pool.n == 0);
    free(fleet_mem);
    free(names_mem);
    return 0;
}
