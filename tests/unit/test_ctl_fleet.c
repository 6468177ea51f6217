/* What `status` and `top` show, as values and as screens. */

#include <string.h>

#include "ctl_fleet_made.h"
#include "ctl_made.h"
#include "fleet_view.h"
#include "test.h"
#include "top_screen.h"

static struct fleet_seen fleet;
static redisReply *replies[4];
static struct buf out;

static int setup(void **state)
{
    (void)state;
    made_fleet(&fleet, replies);
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    made_free(replies);
    buf_done(&out);
    return 0;
}

static const struct seen_node *node(const char *id)
{
    const struct seen_node *found = seen_find(&fleet, span_str(id));

    assert_non_null(found);
    return found;
}

static void test_states(void **state)
{
    (void)state;
    assert_int_equal(node("pi-1")->state, SEEN_UP);
    assert_int_equal(node("raspberrypi-kitchen")->state, SEEN_HOT);
    assert_string_equal(seen_state_text(node("raspberrypi-kitchen")), "hot");
    assert_int_equal(node("pi-10")->state, SEEN_DRAINED);
    assert_int_equal(node("pi-2")->state, SEEN_HOT);
    assert_int_equal(node("pi-3")->state, SEEN_LATE);
    assert_int_equal(node("pi-4")->state, SEEN_LOST);
    assert_int_equal(node("evil\033[31m\xe2\x80\xae")->state, SEEN_BAD);
    assert_int_equal(seen_routers_alive(&fleet), 1);
    assert_int_equal(seen_running(&fleet), 1);
    assert_int_equal(fleet.queue.length, 7);
    assert_int_equal(fleet.queue.oldest_ms, 13000);
    assert_true(fleet_serves(&fleet));
}

static void test_values(void **state)
{
    const struct seen_node *pi = node("pi-1");

    (void)state;
    assert_true(pi->temp_c > 48.29 && pi->temp_c < 48.31);
    assert_true(pi->gen_tps > 12.03 && pi->gen_tps < 12.05); /* of the model in memory */
    assert_int_equal(pi->n_installed, 2);
    assert_string_equal(pi->resident, "gemma3:1b");
    assert_int_equal(pi->age_ms, 1000);
    assert_int_equal(node("pi-2")->last_seen_ms, 1795553476999);
    assert_int_equal(node("pi-2")->throttled, -1);
    assert_true(node("pi-2")->cpu_pct == SEEN_UNKNOWN);
    assert_string_equal(node("pi-10")->resident, "a, b");
}

static void test_numbers_that_are_none_are_unknown(void **state)
{
    static const char *const values[] = {
        "\"48\"", "null", "true", "[1]",
        "1e400",  "-101", "201",  "99999999999999999999999999999999999999999"};
    char json[256];
    struct seen_node seen;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        (void)snprintf(json, sizeof json, "{\"temp_c\":%s,\"slots\":%s}", values[i], values[i]);
        seen_node_decode(span_str("x"), span_str(json), 5, &seen);
        assert_true(seen.temp_c == SEEN_UNKNOWN);
        assert_int_equal(seen.slots, strcmp(values[i], "201") == 0 ? 201 : -1);
    }
}

static void test_boards_are_named_shortly(void **state)
{
    static const char *const rows[][2] = {{"Raspberry Pi 5 Model B Rev 1.0", "Pi 5"},
                                          {"Raspberry Pi Zero 2 W Rev 1.0", "Pi Zero"},
                                          {"Raspberry Pi Compute Module 5 Rev 1.0", "CM5"},
                                          {"Radxa ROCK 5B", "Radxa ROCK 5B"},
                                          {"", "-"}};
    char buf[64];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(seen_board_short(rows[i][0], buf, sizeof buf), rows[i][1]);
}

static void test_orders(void **state)
{
    static const char *const first[SEEN_ORDER_COUNT] = {[SEEN_BY_NODE] = "evil",
                                                        [SEEN_BY_STATE] = "evil",
                                                        [SEEN_BY_TEMP] = "raspberrypi-kitchen",
                                                        [SEEN_BY_CPU] = "raspberrypi-kitchen",
                                                        [SEEN_BY_RAM] = "pi-10",
                                                        [SEEN_BY_BUSY] = "pi-1",
                                                        [SEEN_BY_SPEED] = "pi-1"};
    uint16_t sorted[SEEN_NODES_MAX];
    enum seen_order order;

    (void)state;
    for (size_t i = 0; i < SEEN_ORDER_COUNT; i++) {
        seen_sort(&fleet, (enum seen_order)i, false, sorted);
        if (!span_starts(fleet.nodes[sorted[0]].id, first[i]))
            fail_msg("%s: %.*s", seen_order_name((enum seen_order)i),
                     SPAN_ARG(fleet.nodes[sorted[0]].id));
        assert_true(seen_order_parse(seen_order_name((enum seen_order)i), &order));
        assert_int_equal(order, i);
    }
    assert_false(seen_order_parse("size", &order));
    seen_sort(&fleet, SEEN_BY_NODE, true, sorted);
    assert_true(span_is(fleet.nodes[sorted[0]].id, "raspberrypi-kitchen"));
    seen_sort(&fleet, SEEN_BY_NODE, false, sorted); /* 2 before 10 */
    assert_true(span_is(fleet.nodes[sorted[2]].id, "pi-2"));
    assert_true(span_is(fleet.nodes[sorted[5]].id, "pi-10"));
}

