#include "common/backoff.h"

#include "test.h"

static void test_the_base_doubles_from_50_ms_up_to_5_s(void **state)
{
    static const int64_t bases_ms[] = {50, 100, 200, 400, 800, 1600, 3200, 5000, 5000};

    (void)state;
    for (unsigned i = 0; i < sizeof bases_ms / sizeof bases_ms[0]; i++) {
        uint32_t span = (uint32_t)(bases_ms[i] / 2);
        assert_int_equal(backoff_ms(i, 0), bases_ms[i] / 2);
        assert_int_equal(backoff_ms(i, span), bases_ms[i]);
        assert_int_equal(backoff_ms(i, span + 1), bases_ms[i] / 2);
    }
    assert_int_equal(backoff_ms(UINT32_MAX, 2500), 5000);
}

static void test_any_random_number_stays_between_half_the_base_and_the_base(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        int64_t delay_ms = backoff_ms(4, i * 2654435761U);
        assert_true(delay_ms >= 400 && delay_ms <= 800);
    }
    assert_in_range(backoff_ms(7, UINT32_MAX), 2500, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_base_doubles_from_50_ms_up_to_5_s),
        cmocka_unit_test(test_any_random_number_stays_between_half_the_base_and_the_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
