#include <string.h>

#include "common/err.h"
#include "common/node_id.h"

#include "test.h"

static void test_ids_are_one_to_64_plain_characters(void **state)
{
    char text[66];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_true(node_id_valid((struct span){text, 1}));
    assert_true(node_id_valid((struct span){text, 64}));
    assert_false(node_id_valid((struct span){text, 65}));
    assert_false(node_id_valid((struct span){NULL, 0}));
    assert_true(node_id_valid(span_str("pi-2.local_A9")));
    assert_false(node_id_valid(span_str("pi 2")));
    assert_false(node_id_valid(span_str("pi:2")));
    assert_false(node_id_valid(span_str("p\xc3\xaf")));
    assert_false(node_id_valid((struct span){"a\0", 2}));
}

static void test_the_check_of_a_setting_also_takes_empty(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(node_id_check("", &err), 0);
    assert_int_equal(node_id_check("pi-1", &err), 0);
    assert_true(node_id_check("pi 1", &err) < 0);
    assert_string_equal(err.msg,
                        "must be 1 to 64 of A-Z a-z 0-9 . _ -, or empty for the host name");
}

static void test_any_host_name_becomes_an_id(void **state)
{
    char id[NODE_ID_MAX + 1], host[100];

    (void)state;
    node_id_from_host("pi-1.local", id, sizeof id);
    assert_string_equal(id, "pi-1.local");
    node_id_from_host("my pi:\xc3\xa4", id, sizeof id);
    assert_string_equal(id, "my-pi---");
    node_id_from_host("", id, sizeof id);
    assert_string_equal(id, "node");
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    node_id_from_host(host, id, sizeof id);
    assert_int_equal(strlen(id), NODE_ID_MAX);
    assert_true(node_id_valid(span_str(id)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_one_to_64_plain_characters),
        cmocka_unit_test(test_the_check_of_a_setting_also_takes_empty),
        cmocka_unit_test(test_any_host_name_becomes_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
