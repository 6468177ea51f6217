#include <string.h>

#include "availability.h"
#include "test.h"

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])

static const struct availability_limits LIMITS = {
    .temp_max_mc = 75000,
    .temp_resume_mc = 70000,
    .ram_max_permille = 900,
    .ram_resume_permille = 850,
};

#define UNKNOWN INT32_MIN

static struct sensor_reading reading_of(int32_t temp_mc, int32_t ram_permille)
{
    struct sensor_reading reading = {.has_cpu = false};

    reading.has_temp = temp_mc != UNKNOWN;
    reading.temp_mc = reading.has_temp ? temp_mc : 99000; /* never looked at */
    reading.has_ram = ram_permille != UNKNOWN;
    reading.ram_permille = reading.has_ram ? ram_permille : 1000;
    return reading;
}

/* One step with Ollama up; returns the reason after it. */
static enum availability_reason step(struct availability *availability, int32_t temp_mc,
                                     int32_t ram_permille)
{
    struct sensor_reading reading = reading_of(temp_mc, ram_permille);
    struct availability_input input = {.reading = &reading, .ollama = OLLAMA_UP};
    struct availability_change change;

    (void)availability_update(availability, &LIMITS, &input, &change);
    return availability->reason;
}

static enum availability_reason step_ollama(struct availability *availability,
                                            enum ollama_state ollama)
{
    struct availability_input input = {.ollama = ollama};
    struct availability_change change;

    (void)availability_update(availability, &LIMITS, &input, &change);
    return availability->reason;
}

static void test_a_new_node_is_starting_and_not_available(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    assert_false(availability_is_ok(&availability));
    assert_string_equal(availability_reason_name(availability.reason), "starting");
    assert_int_equal(step_ollama(&availability, OLLAMA_UNKNOWN), AVAILABILITY_STARTING);
    assert_int_equal(step_ollama(&availability, OLLAMA_UP), AVAILABILITY_OK);
    assert_true(availability_is_ok(&availability));
}

static void test_heat_has_hysteresis(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    assert_int_equal(step(&availability, 74999, 0), AVAILABILITY_OK);
    assert_int_equal(step(&availability, 75000, 0), AVAILABILITY_HOT);
    assert_int_equal(step(&availability, 74000, 0), AVAILABILITY_HOT);
    assert_int_equal(step(&availability, 70001, 0), AVAILABILITY_HOT);
    assert_int_equal(step(&availability, 70000, 0), AVAILABILITY_OK);
    assert_int_equal(step(&availability, 74999, 0), AVAILABILITY_OK);
}

static void test_memory_has_hysteresis(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    assert_int_equal(step(&availability, 0, 899), AVAILABILITY_OK);
    assert_int_equal(step(&availability, 0, 900), AVAILABILITY_MEMORY);
    assert_int_equal(step(&availability, 0, 851), AVAILABILITY_MEMORY);
    assert_int_equal(step(&availability, 0, 850), AVAILABILITY_OK);
}

static void test_one_missing_reading_does_not_cool_a_hot_node(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    (void)step(&availability, 80000, 0);
    for (int i = 1; i < AVAILABILITY_SILENCE_MAX; i++)
        assert_int_equal(step(&availability, UNKNOWN, 0), AVAILABILITY_HOT);
    assert_int_equal(step(&availability, 72000, 0), AVAILABILITY_HOT); /* counting starts again */
    for (int i = 1; i < AVAILABILITY_SILENCE_MAX; i++)
        assert_int_equal(step(&availability, UNKNOWN, 0), AVAILABILITY_HOT);
    assert_int_equal(step(&availability, UNKNOWN, 0), AVAILABILITY_OK);
}

static void test_without_a_new_reading_hot_stays_hot(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    (void)step(&availability, 80000, 0);
    for (int i = 0; i < 2 * AVAILABILITY_SILENCE_MAX; i++)
        assert_int_equal(step_ollama(&availability, OLLAMA_UP), AVAILABILITY_HOT);
}

