/* index_table: which indexes are free, and what of an array nobody needs any more. */

#include <stdlib.h>
#include <string.h>

#include "index_table.h"
#include "test.h"

static uint64_t seed;

static uint32_t roll(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)((seed >> 33) % n);
}

static void *make(struct index_pool *pool, uint32_t capacity)
{
    char *mem = calloc(1, index_pool_bytes(capacity) + 1), *at = mem;

    assert_non_null(mem);
    index_pool_init(pool, &at, capacity);
    assert_int_equal(at - mem, index_pool_bytes(capacity));
    return mem;
}

/* --- taking and giving, against a table of bools ---------------------------------------------- */

static uint32_t first_free(const bool *taken, uint32_t capacity)
{
    for (uint32_t i = 0; i < capacity; i++) {
        if (!taken[i])
            return i;
    }
    return INDEX_NONE;
}

static uint32_t above_last(const bool *taken, uint32_t capacity)
{
    while (capacity > 0 && !taken[capacity - 1])
        capacity--;
    return capacity;
}

/* Tends to fill the pool in the first half and to empty it in the second. */
static void walk(struct index_pool *pool, bool *taken, uint32_t steps)
{
    for (uint32_t step = 0; step < steps; step++) {
        bool takes = roll(10) < (step < steps / 2 ? 7U : 3U);
        if (takes || pool->n == 0) {
            uint32_t expected = first_free(taken, pool->capacity);
            assert_int_equal(index_pool_take(pool), expected);
            if (expected != INDEX_NONE)
                taken[expected] = true;
        } else {
            uint32_t i = roll(pool->capacity);
            while (!taken[i])
                i = (i + 1) % pool->capacity;
            index_pool_give(pool, i);
            taken[i] = false;
        }
        assert_int_equal(pool->high, above_last(taken, pool->capacity));
    }
}

static void test_the_lowest_free_index_is_taken_first(void **state)
{
    static const uint32_t capacities[] = {1, 2, 63, 64, 65, 130, 4096, 4097, 5000};

    (void)state;
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        struct index_pool pool;
        void *mem = make(&pool, capacities[i]);
        bool *taken = calloc(capacities[i], sizeof *taken);

        assert_non_null(taken);
        seed = i + 1;
        walk(&pool, taken, 4 * capacities[i] + 100);
        free(taken);
        free(mem);
    }
}

static void test_a_full_pool_says_so_at_every_size(void **state)
{
    (void)state;
    for (uint32_t capacity = 0; capacity < 300; capacity++) {
        struct index_pool pool;
        void *mem = make(&pool, capacity);

        for (uint32_t i = 0; i < capacity; i++)
            assert_int_equal(index_pool_take(&pool), i);
        assert_int_equal(index_pool_take(&pool), INDEX_NONE);
        for (uint32_t i = 0; i < capacity; i++)
            index_pool_give(&pool, i);
        assert_int_equal(pool.n, 0);
        assert_int_equal(pool.high, 0);
        free(mem);
    }
}

static void test_a_large_pool_needs_all_its_levels(void **state)
{
    const uint32_t capacity = (UINT32_C(1) << 24) + 100;
    struct index_pool pool;
    void *mem = make(&pool, capacity);

    (void)state;
    assert_int_equal(pool.levels, INDEX_LEVELS);
    for (uint32_t i = 0; i < capacity; i++)
        assert_int_equal(index_pool_take(&pool), i);
    assert_int_equal(index_pool_take(&pool), INDEX_NONE);
    index_pool_give(&pool, 12345678);
    index_pool_give(&pool, capacity - 1);
    assert_int_equal(pool.high, capacity - 1);
    assert_int_equal(index_pool_take(&pool), 12345678);
    assert_int_equal(index_pool_take(&pool), capacity - 1);
    free(mem);
}

/* --- what nobody needs ------------------------------------------------------------------------ */

#define N 100

struct named {
    const char *from;
    size_t bytes;
    unsigned n;
};

static void on_idle(void *from, size_t bytes, void *arg)
{
    struct named *named = arg;

    named->from = from;
    named->bytes = bytes;
    named->n++;
}

/* What is named at the end of a period in which `most` indexes were in use, and `left` still are.
 */
static struct named period(struct index_pool *pool, uint32_t *array, uint32_t most, uint32_t left)
{
    struct named named = {0};

    while (pool->n < most)
        (void)index_pool_take(pool);
    while (pool->n > left)
        index_pool_give(pool, pool->n - 1);
    index_pool_idle(pool, array, sizeof array[0], on_idle, &named);
    index_pool_rest(pool);
    return named;
}

static void test_what_was_not_needed_for_a_period_is_named_once(void **state)
{
    struct index_pool pool;
    void *mem = make(&pool, N);
    uint32_t array[N];
    struct named named;

    (void)state;
    assert_int_equal(period(&pool, array, 0, 0).n, 0);   /* nothing was ever touched */
    assert_int_equal(period(&pool, array, 80, 10).n, 0); /* needed in this period */
    named = period(&pool, array, 30, 5);                 /* 30 to 80 no more */
    assert_int_equal(named.n, 1);
    assert_ptr_equal(named.from, &array[30]);
    assert_int_equal(named.bytes, (N - 30) * sizeof array[0]);
    assert_int_equal(period(&pool, array, 30, 5).n, 0); /* a steady load keeps its pages */
    named = period(&pool, array, 5, 5);
    assert_ptr_equal(named.from, &array[5]);
    assert_int_equal(period(&pool, array, 5, 0).n, 0);
    assert_ptr_equal(period(&pool, array, 0, 0).from, &array[0]);
    assert_int_equal(period(&pool, array, 0, 0).n, 0);
    free(mem);
}

static void test_the_heads_of_a_table_are_named_only_while_it_is_empty(void **state)
{
    char *mem = calloc(1, index_table_bytes(N)), *at = mem;
    struct index_pool pool;
    void *pool_mem = make(&pool, N);
    struct index_table table;
    struct named named = {0};

    (void)state;
    assert_non_null(mem);
    index_table_init(&table, &at, N);
    index_table_add(&table, 77, index_pool_take(&pool));
    for (int i = 0; i < 3; i++)
        index_table_rest(&table, &pool, on_idle, &named);
    assert_int_equal(named.n, 0);
    index_table_remove(&table, 77, 0);
    index_pool_give(&pool, 0);
    index_table_rest(&table, &pool, on_idle, &named); /* it had one at the beginning */
    assert_int_equal(named.n, 0);
    index_table_rest(&table, &pool, on_idle, &named);
    assert_int_equal(named.n, 1);
    assert_ptr_equal(named.from, table.heads);
    index_table_rest(&table, &pool, on_idle, &named);
    assert_int_equal(named.n, 1);
    free(pool_mem);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lowest_free_index_is_taken_first),
        cmocka_unit_test(test_a_full_pool_says_so_at_every_size),
        cmocka_unit_test(test_a_large_pool_needs_all_its_levels),
        cmocka_unit_test(test_what_was_not_needed_for_a_period_is_named_once),
        cmocka_unit_test(test_the_heads_of_a_table_are_named_only_while_it_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
