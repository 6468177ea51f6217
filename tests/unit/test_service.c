/* The line that `systemctl status orion-router` shows. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "fleet.h"
#include "service.h"
#include "test.h"

#define NODES 16
#define NAMES 64
#define REDIS INT64_C(1700000000000)

static struct names names;
static struct fleet fleet;
static void *names_mem, *fleet_mem;

static int make(void **state)
{
    const struct fleet_limits limits = {.node_late_ms = 10000,
                                        .node_lost_ms = 15000,
                                        .temp_max_mc = 75000,
                                        .ram_max_pct = 90,
                                        .prefetch = 0};

    (void)state;
    names_mem = calloc(1, names_bytes(NAMES));
    fleet_mem = calloc(1, fleet_bytes(NODES, NAMES));
    assert_non_null(names_mem);
    assert_non_null(fleet_mem);
    names_init(&names, names_mem, NAMES);
    fleet_init(&fleet, fleet_mem, NODES, &names);
    fleet_limits_set(&fleet, &limits);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free(fleet_mem);
    free(names_mem);
    return 0;
}

static void hear(const char *node, const char *more, int64_t silent_ms)
{
    char json[512];
    struct fleet_change change;
    struct err err;

    (void)snprintf(json, sizeof json, "{\"node_id\":\"%s\",\"last_seen_ms\":%lld,%s}", node,
                   (long long)(REDIS - silent_ms), more);
    assert_int_equal(fleet_health(&fleet, span_str(node), span_str(json),
                                  (struct fleet_time){.now_ms = 100000, .redis_ms = REDIS}, &change,
                                  &err),
                     0);
}

static const char *line(uint32_t waiting)
{
    static char text[SERVICE_TEXT_MAX];

    service_fleet_text(&fleet, waiting, text, sizeof text);
    return text;
}

static void test_a_fleet_in_one_line(void **state)
{
    (void)state;
    assert_string_equal(line(0), "0 nodes up, 0 waiting");
    hear("pi-1", "\"available\":true,\"temp_c\":50.0", 0);
    assert_string_equal(line(0), "1 node up, 0 waiting");
    hear("pi-2", "\"available\":false,\"reason\":\"hot\",\"temp_c\":78.1", 0);
    hear("pi-3", "\"available\":true,\"temp_c\":50.0", 0);
    hear("pi-4", "\"available\":true,\"temp_c\":50.0", 0);
    assert_string_equal(line(4), "3 nodes up, 1 hot (pi-2 78.1 C), 4 waiting");
    hear("pi-5", "\"available\":false,\"reason\":\"memory\"", 0);
    hear("pi-6", "\"available\":false,\"reason\":\"memory\"", 0);
    hear("pi-7", "\"available\":true", 12000);
    hear("pi-8", "\"available\":true", 60000);
    assert_true(fleet_drained(&fleet, span_str("pi-1"), true));
    assert_string_equal(line(12345),
                        "2 nodes up, 1 hot (pi-2 78.1 C), 2 unavailable (pi-5 memory, ...), "
                        "1 drained (pi-1), 1 late (pi-7), 1 lost (pi-8), 12345 waiting");
}

static void test_a_small_buffer_cuts_it(void **state)
{
    char text[12];

    (void)state;
    service_fleet_text(&fleet, 7, text, sizeof text);
    assert_string_equal(text, "0 nodes up,");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_fleet_in_one_line, make, unmake),
        cmocka_unit_test_setup_teardown(test_a_small_buffer_cuts_it, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
