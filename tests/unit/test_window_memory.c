/* Memory follows need: what the window names as idle may be wiped at any time, and a backlog that
 * is gone is named. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "window.h"

#define AGE_MS   60000
#define NAMES    600
#define CAPACITY 500
#define PARKED   2000

struct side {
    struct names names;
    struct window window;
    char *names_mem, *window_mem;
    size_t named_bytes;
};

static struct side wiped, kept; /* the same is done to both; only the first is wiped */
static uint64_t seed, next_id;

static uint32_t roll(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)((seed >> 33) % n);
}

static size_t memory_bytes(void)
{
    return window_bytes((struct window_sizes){CAPACITY, PARKED}, NAMES);
}

static void make(struct side *side)
{
    *side = (struct side){.names_mem = calloc(1, names_bytes(NAMES)),
                          .window_mem = calloc(1, memory_bytes())};
    assert_non_null(side->names_mem);
    assert_non_null(side->window_mem);
    names_init(&side->names, side->names_mem, NAMES);
    window_init(&side->window, side->window_mem, (struct window_sizes){CAPACITY, PARKED},
                &side->names, UINT64_C(0x1234567));
}

static void unmake(struct side *side)
{
    free(side->window_mem);
    free(side->names_mem);
}

static bool is_within(const char *from, size_t bytes, const char *mem, size_t size)
{
    return from >= mem && from + bytes <= mem + size;
}

static void wipe(void *from, size_t bytes, void *arg)
{
    struct side *side = arg;

    assert_true(is_within(from, bytes, side->window_mem, memory_bytes()) ||
                is_within(from, bytes, side->names_mem, names_bytes(NAMES)));
    side->named_bytes += bytes;
    memset(from, 0, bytes);
}

static void rest(void)
{
    window_rest(&wiped.window, wipe, &wiped);
    names_rest(&wiped.names, wipe, &wiped);
}

/* --- the same to both ------------------------------------------------------------------------- */

static void add(void)
{
    char id[24], model[24], client[24];
    struct window_entry entry;

    (void)snprintf(id, sizeof id, "r%u", roll(100000));
    (void)snprintf(model, sizeof model, "m%u:latest", roll(300));
    (void)snprintf(client, sizeof client, "c%u", roll(200));
    next_id++;
    entry = (struct window_entry){.id = {next_id, 0},
                                  .request_id = span_str(id),
                                  .model = span_str(model),
                                  .client = span_str(client),
                                  .tried = span_str(roll(4) ? "" : "pi-1"),
                                  .priority = (enum request_priority)roll(REQUEST_PRIORITY_COUNT),
                                  .submitted_ms = (int64_t)next_id,
                                  .deadline_ms = (int64_t)next_id + 100000,
                                  .attempt = 1};
    struct window_added a = window_add(&wiped.window, &entry, 5, (int64_t)next_id, AGE_MS);
    struct window_added b = window_add(&kept.window, &entry, 5, (int64_t)next_id, AGE_MS);
    assert_int_equal(a.outcome, b.outcome);
    assert_int_equal(a.index, b.index);
}

static uint32_t next_of(struct side *side)
{
    uint64_t open[NAMES_SET_WORDS(NAMES)];

    memset(open, 0xff, sizeof open);
    window_scan(&side->window);
    return window_next(&side->window, open);
}

/* The one whose turn it is goes; sometimes it comes back first. */
static void serve(void)
{
    uint32_t a = next_of(&wiped), b = next_of(&kept);

    assert_int_equal(a, b);
    if (a == WINDOW_NONE)
        return;
    assert_string_equal(window_at(&wiped.window, a)->request_id,
                        window_at(&kept.window, b)->request_id);
    assert_string_equal(window_tried(&wiped.window, a), window_tried(&kept.window, b));
    window_take(&wiped.window, a);
    window_take(&kept.window, b);
    if (roll(8) == 0) {
        window_put_back(&wiped.window, a);
        window_put_back(&kept.window, b);
        return;
    }
    window_remove(&wiped.window, a);
    window_remove(&kept.window, b);
}

static void unpark(void)
{
    struct stream_id a = {0, 0}, b = {0, 0};

    assert_int_equal(window_parked_next(&wiped.window, &a), window_parked_next(&kept.window, &b));
    assert_int_equal(stream_id_compare(a, b), 0);
}

static bool is_empty(void)
{
    return window_count(&kept.window) == 0 && window_parked_count(&kept.window) == 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_a_window_whose_idle_memory_is_wiped_behaves_as_any_other(void **state)
{
    (void)state;
    make(&wiped);
    make(&kept);
    seed = 7;
    next_id = 1000;
    for (unsigned round = 0; round < 12; round++) {
        uint32_t most = roll(2) ? 50 : 2500; /* sometimes far beyond its capacity */
        for (uint32_t i = 0; i < most; i++) {
            add();
            if (roll(3) == 0)
                serve();
            if (roll(100) == 0)
                rest();
        }
        for (uint32_t left = roll(2) ? 0 : 20; window_count(&kept.window) > left;) {
            serve();
            if (roll(20) == 0)
                rest();
        }
        while (roll(2) == 0 && window_parked_count(&kept.window) > 0)
            unpark();
        while (!is_empty() && roll(4) != 0) {
            unpark();
            serve();
        }
        rest();
        rest();
    }
    assert_true(wiped.named_bytes > memory_bytes());
    unmake(&wiped);
    unmake(&kept);
}

static bool is_zero(const char *mem, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (mem[i])
            return false;
    }
    return true;
}

static void test_when_a_backlog_has_gone_all_of_its_memory_is_named(void **state)
{
    (void)state;
    make(&wiped);
    make(&kept);
    seed = 8;
    next_id = 1000;
    for (unsigned i = 0; i < CAPACITY + PARKED; i++)
        add();
    while (window_parked_count(&kept.window) > 0)
        unpark();
    while (window_count(&kept.window) > 0)
        serve();
    rest();
    assert_int_equal(wiped.named_bytes, 0); /* it was needed in this period */
    rest();
    rest();
    assert_true(
        is_zero((const char *)wiped.window.requests, CAPACITY * sizeof *wiped.window.requests));
    assert_true(is_zero((const char *)wiped.window.by_id.heads,
                        ((size_t)wiped.window.by_id.mask + 1) * sizeof *wiped.window.by_id.heads));
    assert_true(wiped.named_bytes > memory_bytes() * 9 / 10);
    size_t before = wiped.named_bytes;
    rest();
    assert_int_equal(wiped.named_bytes, before); /* once is enough */
    unmake(&wiped);
    unmake(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_whose_idle_memory_is_wiped_behaves_as_any_other),
        cmocka_unit_test(test_when_a_backlog_has_gone_all_of_its_memory_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
