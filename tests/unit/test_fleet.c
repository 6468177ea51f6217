/* The fleet: heartbeats in, change records out; silence, models, drain, load. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "fleet.h"
#include "test.h"

#define NODES 4
#define NAMES 64
#define REDIS INT64_C(1700000000000) /* Redis time at monotonic time 0 */

static struct fleet_time at(int64_t now_ms)
{
    return (struct fleet_time){.now_ms = now_ms, .redis_ms = REDIS + now_ms};
}

static struct names names;
static struct fleet fleet;
static void *names_mem, *fleet_mem;
static struct err err;

static void make(void)
{
    const struct fleet_limits limits = {.node_late_ms = 10000,
                                        .node_lost_ms = 15000,
                                        .temp_max_mc = 75000,
                                        .ram_max_pct = 90,
                                        .prefetch = 0};

    names_mem = calloc(1, names_bytes(NAMES));
    fleet_mem = calloc(1, fleet_bytes(NODES, NAMES));
    assert_non_null(names_mem);
    assert_non_null(fleet_mem);
    names_init(&names, names_mem, NAMES);
    fleet_init(&fleet, fleet_mem, NODES, &names);
    fleet_limits_set(&fleet, &limits);
}

/* Everything that was taken is given back. */
static void unmake(void)
{
    uint32_t cursor = 0, i;

    while ((i = fleet_each(&fleet, &cursor)) != FLEET_NONE)
        fleet_remove(&fleet, i, 1);
    assert_int_equal(fleet_count(&fleet), 0);
    assert_int_equal(fleet.models_n, 0);
    assert_int_equal(names.pool.n, 0);
    free(fleet_mem);
    free(names_mem);
}

/* A health value written at `seen_ms` and read at `now_ms` (both monotonic). */
static struct fleet_change hear(const char *node, const char *more, int64_t seen_ms, int64_t now_ms)
{
    char json[4096];
    struct fleet_change change;

    (void)snprintf(json, sizeof json, "{\"node_id\":\"%s\",\"last_seen_ms\":%lld%s%s}", node,
                   (long long)(REDIS + seen_ms), more[0] ? "," : "", more);
    (void)fleet_health(&fleet, span_str(node), span_str(json), at(now_ms), &change, &err);
    return change;
}

#define UP "\"available\":true"

static struct fleet_change sweep_one(int64_t now_ms)
{
    struct fleet_change changes[NODES] = {{0}};

    size_t n = fleet_sweep(&fleet, at(now_ms), changes, NODES);
    assert_true(n <= 1);
    return changes[0];
}

static void test_a_node_joins_goes_late_is_lost_and_comes_back(void **state)
{
    (void)state;
    make();
    struct fleet_change change = hear("pi-1", UP, 0, 0);
    assert_int_equal(change.what, FLEET_JOINED | FLEET_STATE);
    assert_int_equal(change.from, NODE_NEW);
    assert_int_equal(change.to, NODE_UP);
    assert_int_equal(hear("pi-1", UP, 5000, 5000).what, 0);
    assert_int_equal(sweep_one(15000).what, 0);
    change = sweep_one(15001);
    assert_int_equal(change.to, NODE_LATE);
    assert_int_equal(sweep_one(15001).what, 0);              /* said once */
    assert_int_equal(hear("pi-1", UP, 5000, 16000).what, 0); /* the same value: still late */
    change = sweep_one(20001);
    assert_int_equal(change.from, NODE_LATE);
    assert_int_equal(change.to, NODE_LOST);
    change = hear("pi-1", UP, 20500, 20501);
    assert_int_equal(change.what, FLEET_STATE);
    assert_int_equal(change.from, NODE_LOST);
    assert_int_equal(change.to, NODE_UP);
    unmake();
}

static void test_an_old_value_of_an_unknown_node_makes_it_lost_at_once(void **state)
{
    (void)state;
    make();
    assert_int_equal(hear("pi-1", UP, 0, 3600000).to, NODE_LOST);
    unmake();
}

static void test_nobody_is_lost_within_the_grace_period(void **state)
{
    (void)state;
    make();
    (void)hear("pi-1", UP, 0, 0);
    fleet_grace(&fleet, 75000); /* Redis was gone for a minute */
    assert_int_equal(sweep_one(60000).to, NODE_LATE);
    assert_int_equal(hear("pi-1", UP, 0, 60000).what, 0);
    assert_int_equal(sweep_one(74999).what, 0);
    assert_int_equal(sweep_one(75000).to, NODE_LOST);
    unmake();
}

