/* The window: order of service, fairness, states, lookups, parked entries. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "window.h"

#define AGE_MS 60000
#define NAMES  64

static struct names names;
static struct window window;
static void *names_mem, *window_mem;
static uint64_t open_models[NAMES_SET_WORDS(NAMES)];
static uint64_t next_id;

static void make(uint32_t capacity, uint32_t parked_max)
{
    const struct window_sizes sizes = {capacity, parked_max};

    names_mem = calloc(1, names_bytes(NAMES));
    window_mem = calloc(1, window_bytes(sizes, NAMES));
    assert_non_null(names_mem);
    assert_non_null(window_mem);
    names_init(&names, names_mem, NAMES);
    window_init(&window, window_mem, sizes, &names, UINT64_C(0x1234567));
    memset(open_models, 0xff, sizeof open_models);
    next_id = 1000;
}

/* Everything that was taken is given back. */
static void unmake(void)
{
    struct stream_id id;
    uint32_t cursor = 0;

    for (uint32_t i; (i = window_each(&window, &cursor)) != WINDOW_NONE;)
        window_remove(&window, i);
    while (window_parked_next(&window, &id))
        continue;
    assert_int_equal(window_count(&window), 0);
    assert_int_equal(window_parked_count(&window), 0);
    assert_int_equal(window.client_pool.n, 0);
    assert_int_equal(window.flow_pool.n, 0);
    assert_int_equal(window.lane_pool.n, 0);
    assert_int_equal(window.side_pool.n, 0);
    assert_int_equal(names.pool.n, 0);
    free(window_mem);
    free(names_mem);
}

/* An entry of `client`, submitted at the millisecond of its id. */
static struct window_entry entry_of(const char *request_id, const char *client,
                                    enum request_priority priority)
{
    uint64_t ms = next_id++;

    return (struct window_entry){.id = {ms, 0},
                                 .request_id = span_str(request_id),
                                 .model = span_str("m:latest"),
                                 .client = span_str(client),
                                 .priority = priority,
                                 .submitted_ms = (int64_t)ms,
                                 .deadline_ms = (int64_t)ms + 100000,
                                 .attempt = 1};
}

static struct window_added add(const struct window_entry *entry)
{
    return window_add(&window, entry, 5, entry->submitted_ms, AGE_MS);
}

static struct window_added add_simple(const char *request_id, const char *client,
                                      enum request_priority priority)
{
    struct window_entry entry = entry_of(request_id, client, priority);

    return add(&entry);
}

/* Takes everything in the order of service and joins the request ids with blanks. */
static const char *service_order(void)
{
    static char text[4096];
    size_t len = 0;
    uint32_t i;

    text[0] = '\0';
    window_scan(&window);
    while ((i = window_next(&window, open_models)) != WINDOW_NONE) {
        window_take(&window, i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "",
                                window_at(&window, i)->request_id);
        window_scan(&window);
    }
    return text;
}

static void test_high_comes_before_normal_before_low(void **state)
{
    (void)state;
    make(8, 0);
    (void)add_simple("l", "c", REQUEST_LOW);
    (void)add_simple("n1", "c", REQUEST_NORMAL);
    (void)add_simple("h", "c", REQUEST_HIGH);
    (void)add_simple("n2", "c", REQUEST_NORMAL);
    assert_int_equal(window_class_count(&window, REQUEST_NORMAL), 2);
    assert_string_equal(service_order(), "h n1 n2 l");
    unmake();
}

static void test_clients_alternate_however_much_one_of_them_sends(void **state)
{
    (void)state;
    make(16, 0);
    (void)add_simple("a1", "a", REQUEST_NORMAL);
    (void)add_simple("a2", "a", REQUEST_NORMAL);
    (void)add_simple("a3", "a", REQUEST_NORMAL);
    (void)add_simple("a4", "a", REQUEST_NORMAL);
    (void)add_simple("b1", "b", REQUEST_NORMAL);
    (void)add_simple("b2", "b", REQUEST_NORMAL);
    (void)add_simple("x1", "", REQUEST_NORMAL);
    assert_string_equal(service_order(), "a1 b1 x1 a2 b2 a3 a4");
    unmake();
}

