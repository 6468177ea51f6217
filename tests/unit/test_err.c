#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "test.h"

static void test_the_message_is_formatted_and_the_code_returned(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(err_set(&err, -EINVAL, "slots: \"%s\" is not %d", "x", 3), -EINVAL);
    assert_string_equal(err.msg, "slots: \"x\" is not 3");
}

static void test_a_long_message_is_cut_and_still_ends(void **state)
{
    struct err err;
    char text[1000];

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(err_set(&err, -ERANGE, "%s", text), -ERANGE);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_message_is_formatted_and_the_code_returned),
        cmocka_unit_test(test_a_long_message_is_cut_and_still_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