static void test_a_time_in_the_future_is_judged_by_our_own_clock(void **state)
{
    (void)state;
    make();
    assert_int_equal(hear("pi-1", UP, 1000000, 0).to, NODE_UP);
    assert_int_equal(hear("pi-1", UP, 1000000, 9000).what, 0);
    assert_int_equal(sweep_one(10001).to, NODE_LATE);
    assert_int_equal(sweep_one(15001).to, NODE_LOST);
    assert_int_equal(hear("pi-1", UP, 1005000, 16000).to, NODE_UP);
    unmake();
}

static void test_unavailable_and_its_reasons_are_said_once_each(void **state)
{
    (void)state;
    make();
    (void)hear("pi-1", UP, 0, 0);
    struct fleet_change change = hear("pi-1", "\"available\":false,\"reason\":\"hot\"", 1, 1);
    assert_int_equal(change.what, FLEET_STATE);
    assert_int_equal(change.to, NODE_UNAVAILABLE);
    assert_int_equal(hear("pi-1", "\"available\":false,\"reason\":\"hot\"", 2, 2).what, 0);
    assert_int_equal(hear("pi-1", "\"available\":false,\"reason\":\"ollama down\"", 3, 3).what,
                     FLEET_REASON);
    assert_int_equal(hear("pi-1", UP, 4, 4).to, NODE_UP);
    unmake();
}

static void test_heat_slots_and_models_are_reported_when_they_change(void **state)
{
    (void)state;
    make();
    (void)hear("pi-1", UP ",\"temp_c\":74.9,\"installed\":[\"a\"]", 0, 0);
    assert_int_equal(hear("pi-1", UP ",\"temp_c\":75,\"installed\":[\"a\"]", 1, 1).what, FLEET_HOT);
    assert_int_equal(hear("pi-1", UP ",\"temp_c\":80,\"installed\":[\"a\"]", 2, 2).what, 0);
    assert_int_equal(hear("pi-1", UP ",\"installed\":[\"a\"]", 3, 3).what, FLEET_COOL);
    assert_int_equal(hear("pi-1", UP ",\"installed\":[\"A:latest\",\"a\"]", 4, 4).what, 0);
    assert_int_equal(hear("pi-1", UP ",\"installed\":[\"a\"],\"models\":[\"a\"]", 5, 5).what,
                     FLEET_MODELS);
    assert_int_equal(
        hear("pi-1", UP ",\"installed\":[\"a\"],\"models\":[\"a\"],\"slots\":2", 6, 6).what,
        FLEET_SLOTS);
    unmake();
}

static void test_the_same_value_means_something_else_under_other_limits(void **state)
{
    struct fleet_limits limits;

    (void)state;
    make();
    (void)hear("pi-1", UP ",\"temp_c\":60", 0, 0);
    assert_int_equal(hear("pi-1", UP ",\"temp_c\":60", 0, 1).what, 0);
    limits = fleet.limits;
    limits.temp_max_mc = 50000;
    fleet_limits_set(&fleet, &limits);
    assert_int_equal(hear("pi-1", UP ",\"temp_c\":60", 0, 2).what, FLEET_HOT);
    unmake();
}

static void test_a_refused_value_is_said_once_and_does_not_harm_the_node(void **state)
{
    struct fleet_change change;

    (void)state;
    make();
    (void)hear("pi-1", UP, 0, 0);
    int rc = fleet_health(&fleet, span_str("pi-1"), span_str("oops"), at(1), &change, &err);
    assert_int_equal(rc, -EINVAL);
    assert_int_equal(change.what, FLEET_REFUSED);
    assert_non_null(strstr(err.msg, "health of node pi-1 refused: byte 0"));
    (void)fleet_health(&fleet, span_str("pi-1"), span_str("oops"), at(2), &change, &err);
    assert_int_equal(change.what, 0);
    assert_int_equal(fleet_at(&fleet, change.node)->state, NODE_UP);
    (void)fleet_health(&fleet, span_str("pi-1"), span_str("[]"), at(3), &change, &err);
    assert_int_equal(change.what, FLEET_REFUSED); /* another fault */
    assert_int_equal(hear("pi-1", UP, 4, 4).what, FLEET_ACCEPTED);

    change = hear("pi-2", "\"temp_c\":1e99", 5, 5);
    assert_int_equal(change.what, FLEET_JOINED | FLEET_REFUSED);
    assert_int_equal(fleet_at(&fleet, change.node)->state, NODE_NEW);
    unmake();
}