static void test_a_large_entry_uses_up_several_turns(void **state)
{
    (void)state;
    make(16, 0);
    struct window_entry large = entry_of("large", "a", REQUEST_NORMAL);
    large.bytes = 2 * WINDOW_COST_BYTES; /* cost 3 */
    (void)add(&large);
    (void)add_simple("a2", "a", REQUEST_NORMAL);
    (void)add_simple("b1", "b", REQUEST_NORMAL);
    (void)add_simple("b2", "b", REQUEST_NORMAL);
    (void)add_simple("b3", "b", REQUEST_NORMAL);
    (void)add_simple("b4", "b", REQUEST_NORMAL);
    assert_string_equal(service_order(), "b1 b2 large b3 a2 b4");
    unmake();
}

static void test_a_request_that_came_back_keeps_its_place(void **state)
{
    (void)state;
    make(8, 0);
    struct window_entry old = entry_of("old", "c", REQUEST_NORMAL);
    (void)add_simple("n1", "c", REQUEST_NORMAL);
    (void)add_simple("n2", "c", REQUEST_NORMAL);
    old.id = (struct stream_id){next_id++, 0}; /* a new entry, the old time of submission */
    old.came_back = true;
    (void)add(&old);
    assert_string_equal(service_order(), "old n1 n2");
    unmake();
}

static void test_models_that_no_node_can_take_are_passed_over(void **state)
{
    (void)state;
    make(8, 0);
    struct window_entry other = entry_of("o1", "c", REQUEST_HIGH);
    other.model = span_str("other:latest");
    uint32_t o1 = add(&other).index;
    (void)add_simple("m1", "c", REQUEST_NORMAL);
    names_set_remove(open_models, window_at(&window, o1)->model);
    assert_int_equal(window_model_count(&window, window_at(&window, o1)->model), 1);
    assert_string_equal(service_order(), "m1");
    names_set_add(open_models, window_at(&window, o1)->model);
    assert_string_equal(service_order(), "o1");
    unmake();
}

static void test_a_scan_shows_each_request_once_and_uses_up_no_turn(void **state)
{
    (void)state;
    make(8, 0);
    uint32_t a1 = add_simple("a1", "a", REQUEST_NORMAL).index;
    uint32_t a2 = add_simple("a2", "a", REQUEST_NORMAL).index;
    uint32_t b1 = add_simple("b1", "b", REQUEST_NORMAL).index;
    for (int i = 0; i < 3; i++) {
        window_scan(&window);
        assert_int_equal(window_next(&window, open_models), a1);
        assert_int_equal(window_next(&window, open_models), a2);
        assert_int_equal(window_next(&window, open_models), b1);
        assert_int_equal(window_next(&window, open_models), WINDOW_NONE);
    }
    window_scan(&window);
    assert_int_equal(window_next(&window, open_models), a1);
    window_take(&window, a1);
    window_put_back(&window, a1); /* in the same scan: it is not shown again */
    assert_int_equal(window_next(&window, open_models), a2);
    assert_string_equal(service_order(), "a1 b1 a2");
    unmake();
}

static void test_waiting_moves_a_request_up_a_class(void **state)
{
    (void)state;
    make(8, 0);
    (void)add_simple("low", "c", REQUEST_LOW);
    next_id += 2 * AGE_MS - 10;
    (void)add_simple("high", "c", REQUEST_HIGH);
    (void)add_simple("normal", "c", REQUEST_NORMAL);
    assert_int_equal(window_age(&window, 1000 + AGE_MS - 1, AGE_MS), 0);
    assert_int_equal(window_age(&window, 1000 + AGE_MS, AGE_MS), 1);
    assert_int_equal(window_class_count(&window, REQUEST_NORMAL), 2);
    assert_int_equal(window_age(&window, 1000 + 2 * AGE_MS, AGE_MS), 1);
    assert_int_equal(window_class_count(&window, REQUEST_HIGH), 2);
    assert_int_equal(window_age(&window, 1000 + 3 * AGE_MS, 0), 0);
    assert_string_equal(service_order(), "low high normal");
    unmake();
}

