/* When streams are paced, and which tick a piece goes with. */

#include "pace.h"
#include "test.h"

static void test_a_few_streams_are_never_paced(void **state)
{
    (void)state;
    for (unsigned n = 0; n < PACE_STREAMS; n++)
        assert_false(pace_is_wanted(n, 50, 25));
    assert_true(pace_is_wanted(PACE_STREAMS, 50, 25));
    assert_true(pace_is_wanted(64, 10000, 25));
}

static void test_who_wants_pieces_more_often_than_every_other_tick_gets_them_at_once(void **state)
{
    (void)state;
    assert_false(pace_is_wanted(64, 1, 25));
    assert_false(pace_is_wanted(64, 49, 25));
    assert_true(pace_is_wanted(64, 50, 25));
}

static void test_a_paced_piece_goes_with_the_nearest_tick(void **state)
{
    (void)state;
    assert_int_equal(pace_early_ms(true, 25), 12);
    assert_int_equal(pace_early_ms(true, 1), 0);
    assert_int_equal(pace_early_ms(false, 25), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_few_streams_are_never_paced),
        cmocka_unit_test(test_who_wants_pieces_more_often_than_every_other_tick_gets_them_at_once),
        cmocka_unit_test(test_a_paced_piece_goes_with_the_nearest_tick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