static void test_a_time_out_of_ollama_changes_nothing(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_STARTING};

    (void)state;
    assert_int_equal(step_ollama(&availability, OLLAMA_UP), AVAILABILITY_OK);
    assert_int_equal(step_ollama(&availability, OLLAMA_UNKNOWN), AVAILABILITY_OK);
    assert_int_equal(step_ollama(&availability, OLLAMA_DOWN), AVAILABILITY_OLLAMA_DOWN);
    assert_int_equal(step_ollama(&availability, OLLAMA_UNKNOWN), AVAILABILITY_OLLAMA_DOWN);
    assert_int_equal(step_ollama(&availability, OLLAMA_UP), AVAILABILITY_OK);
}

static void test_a_change_is_told_once(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_OK, .ollama = OLLAMA_UP};
    struct sensor_reading reading = reading_of(76500, UNKNOWN);
    struct availability_input input = {.reading = &reading, .ollama = OLLAMA_UP};
    struct availability_change change = {.from = AVAILABILITY_STOPPING};

    (void)state;
    assert_true(availability_update(&availability, &LIMITS, &input, &change));
    assert_int_equal(change.from, AVAILABILITY_OK);
    assert_int_equal(change.to, AVAILABILITY_HOT);
    change.from = AVAILABILITY_STOPPING;
    assert_false(availability_update(&availability, &LIMITS, &input, &change));
    assert_int_equal(change.from, AVAILABILITY_STOPPING); /* left alone */
}

static void test_a_reload_takes_effect_at_once(void **state)
{
    struct availability availability = {.reason = AVAILABILITY_OK, .ollama = OLLAMA_UP};
    struct availability_limits lower = LIMITS;
    struct sensor_reading reading = reading_of(65000, 0);
    struct availability_input input = {.reading = &reading, .ollama = OLLAMA_UP};
    struct availability_change change;

    (void)state;
    lower.temp_max_mc = 60000;
    assert_true(availability_update(&availability, &lower, &input, &change));
    assert_int_equal(availability.reason, AVAILABILITY_HOT);
    assert_true(availability_update(&availability, &LIMITS, &input, &change));
    assert_true(availability_is_ok(&availability));
}

static void test_every_reason_has_its_own_word(void **state)
{
    (void)state;
    for (int i = 0; i < AVAILABILITY_REASON_COUNT; i++) {
        const char *name = availability_reason_name((enum availability_reason)i);
        assert_true(name && name[0] != '\0');
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, availability_reason_name((enum availability_reason)k));
    }
}

/* --- every state with every input ------------------------------------------------------------- */

static const int32_t TEMPS_MC[] = {UNKNOWN, -20000, 69999, 70000, 70001, 74999, 75000, 125000};
static const int32_t RAMS_PERMILLE[] = {UNKNOWN, 0, 850, 851, 899, 900, 1000};

/* What a latch must be after a reading, said in another way than the code does. */
static bool expect_over(struct availability_latch before, int32_t value, int32_t max,
                        int32_t resume)
{
    if (value == UNKNOWN)
        return before.is_over && before.silent_n + 1 < AVAILABILITY_SILENCE_MAX;
    return value >= max || (before.is_over && value > resume);
}

static enum availability_reason expect_reason(const struct availability *before,
                                              const struct availability_input *input, bool is_hot,
                                              bool is_full)
{
    bool is_known = input->ollama == OLLAMA_UP || input->ollama == OLLAMA_DOWN;
    enum ollama_state ollama = is_known ? input->ollama : before->ollama;
    const struct {
        bool holds;
        enum availability_reason reason;
    } order[] = {
        {input->stopping, AVAILABILITY_STOPPING},
        {input->drained, AVAILABILITY_DRAINING},
        {ollama == OLLAMA_STARTING, AVAILABILITY_STARTING},
        {ollama == OLLAMA_DOWN, AVAILABILITY_OLLAMA_DOWN},
        {is_hot, AVAILABILITY_HOT},
        {is_full, AVAILABILITY_MEMORY},
        {true, AVAILABILITY_OK},
    };
    size_t i = 0;

    while (!order[i].holds)
        i++;
    return order[i].reason;
}