static void test_position_counts_what_will_be_served_before(void **state)
{
    uint32_t index[6];

    (void)state;
    make(8, 0);
    index[0] = add_simple("a1", "a", REQUEST_NORMAL).index;
    index[1] = add_simple("a2", "a", REQUEST_NORMAL).index;
    index[2] = add_simple("a3", "a", REQUEST_NORMAL).index;
    index[3] = add_simple("b1", "b", REQUEST_NORMAL).index;
    index[4] = add_simple("h", "b", REQUEST_HIGH).index;
    index[5] = add_simple("l", "b", REQUEST_LOW).index;
    static const uint32_t want[] = {1, 3, 4, 2, 0, 5};
    for (int i = 0; i < 6; i++)
        assert_int_equal(window_position(&window, index[i]), want[i]);
    assert_string_equal(service_order(), "h a1 b1 a2 a3 l");
    unmake();
}

static void test_requests_are_found_by_entry_and_by_request_id(void **state)
{
    (void)state;
    make(8, 0);
    struct window_entry entry = entry_of("same", "c", REQUEST_NORMAL);
    entry.callback = span_str("p:responses:elsewhere");
    entry.tried = span_str("pi-1,pi-2");
    entry.last_error = span_str("no answer");
    entry.attempt = 3;
    uint32_t first = add(&entry).index;
    uint32_t second = add_simple("same", "c", REQUEST_NORMAL).index;
    struct window_added again = add(&entry);
    assert_int_equal(again.outcome, WINDOW_KNOWN);
    assert_int_equal(again.index, first);
    assert_int_equal(window_find(&window, entry.id), first);
    assert_int_equal(window_find(&window, (struct stream_id){1, 1}), WINDOW_NONE);
    uint32_t a = window_find_request(&window, span_str("same"), WINDOW_NONE);
    uint32_t b = window_find_request(&window, span_str("same"), a);
    assert_true((a == first && b == second) || (a == second && b == first));
    assert_int_equal(window_find_request(&window, span_str("same"), b), WINDOW_NONE);
    assert_int_equal(window_find_request(&window, span_str("sam"), WINDOW_NONE), WINDOW_NONE);
    assert_string_equal(window_callback(&window, first), "p:responses:elsewhere");
    assert_string_equal(window_tried(&window, first), "pi-1,pi-2");
    assert_string_equal(window_last_error(&window, first), "no answer");
    assert_string_equal(window_callback(&window, second), "");
    assert_int_equal(window_at(&window, first)->attempt, 3);
    unmake();
}

static void test_a_long_list_of_nodes_loses_its_oldest_names(void **state)
{
    char list[WINDOW_TRIED_MAX + 100];

    (void)state;
    make(1, 0);
    struct window_entry entry = entry_of("r", "c", REQUEST_NORMAL);
    memset(list, 'x', sizeof list);
    for (size_t i = 60; i < sizeof list; i += 61)
        list[i] = ',';
    entry.tried = (struct span){list, sizeof list};
    const char *kept = window_tried(&window, add(&entry).index);
    assert_true(strlen(kept) <= WINDOW_TRIED_MAX && strlen(kept) > WINDOW_TRIED_MAX - 61);
    assert_true(kept[0] == 'x');
    assert_memory_equal(kept, list + sizeof list - strlen(kept), strlen(kept));
    unmake();
}

static void test_a_request_passes_through_its_states_and_leaves_once(void **state)
{
    (void)state;
    make(4, 0);
    uint32_t i = add_simple("r", "c", REQUEST_NORMAL).index;
    window_take(&window, i);
    assert_int_equal(window_at(&window, i)->state, WINDOW_MOVING);
    window_put_back(&window, i);
    window_end(&window, i);
    assert_int_equal(window_state_count(&window, WINDOW_ENDING), 1);
    window_put_back(&window, i);
    assert_int_equal(window_state_count(&window, WINDOW_WAITING), 1);
    window_take(&window, i);
    window_end(&window, i);
    assert_int_equal(window_count(&window), 1);
    window_remove(&window, i);
    assert_null(window_at(&window, i));
    assert_int_equal(window_room(&window), 4);
    unmake();
}

