/* Any bytes as a value of P:health, and as the node id of its field. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"

#include "fleet.h"
#include "pick.h"

#define NAMES 64

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

    uint32_t model = names_hold(&names, span_str("gemma3:1b"));
    if (model != NAME_NONE) {
        const struct pick_request request = {.model = model};
        uint8_t verdicts[2];
        char why[PICK_WHY_MAX + 1];
        struct pick_result result = pick_node(&fleet, &request, 6, verdicts);
        pick_why(&fleet, &request, &result, verdicts, why, sizeof why);
        names_drop(&names, model);
    }
    uint32_t cursor = 0, i;
    while ((i = fleet_each(&fleet, &cursor)) != FLEET_NONE)
        fleet_remove(&fleet, i, 7);
    assert(names.pool.n == 0);
    free(fleet_mem);
    free(names_mem);
    return 0;
}