static void check_step(const struct availability *before, const struct availability_input *input,
                       int32_t temp_mc, int32_t ram_permille)
{
    struct availability availability = *before;
    struct availability_change change;
    bool is_hot = expect_over(before->temp, temp_mc, LIMITS.temp_max_mc, LIMITS.temp_resume_mc);
    bool is_full =
        expect_over(before->ram, ram_permille, LIMITS.ram_max_permille, LIMITS.ram_resume_permille);
    bool changed = availability_update(&availability, &LIMITS, input, &change);

    assert_int_equal(availability.reason, expect_reason(before, input, is_hot, is_full));
    assert_int_equal(changed, availability.reason != before->reason);
    assert_int_not_equal(availability.ollama, OLLAMA_UNKNOWN);
    assert_true(availability.temp.silent_n <= AVAILABILITY_SILENCE_MAX);
    if (changed) {
        assert_int_equal(change.from, before->reason);
        assert_int_equal(change.to, availability.reason);
    }
    if (!before->temp.is_over && temp_mc == UNKNOWN)
        assert_int_not_equal(availability.reason, AVAILABILITY_HOT);
    if (!before->ram.is_over && ram_permille == UNKNOWN)
        assert_int_not_equal(availability.reason, AVAILABILITY_MEMORY);
    if (temp_mc != UNKNOWN && ram_permille != UNKNOWN) /* idempotent */
        assert_false(availability_update(&availability, &LIMITS, input, &change));
}

static void check_readings(const struct availability *before, struct availability_input input)
{
    for (size_t t = 0; t < LENGTH(TEMPS_MC); t++) {
        for (size_t r = 0; r < LENGTH(RAMS_PERMILLE); r++) {
            struct sensor_reading reading = reading_of(TEMPS_MC[t], RAMS_PERMILLE[r]);
            input.reading = &reading;
            check_step(before, &input, TEMPS_MC[t], RAMS_PERMILLE[r]);
        }
    }
}

static void check_inputs(const struct availability *before)
{
    for (unsigned i = 0; i < OLLAMA_STATE_COUNT * 4; i++) {
        struct availability_input input = {
            .ollama = (enum ollama_state)(i / 4), .drained = i & 1, .stopping = i & 2};
        check_readings(before, input);
    }
}

static void test_every_state_with_every_input(void **state)
{
    (void)state;
    for (unsigned reason = 0; reason < AVAILABILITY_REASON_COUNT; reason++) {
        for (unsigned ollama = OLLAMA_STARTING; ollama <= OLLAMA_DOWN; ollama++) {
            for (unsigned latches = 0; latches < 64; latches++) {
                struct availability before = {
                    .reason = (enum availability_reason)reason,
                    .ollama = (enum ollama_state)ollama,
                    .temp = {latches & 1, (uint8_t)(latches >> 2 & 3)},
                    .ram = {latches >> 1 & 1, (uint8_t)(latches >> 4)},
                };
                check_inputs(&before);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_node_is_starting_and_not_available),
        cmocka_unit_test(test_heat_has_hysteresis),
        cmocka_unit_test(test_memory_has_hysteresis),
        cmocka_unit_test(test_one_missing_reading_does_not_cool_a_hot_node),
        cmocka_unit_test(test_without_a_new_reading_hot_stays_hot),
        cmocka_unit_test(test_a_time_out_of_ollama_changes_nothing),
        cmocka_unit_test(test_a_change_is_told_once),
        cmocka_unit_test(test_a_reload_takes_effect_at_once),
        cmocka_unit_test(test_every_reason_has_its_own_word),
        cmocka_unit_test(test_every_state_with_every_input),
    };

    return cmocka_run_group_tests_name("availability", tests, NULL, NULL);
}