static void test_deadlines_and_the_oldest_are_found_by_a_sweep(void **state)
{
    uint32_t out[4];

    (void)state;
    make(8, 0);
    uint32_t first = add_simple("r1", "c", REQUEST_NORMAL).index; /* deadline 101000 */
    uint32_t second = add_simple("r2", "c", REQUEST_NORMAL).index;
    assert_int_equal(window_oldest(&window), first);
    assert_int_equal(window_expired(&window, 100999, out, 4), 0);
    assert_int_equal(window_expired(&window, 101000, out, 4), 1);
    assert_int_equal(out[0], first);
    assert_int_equal(window_expired(&window, 200000, out, 1), 1);
    window_end(&window, first);
    assert_int_equal(window_expired(&window, 200000, out, 4), 1);
    assert_int_equal(out[0], second);
    assert_int_equal(window_oldest(&window), second);
    uint32_t cursor = 0;
    assert_int_equal(window_each(&window, &cursor), first);
    window_remove(&window, first);
    assert_int_equal(window_each(&window, &cursor), second);
    assert_int_equal(window_each(&window, &cursor), WINDOW_NONE);
    unmake();
}

static void test_a_client_that_floods_does_not_hold_the_window_from_others(void **state)
{
    struct stream_id id;
    char name[16];

    (void)state;
    make(4, 100);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        assert_int_equal(add_simple(name, "flood", REQUEST_NORMAL).outcome,
                         i < 4 ? WINDOW_ADDED : WINDOW_PARKED);
    }
    struct window_added a1 = add_simple("a1", "a", REQUEST_NORMAL);
    assert_int_equal(a1.outcome, WINDOW_ADDED);
    assert_true(a1.demoted);
    assert_int_equal(window_find_request(&window, span_str("f3"), WINDOW_NONE), WINDOW_NONE);
    assert_true(add_simple("a2", "a", REQUEST_NORMAL).demoted);
    assert_int_equal(add_simple("a3", "a", REQUEST_NORMAL).outcome, WINDOW_PARKED); /* 2 and 2 */
    assert_int_equal(window_parked_count(&window), 6 + 2 + 1);
    assert_string_equal(service_order(), "f0 a1 f1 a2");
    window_remove(&window, window_find_request(&window, span_str("f0"), WINDOW_NONE));
    assert_true(window_parked_next(&window, &id));
    assert_int_equal(id.ms, 1002); /* f2: its client holds 1, the other 2 */
    window_remove(&window, window_find_request(&window, span_str("a1"), WINDOW_NONE));
    window_remove(&window, window_find_request(&window, span_str("a2"), WINDOW_NONE));
    assert_true(window_parked_next(&window, &id));
    assert_int_equal(id.ms, 1012); /* a3: its client holds none */
    unmake();
}

static void test_a_higher_class_makes_a_lower_one_give_way(void **state)
{
    struct stream_id id;

    (void)state;
    make(2, 10);
    (void)add_simple("l1", "a", REQUEST_LOW);
    (void)add_simple("l2", "b", REQUEST_LOW);
    assert_int_equal(add_simple("l3", "c", REQUEST_LOW).outcome, WINDOW_PARKED);
    assert_true(add_simple("h1", "a", REQUEST_HIGH).demoted);
    assert_int_equal(window_class_count(&window, REQUEST_HIGH), 1);
    assert_int_equal(window_class_count(&window, REQUEST_LOW), 1);
    assert_true(window_parked_next(&window, &id));
    unmake();
}