static void test_a_field_that_is_no_node_id_and_one_node_too_many_are_refused(void **state)
{
    char id[8];

    (void)state;
    make();
    struct fleet_change change = hear("pi 1", UP, 0, 0);
    assert_int_equal(change.node, FLEET_NONE);
    assert_int_equal(change.what, FLEET_REFUSED);
    assert_string_equal(err.msg, "health of \"pi 1\" refused: a node id is 1 to 64 of A-Z a-z 0-9 "
                                 ". _ -");
    assert_int_equal(hear("pi 1", UP, 1, 1).what, 0);
    for (int i = 0; i < NODES; i++) {
        (void)snprintf(id, sizeof id, "pi-%d", i);
        (void)hear(id, UP, 2, 2);
    }
    assert_int_equal(hear("pi-9", UP, 3, 3).what, FLEET_REFUSED);
    assert_string_equal(err.msg, "health of \"pi-9\" refused: too many nodes are known already");
    assert_int_equal(fleet_count(&fleet), NODES);
    unmake();
}

static void test_a_node_that_left_the_hash_is_gone_then_lost_then_removed(void **state)
{
    struct fleet_change changes[NODES];

    (void)state;
    make();
    fleet_round_begin(&fleet);
    (void)hear("pi-1", UP, 0, 0);
    uint32_t pi2 = hear("pi-2", UP, 0, 0).node;
    assert_int_equal(fleet_round_end(&fleet, changes, NODES), 0);
    fleet_round_begin(&fleet);
    (void)hear("pi-1", UP, 16000, 16000);
    assert_int_equal(fleet_round_end(&fleet, changes, NODES), 1);
    assert_int_equal(changes[0].node, pi2);
    assert_int_equal(changes[0].what, FLEET_GONE);
    assert_int_equal(fleet_round_end(&fleet, changes, NODES), 0);
    assert_int_equal(sweep_one(16000).to, NODE_LOST);
    fleet_remove(&fleet, pi2, 16000);
    assert_null(fleet_at(&fleet, pi2));
    assert_int_equal(fleet_find(&fleet, span_str("pi-2")), FLEET_NONE);
    assert_int_equal(hear("pi-2", UP, 17000, 17000).what, FLEET_JOINED | FLEET_STATE);
    unmake();
}

static void test_a_model_is_known_as_long_as_a_node_of_the_fleet_has_it(void **state)
{
    (void)state;
    make();
    uint32_t model = names_hold(&names, span_str("a:latest"));
    assert_true(fleet_model_absent_ms(&fleet, model, 5) == INT64_MAX);
    uint32_t node = hear("pi-1", UP ",\"installed\":[\"a\",\"b\"]", 0, 0).node;
    assert_int_equal(fleet_model_absent_ms(&fleet, model, 5), 0);
    (void)sweep_one(15001);
    assert_int_equal(fleet_model_absent_ms(&fleet, model, 15001), 0); /* lost ones count */
    fleet_remove(&fleet, node, 20000);
    assert_int_equal(fleet_model_absent_ms(&fleet, model, 20500), 500);
    names_drop(&names, model);
    unmake();
}

static void test_lists_of_models_are_bounded(void **state)
{
    static char json[64 * 1024];
    size_t len = 0;
    struct fleet_change change;

    (void)state;
    make();
    len += (size_t)snprintf(json, sizeof json, "{\"last_seen\":%lld,\"installed\":[\"m0\"",
                            (long long)REDIS / 1000);
    for (int i = 1; i < 2000; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, ",\"m%d\"", i);
    (void)snprintf(json + len, sizeof json - len, "],\"suspect\":[\"m3\",\"other\"]}");
    assert_int_equal(fleet_health(&fleet, span_str("pi-1"), span_str(json), at(0), &change, &err),
                     0);
    const struct node *node = fleet_at(&fleet, change.node);
    assert_int_equal(node->models.n, NAMES); /* what the table of this test holds */
    assert_int_equal(node->suspect.n, 1);
    unmake();
}

