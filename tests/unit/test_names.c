/* names, index_table and stream_id: the small tables that the window and the fleet stand on. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/model_name.h"

#include "names.h"
#include "stream_id.h"
#include "test.h"

#define CAPACITY 100

static void *make(struct names *names, uint32_t capacity)
{
    void *mem = calloc(1, names_bytes(capacity));

    assert_non_null(mem);
    names_init(names, mem, capacity);
    return mem;
}

static void test_the_same_name_has_the_same_index_while_it_is_held(void **state)
{
    struct names names;
    void *mem = make(&names, CAPACITY);

    (void)state;
    uint32_t a = names_hold(&names, span_str("gemma3:1b"));
    uint32_t b = names_hold(&names, span_str("llama3:latest"));
    assert_int_not_equal(a, b);
    assert_int_equal(names_hold(&names, span_str("gemma3:1b")), a);
    names_drop(&names, a);
    assert_int_equal(names_find(&names, span_str("gemma3:1b")), a);
    assert_string_equal(names_text(&names, a).ptr, "gemma3:1b");
    assert_int_equal(names_hold(&names, span_str("gemma3:1b")), a);
    names_drop(&names, a);
    names_drop(&names, a);
    assert_int_equal(names_find(&names, span_str("gemma3:1b")), NAME_NONE);
    assert_int_equal(names_find(&names, span_str("llama3:latest")), b);
    free(mem);
}

static void test_a_full_table_refuses_and_a_dropped_name_makes_room(void **state)
{
    struct names names;
    void *mem = make(&names, CAPACITY);
    char name[16];

    (void)state;
    for (int i = 0; i < CAPACITY; i++) {
        (void)snprintf(name, sizeof name, "m%d:latest", i);
        assert_int_equal(names_hold(&names, span_str(name)), i);
    }
    assert_int_equal(names_hold(&names, span_str("one-more:latest")), NAME_NONE);
    assert_int_equal(names_hold(&names, span_str("m7:latest")), 7);
    names_drop(&names, 42);
    assert_int_equal(names_hold(&names, span_str("one-more:latest")), 42);
    free(mem);
}

static void test_a_name_that_is_too_long_is_refused(void **state)
{
    struct names names;
    void *mem = make(&names, CAPACITY);
    char name[MODEL_NAME_MAX + 2];

    (void)state;
    memset(name, 'a', sizeof name);
    assert_int_equal(names_hold(&names, (struct span){name, MODEL_NAME_MAX + 1}), NAME_NONE);
    uint32_t i = names_hold(&names, (struct span){name, MODEL_NAME_MAX});
    assert_int_equal(names_text(&names, i).len, MODEL_NAME_MAX);
    free(mem);
}

static void test_a_set_holds_the_indexes_that_were_added(void **state)
{
    uint64_t set[NAMES_SET_WORDS(130)] = {0};

    (void)state;
    names_set_add(set, 0);
    names_set_add(set, 129);
    assert_true(names_set_has(set, 0) && names_set_has(set, 129));
    assert_false(names_set_has(set, 1) || names_set_has(set, 128));
    names_set_remove(set, 129);
    assert_false(names_set_has(set, 129));
}

static void test_stream_ids_are_read_and_written_exactly(void **state)
{
    static const char *const bad[] = {"",     "1",    "-",    "1-",   "-1",
                                      "1-2-", "1-2x", "1 -2", "+1-2", "18446744073709551616-0"};
    struct stream_id id = {7, 7};
    char text[STREAM_ID_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(stream_id_parse(span_str(bad[i]), &id));
    assert_int_equal(id.ms, 7);
    assert_true(stream_id_parse(span_str("18446744073709551615-18446744073709551615"), &id));
    assert_string_equal(stream_id_text(id, text), "18446744073709551615-18446744073709551615");
    assert_true(stream_id_parse(span_str("1700000000000-0"), &id));
    assert_string_equal(stream_id_text(id, text), "1700000000000-0");
}

static void test_stream_ids_are_ordered_as_redis_orders_them(void **state)
{
    const struct stream_id ids[] = {{0, 1}, {1, 0}, {1, 5}, {2, 0}, {UINT64_MAX, 0}};
    const int n = (int)(sizeof ids / sizeof ids[0]);

    (void)state;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++)
            assert_int_equal(stream_id_compare(ids[i], ids[j]), (i > j) - (i < j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_name_has_the_same_index_while_it_is_held),
        cmocka_unit_test(test_a_full_table_refuses_and_a_dropped_name_makes_room),
        cmocka_unit_test(test_a_name_that_is_too_long_is_refused),
        cmocka_unit_test(test_a_set_holds_the_indexes_that_were_added),
        cmocka_unit_test(test_stream_ids_are_read_and_written_exactly),
        cmocka_unit_test(test_stream_ids_are_ordered_as_redis_orders_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