static void test_parked_entries_can_be_cancelled_expire_and_come_back(void **state)
{
    struct stream_id ids[4];

    (void)state;
    make(1, 3);
    (void)add_simple("r0", "a", REQUEST_NORMAL);
    struct window_entry r1 = entry_of("r1", "a", REQUEST_NORMAL);
    assert_int_equal(add(&r1).outcome, WINDOW_PARKED);
    assert_int_equal(add(&r1).outcome, WINDOW_PARKED); /* read again: parked once */
    assert_int_equal(window_parked_count(&window), 1);
    (void)add_simple("r2", "a", REQUEST_NORMAL);
    (void)add_simple("r3", "a", REQUEST_NORMAL);
    assert_int_equal(add_simple("r4", "a", REQUEST_NORMAL).outcome, WINDOW_FULL);
    assert_int_equal(window_parked_count(&window), 3);
    assert_true(window_unpark(&window, span_str("r2"), &ids[0]));
    assert_int_equal(ids[0].ms, 1002);
    assert_false(window_unpark(&window, span_str("r2"), &ids[0]));
    assert_int_equal(window_parked_expired(&window, 101003, ids, 4), 2); /* r1 and r3 */
    assert_int_equal(window_parked_count(&window), 0);
    window_remove(&window, window_find_request(&window, span_str("r0"), WINDOW_NONE));
    assert_int_equal(add(&r1).outcome, WINDOW_ADDED);
    unmake();
}

static void test_parked_entries_age_too(void **state)
{
    struct stream_id id;

    (void)state;
    make(1, 10);
    (void)add_simple("r0", "a", REQUEST_HIGH);
    (void)add_simple("old", "b", REQUEST_LOW);
    next_id += 2 * AGE_MS;
    (void)add_simple("new", "c", REQUEST_HIGH);
    (void)window_age(&window, (int64_t)next_id, AGE_MS);
    assert_true(window_parked_next(&window, &id));
    assert_int_equal(id.ms, 1001);
    unmake();
}

static void test_saved_up_turns_do_not_outlast_their_use(void **state)
{
    char name[16];

    (void)state;
    make(32, 0);
    struct window_entry blocked = entry_of("b0", "b", REQUEST_NORMAL);
    blocked.model = span_str("other:latest");
    uint32_t model = window_at(&window, add(&blocked).index)->model;
    for (int i = 1; i < 4; i++) {
        (void)snprintf(name, sizeof name, "b%d", i);
        blocked.id = (struct stream_id){next_id++, 0};
        blocked.request_id = span_str(name);
        (void)add(&blocked);
    }
    names_set_remove(open_models, model);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(name, sizeof name, "a%d", i);
        (void)add_simple(name, "a", REQUEST_NORMAL);
    }
    assert_string_equal(service_order(), "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9");
    for (int i = 10; i < 13; i++) {
        (void)snprintf(name, sizeof name, "a%d", i);
        (void)add_simple(name, "a", REQUEST_NORMAL);
    }
    names_set_add(open_models, model);
    assert_string_equal(service_order(), "b0 a10 b1 a11 b2 a12 b3"); /* not b0 b1 b2 b3 first */
    unmake();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_high_comes_before_normal_before_low),
        cmocka_unit_test(test_clients_alternate_however_much_one_of_them_sends),
        cmocka_unit_test(test_a_large_entry_uses_up_several_turns),
        cmocka_unit_test(test_a_request_that_came_back_keeps_its_place),
        cmocka_unit_test(test_models_that_no_node_can_take_are_passed_over),
        cmocka_unit_test(test_a_scan_shows_each_request_once_and_uses_up_no_turn),
        cmocka_unit_test(test_waiting_moves_a_request_up_a_class),
        cmocka_unit_test(test_position_counts_what_will_be_served_before),
        cmocka_unit_test(test_requests_are_found_by_entry_and_by_request_id),
        cmocka_unit_test(test_a_long_list_of_nodes_loses_its_oldest_names),
        cmocka_unit_test(test_a_request_passes_through_its_states_and_leaves_once),
        cmocka_unit_test(test_deadlines_and_the_oldest_are_found_by_a_sweep),
        cmocka_unit_test(test_a_client_that_floods_does_not_hold_the_window_from_others),
        cmocka_unit_test(test_a_higher_class_makes_a_lower_one_give_way),
        cmocka_unit_test(test_parked_entries_can_be_cancelled_expire_and_come_back),
        cmocka_unit_test(test_parked_entries_age_too),
        cmocka_unit_test(test_saved_up_turns_do_not_outlast_their_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