static void test_what_somebody_has_loaded_otherwise_is_not_resident(void **state)
{
    struct fleet_change change;
    static const struct {
        const char *foreign;
        uint32_t n;
    } rows[] = {{"\"b\",\"nobody\"", 1}, {"", 2}, {"\"a\",\"b\"", 0}};

    (void)state;
    make();
    for (int i = 0; i < 3; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"last_seen\":%lld,\"models\":[\"a\",\"b\"],\"foreign\":[%s]}",
                       (long long)REDIS / 1000 + i, rows[i].foreign);
        assert_int_equal(
            fleet_health(&fleet, span_str("pi-1"), span_str(text), at(1000 * i), &change, &err), 0);
        const struct node *node = fleet_at(&fleet, change.node);
        assert_int_equal(node->models.n, 2); /* it could run both */
        assert_int_equal(node->resident.n, rows[i].n);
    }
    unmake();
}

static void test_in_flight_follows_events_and_is_set_right_by_the_length(void **state)
{
    (void)state;
    make();
    uint32_t i = hear("pi-1", UP ",\"slots\":2", 0, 0).node;
    assert_int_equal(fleet_credit(&fleet, i), 2);
    fleet_left(&fleet, i); /* an event from before our time */
    assert_int_equal(fleet_at(&fleet, i)->in_flight, 0);
    fleet_routed(&fleet, i);
    fleet_routed(&fleet, i);
    fleet_full(&fleet, i);
    fleet_length(&fleet, i, 2);
    assert_true(fleet_at(&fleet, i)->is_full);
    fleet_length(&fleet, i, 1);
    assert_false(fleet_at(&fleet, i)->is_full);
    fleet_full(&fleet, i);
    fleet_left(&fleet, i);
    assert_false(fleet_at(&fleet, i)->is_full);
    assert_int_equal(fleet_at(&fleet, i)->in_flight, 0);
    fleet_length(&fleet, i, UINT64_MAX);
    assert_int_equal(fleet_at(&fleet, i)->in_flight, UINT32_MAX);
    unmake();
}

static void test_drain_marks_follow_the_set(void **state)
{
    (void)state;
    make();
    uint32_t i = hear("pi-1", UP, 0, 0).node;
    assert_false(fleet_drained(&fleet, span_str("pi-9"), true));
    assert_true(fleet_drained(&fleet, span_str("pi-1"), true));
    assert_false(fleet_drained(&fleet, span_str("pi-1"), true));
    (void)hear("pi-1", UP, 1, 1);
    assert_true(fleet_at(&fleet, i)->drained);
    fleet_drained_none(&fleet);
    assert_false(fleet_at(&fleet, i)->drained);
    unmake();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_node_joins_goes_late_is_lost_and_comes_back),
        cmocka_unit_test(test_an_old_value_of_an_unknown_node_makes_it_lost_at_once),
        cmocka_unit_test(test_nobody_is_lost_within_the_grace_period),
        cmocka_unit_test(test_a_time_in_the_future_is_judged_by_our_own_clock),
        cmocka_unit_test(test_unavailable_and_its_reasons_are_said_once_each),
        cmocka_unit_test(test_heat_slots_and_models_are_reported_when_they_change),
        cmocka_unit_test(test_the_same_value_means_something_else_under_other_limits),
        cmocka_unit_test(test_a_refused_value_is_said_once_and_does_not_harm_the_node),
        cmocka_unit_test(test_a_field_that_is_no_node_id_and_one_node_too_many_are_refused),
        cmocka_unit_test(test_a_node_that_left_the_hash_is_gone_then_lost_then_removed),
        cmocka_unit_test(test_a_model_is_known_as_long_as_a_node_of_the_fleet_has_it),
        cmocka_unit_test(test_lists_of_models_are_bounded),
        cmocka_unit_test(test_what_somebody_has_loaded_otherwise_is_not_resident),
        cmocka_unit_test(test_in_flight_follows_events_and_is_set_right_by_the_length),
        cmocka_unit_test(test_drain_marks_follow_the_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