static void test_status_in_80_columns(void **state)
{
    (void)state;
    fleet_status(&fleet, "redis://host", "orion:inference", 80, false, &out);
    screen_check(&out, 0, 80);
    golden_check("status80.txt", &out);
}

static void test_status_in_a_pipe_cuts_nothing(void **state)
{
    (void)state;
    fleet_status(&fleet, "redis://host", "orion:inference", TEXT_NO_LIMIT, false, &out);
    assert_non_null(memmem(out.ptr, out.len, "raspberrypi-kitchen", 19));
    golden_check("status.txt", &out);
}

static void test_status_as_json(void **state)
{
    struct err err;

    (void)state;
    fleet_status_json(&fleet, "redis://host", "orion:inference", &out);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
    golden_check("status.json", &out);
}

static void test_an_empty_fleet_says_what_to_do(void **state)
{
    (void)state;
    seen_begin(&fleet, MADE_NOW_MS);
    fleet_status(&fleet, "redis://host", "p", 80, false, &out);
    golden_check("status_empty.txt", &out);
    assert_false(fleet_serves(&fleet));
}

static void test_more_nodes_than_there_is_room_for(void **state)
{
    redisReply *hash;
    struct buf json;

    (void)state;
    buf_init(&json, 1 << 20);
    (void)buf_add_str(&json, "[");
    for (int i = 0; i < SEEN_NODES_MAX + 3; i++)
        (void)buf_add_fmt(&json, "%s'n%d','{}'", i ? "," : "", i);
    (void)buf_add(&json, "]", 2);
    hash = made(json.ptr);
    seen_begin(&fleet, MADE_NOW_MS);
    seen_health(&fleet, hash);
    seen_end(&fleet, &made_limits);
    assert_int_equal(fleet.n_nodes, SEEN_NODES_MAX);
    assert_int_equal(fleet.nodes_left_out, 3);
    fleet_status(&fleet, "redis://host", "p", 80, false, &out);
    assert_non_null(memmem(out.ptr, out.len, "and 3 more nodes", 16));
    freeReplyObject(hash);
    buf_done(&json);
}

/* --- top -------------------------------------------------------------------------------------- */

static struct top top;
static struct top_view view;

static void draw(void)
{
    buf_clear(&out);
    top_draw(&top, &view, &out);
}

static void fresh_top(size_t rows, size_t cols)
{
    top = (struct top){.interval_ms = 2000};
    view =
        (struct top_view){.fleet = &fleet, .prefix = "orion:inference", .rows = rows, .cols = cols};
    top_settle(&top, &fleet);
}

static void test_top_at_every_size(void **state)
{
    redisReply *events = made("[['1795553476000-0',['event','done','request_id','r\\u001b[31m',"
                              "'node','pi-1','model','gemma3:1b','run_ms','1234']]]");

    (void)state;
    for (size_t rows = TOP_ROWS_MIN; rows < 60; rows += 3) {
        for (size_t cols = TOP_COLS_MIN; cols < 200; cols += 7) {
            fresh_top(rows, cols);
            view.events = events;
            for (int mode = TOP_LIST; mode <= TOP_ASK; mode++) {
                top.mode = (enum top_mode)mode;
                draw();
                screen_check(&out, rows, cols);
            }
        }
    }
    fresh_top(2, 10);
    draw();
    assert_int_equal(out.len, 9);
    freeReplyObject(events);
}

static void test_top_screens(void **state)
{
    redisReply *events = made(
        "[['1795553476000-0',['event','done','request_id','r2','node','pi-1','model',"
        "'gemma3:1b','attempt','1','run_ms','1234']],['1795553475000-0',['event','routed',"
        "'request_id','r2','node','pi-1','attempt','1','model','gemma3:1b','router','router-1',"
        "'why','holds gemma3:1b; 0 of 1 slots busy; 48.3 C; others: pi-2 hot 76.0 C']]]");

    (void)state;
    fresh_top(24, 80);
    view.events = events;
    draw();
    golden_check("top_list.txt", &out);
    assert_int_equal(top_key(&top, &view, TOP_KEY_DOWN), TOP_REDRAW);
    assert_int_equal(top_key(&top, &view, '\r'), TOP_REDRAW);
    draw();
    golden_check("top_node.txt", &out);
    (void)top_key(&top, &view, TOP_KEY_ESCAPE);
    (void)top_key(&top, &view, '?');
    draw();
    golden_check("top_help.txt", &out);
    freeReplyObject(events);
}

