/* What the window promises over many requests: equal shares of work, and no starvation. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "window.h"

#define NAMES  128
#define AGE_MS 20000

static uint64_t rng;

/* xorshift64*: small, fast, and the same on every machine. */
static uint32_t below(uint32_t n)
{
    rng ^= rng >> 12;
    rng ^= rng << 25;
    rng ^= rng >> 27;
    return (uint32_t)((rng * UINT64_C(2685821657736338717)) >> 33) % n;
}

static void *zeroed(size_t bytes)
{
    void *mem = calloc(1, bytes);

    assert_non_null(mem);
    return mem;
}

struct fair {
    struct names names;
    struct window window;
    void *names_mem, *window_mem;
    uint64_t open[NAMES_SET_WORDS(NAMES)];
    uint64_t next_id;
};

static void fair_make(struct fair *f, uint32_t capacity)
{
    const struct window_sizes sizes = {capacity, 1000};

    memset(f, 0, sizeof *f);
    memset(f->open, 0xff, sizeof f->open);
    f->names_mem = zeroed(names_bytes(NAMES));
    f->window_mem = zeroed(window_bytes(sizes, NAMES));
    names_init(&f->names, f->names_mem, NAMES);
    window_init(&f->window, f->window_mem, sizes, &f->names, 7);
}

static void fair_drop(const struct fair *f)
{
    free(f->names_mem);
    free(f->window_mem);
}

static struct window_added fair_add(struct fair *f, unsigned client, enum request_priority priority,
                                    size_t bytes, int64_t now_ms)
{
    char name[16];
    uint64_t seq = f->next_id++;

    (void)snprintf(name, sizeof name, "c%u", client);
    const struct window_entry entry = {.id = {(uint64_t)now_ms, seq},
                                       .request_id = span_str(name),
                                       .model = span_str("m:latest"),
                                       .client = span_str(name),
                                       .priority = priority,
                                       .submitted_ms = now_ms,
                                       .deadline_ms = now_ms + 1000000,
                                       .bytes = bytes};
    return window_add(&f->window, &entry, now_ms, now_ms, AGE_MS);
}

/* Serves one; returns its client's number and, in *ret_cost, what it cost. */
static unsigned fair_serve(struct fair *f, uint32_t *ret_cost)
{
    window_scan(&f->window);
    uint32_t i = window_next(&f->window, f->open);
    assert_int_not_equal(i, WINDOW_NONE);
    window_take(&f->window, i);
    unsigned client = (unsigned)atoi(window_at(&f->window, i)->request_id + 1);
    *ret_cost = window_at(&f->window, i)->cost;
    window_remove(&f->window, i);
    return client;
}

/* The bound of Shreedhar and Varghese for two clients that always have something waiting: the work
 * that they get differs by at most the quantum and the largest cost of each. */
static void test_clients_that_always_wait_get_equal_shares_of_work(void **state)
{
    static const size_t bytes[4] = {100, 100, 20000, 70000}; /* cost at most 1, 1, 5, 18 */
    struct fair f;
    uint64_t work[4] = {0};

    (void)state;
    rng = 42;
    fair_make(&f, 64);
    for (unsigned c = 0; c < 4; c++) {
        for (int i = 0; i < 8; i++)
            (void)fair_add(&f, c, REQUEST_NORMAL, bytes[c], 1000);
    }
    for (int i = 0; i < 20000; i++) {
        uint32_t cost;
        unsigned c = fair_serve(&f, &cost);
        work[c] += cost;
        (void)fair_add(&f, c, REQUEST_NORMAL, below((uint32_t)bytes[c]), 1000);
        for (unsigned a = 0; a < 4; a++) {
            for (unsigned b = 0; b < a; b++)
                assert_true(llabs((long long)work[a] - (long long)work[b]) <=
                            WINDOW_QUANTUM + 2 * 18);
        }
    }
    fair_drop(&f);
}

/* Others send `high` faster than they are served, for ever; one `low` waits. */
static void test_a_low_request_is_served_under_a_flood_of_high_ones(void **state)
{
    struct fair f;
    bool served = false;
    int64_t now_ms = 1000;
    struct stream_id id;

    (void)state;
    fair_make(&f, 32);
    (void)fair_add(&f, 99, REQUEST_LOW, 10, now_ms);
    for (; !served && now_ms < 1000 + 3 * AGE_MS; now_ms += 100) {
        uint32_t cost;
        (void)window_age(&f.window, now_ms, AGE_MS);
        for (unsigned c = 0; c < 3; c++)
            (void)fair_add(&f, c, REQUEST_HIGH, 10, now_ms);
        served = fair_serve(&f, &cost) == 99;
        while (window_room(&f.window) > 0 && window_parked_next(&f.window, &id)) {
            bool is_low = id.seq == 0; /* what the shell would have read */
            unsigned client = is_low ? 99 : (unsigned)((id.seq - 1) % 3);
            enum request_priority priority = is_low ? REQUEST_LOW : REQUEST_HIGH;
            uint64_t next_id = f.next_id;
            f.next_id = id.seq;
            (void)fair_add(&f, client, priority, 10, (int64_t)id.ms);
            f.next_id = next_id;
        }
    }
    assert_true(served);
    assert_true(now_ms <= 1000 + 2 * AGE_MS + 1000);
    fair_drop(&f);
}

/* The slot that becomes free is the oldest's, also while it is still being read again. */
static void test_a_newer_request_does_not_overtake_a_parked_one_of_its_client(void **state)
{
    struct fair f;
    struct stream_id id;
    uint32_t cost;

    (void)state;
    fair_make(&f, 1);
    assert_int_equal(fair_add(&f, 1, REQUEST_NORMAL, 10, 1000).outcome, WINDOW_ADDED);
    assert_int_equal(fair_add(&f, 1, REQUEST_NORMAL, 10, 1001).outcome, WINDOW_PARKED);
    assert_int_equal(fair_serve(&f, &cost), 1);
    assert_int_equal(fair_add(&f, 1, REQUEST_NORMAL, 10, 1002).outcome, WINDOW_PARKED);
    assert_true(window_parked_next(&f.window, &id));
    assert_int_equal(id.ms, 1001);
    f.next_id = id.seq;
    assert_int_equal(fair_add(&f, 1, REQUEST_NORMAL, 10, 1001).outcome, WINDOW_ADDED);
    fair_drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clients_that_always_wait_get_equal_shares_of_work),
        cmocka_unit_test(test_a_low_request_is_served_under_a_flood_of_high_ones),
        cmocka_unit_test(test_a_newer_request_does_not_overtake_a_parked_one_of_its_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