static void test_top_keys(void **state)
{
    (void)state;
    fresh_top(24, 80);
    assert_string_equal(top.chosen, "evil\033[31m\xe2\x80\xae");
    assert_int_equal(top_key(&top, &view, 'j'), TOP_REDRAW);
    assert_string_equal(top.chosen, "pi-1");
    assert_int_equal(top_key(&top, &view, TOP_KEY_END), TOP_REDRAW);
    assert_string_equal(top.chosen, "raspberrypi-kitchen");
    assert_int_equal(top_key(&top, &view, TOP_KEY_DOWN), TOP_REDRAW); /* stays at the end */
    assert_string_equal(top.chosen, "raspberrypi-kitchen");
    (void)top_key(&top, &view, 's');
    assert_int_equal(top.order, SEEN_BY_STATE);
    (void)top_key(&top, &view, 'S');
    assert_int_equal(top.order, SEEN_BY_NODE);
    assert_string_equal(top.chosen, "raspberrypi-kitchen");
    (void)top_key(&top, &view, 'r');
    assert_int_equal(top_key(&top, &view, TOP_KEY_HOME), TOP_REDRAW);
    assert_string_equal(top.chosen, "raspberrypi-kitchen"); /* the last has become the first */
    assert_int_equal(top_key(&top, &view, 'd'), TOP_REDRAW);
    assert_int_equal(top.mode, TOP_ASK);
    assert_int_equal(top_key(&top, &view, 'n'), TOP_REDRAW);
    assert_int_equal(top.mode, TOP_LIST);
    (void)top_key(&top, &view, 'd');
    assert_int_equal(top_key(&top, &view, 'y'), TOP_DRAIN);
    (void)span_copy(span_str("pi-10"), top.chosen, sizeof top.chosen);
    (void)top_key(&top, &view, 'd');
    assert_int_equal(top_key(&top, &view, 'q'), TOP_REDRAW); /* q is no yes, and does not quit */
    (void)top_key(&top, &view, 'd');
    assert_int_equal(top_key(&top, &view, 'Y'), TOP_UNDRAIN);
    assert_int_equal(top_key(&top, &view, 'p'), TOP_REDRAW);
    assert_true(top.paused);
    assert_int_equal(top_key(&top, &view, 'p'), TOP_REFRESH);
    assert_int_equal(top_key(&top, &view, 'x'), TOP_NOTHING);
    assert_int_equal(top_key(&top, &view, TOP_KEY_NONE), TOP_NOTHING);
    assert_int_equal(top_key(&top, &view, 'q'), TOP_QUIT);
}

static void test_a_chosen_node_that_is_gone(void **state)
{
    (void)state;
    fresh_top(24, 80);
    (void)span_copy(span_str("nobody"), top.chosen, sizeof top.chosen);
    top.mode = TOP_NODE;
    draw();
    assert_non_null(memmem(out.ptr, out.len, "This node is gone", 17));
    assert_int_equal(top_key(&top, &view, 'd'), TOP_NOTHING);
    top_settle(&top, &fleet);
    assert_non_null(seen_find(&fleet, span_str(top.chosen)));
    seen_begin(&fleet, MADE_NOW_MS);
    top_settle(&top, &fleet);
    assert_string_equal(top.chosen, "");
    (void)top_key(&top, &view, TOP_KEY_DOWN);
    draw();
}

static void test_bytes_become_keys(void **state)
{
    static const struct {
        const char *bytes;
        int key;
        size_t used;
    } rows[] = {{"q", 'q', 1},
                {"\033", TOP_KEY_ESCAPE, 1},
                {"\033[A", TOP_KEY_UP, 3},
                {"\033OB", TOP_KEY_DOWN, 3},
                {"\033[5~x", TOP_KEY_PAGE_UP, 4},
                {"\033[1;5C", TOP_KEY_NONE, 6},
                {"\033[", TOP_KEY_NONE, 2},
                {"\033[999", TOP_KEY_NONE, 5},
                {"\033x", TOP_KEY_ESCAPE, 1},
                {"\xff", 0xff, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t used = 0;
        assert_int_equal(top_key_take(rows[i].bytes, strlen(rows[i].bytes), &used), rows[i].key);
        assert_int_equal(used, rows[i].used);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_states),
        TEST(test_values),
        TEST(test_numbers_that_are_none_are_unknown),
        TEST(test_boards_are_named_shortly),
        TEST(test_orders),
        TEST(test_status_in_80_columns),
        TEST(test_status_in_a_pipe_cuts_nothing),
        TEST(test_status_as_json),
        TEST(test_an_empty_fleet_says_what_to_do),
        TEST(test_more_nodes_than_there_is_room_for),
        TEST(test_top_at_every_size),
        TEST(test_top_screens),
        TEST(test_top_keys),
        TEST(test_a_chosen_node_that_is_gone),
        TEST(test_bytes_become_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
