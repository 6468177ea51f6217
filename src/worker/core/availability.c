#include "availability.h"

#include <assert.h>

/* What a latch is told at one reading. */
struct measure {
    bool has_value;
    int32_t value;
    int32_t max;
    int32_t resume;
};

static void latch_update(struct availability_latch *latch, struct measure measure)
{
    if (!measure.has_value) {
        if (latch->silent_n < AVAILABILITY_SILENCE_MAX)
            latch->silent_n++;
        if (latch->silent_n == AVAILABILITY_SILENCE_MAX)
            latch->is_over = false;
        return;
    }
    latch->silent_n = 0;
    if (measure.value >= measure.max) {
        latch->is_over = true;
    } else if (measure.value <= measure.resume) {
        latch->is_over = false;
    }
}

static enum ollama_state ollama_after(enum ollama_state known, enum ollama_state seen)
{
    assert(seen < OLLAMA_STATE_COUNT);
    return seen == OLLAMA_UP || seen == OLLAMA_DOWN ? seen : known;
}

static enum availability_reason judge(const struct availability *availability,
                                      const struct availability_input *input)
{
    if (input->stopping)
        return AVAILABILITY_STOPPING;
    if (input->drained)
        return AVAILABILITY_DRAINING;
    if (availability->ollama == OLLAMA_STARTING)
        return AVAILABILITY_STARTING;
    if (availability->ollama == OLLAMA_DOWN)
        return AVAILABILITY_OLLAMA_DOWN;
    if (availability->temp.is_over)
        return AVAILABILITY_HOT;
    if (availability->ram.is_over)
        return AVAILABILITY_MEMORY;
    return AVAILABILITY_OK;
}

static void take_reading(struct availability *availability,
                         const struct availability_limits *limits,
                         const struct sensor_reading *reading)
{
    latch_update(&availability->temp,
                 (struct measure){reading->has_temp, reading->temp_mc, limits->temp_max_mc,
                                  limits->temp_resume_mc});
    latch_update(&availability->ram,
                 (struct measure){reading->has_ram, reading->ram_permille, limits->ram_max_permille,
                                  limits->ram_resume_permille});
}

bool availability_update(struct availability *availability,
                         const struct availability_limits *limits,
                         const struct availability_input *input,
                         struct availability_change *ret_change)
{
    enum availability_reason from = availability->reason;

    availability->ollama = ollama_after(availability->ollama, input->ollama);
    if (input->reading)
        take_reading(availability, limits, input->reading);
    availability->reason = judge(availability, input);
    if (availability->reason == from)
        return false;

    *ret_change = (struct availability_change){.from = from, .to = availability->reason};
    return true;
}

bool availability_is_ok(const struct availability *availability)
{
    return availability->reason == AVAILABILITY_OK;
}

const char *availability_reason_name(enum availability_reason reason)
{
    static const char *const names[AVAILABILITY_REASON_COUNT] = {
        [AVAILABILITY_STARTING] = "starting",
        [AVAILABILITY_OK] = "ok",
        [AVAILABILITY_HOT] = "hot",
        [AVAILABILITY_MEMORY] = "memory",
        [AVAILABILITY_OLLAMA_DOWN] = "ollama down",
        [AVAILABILITY_DRAINING] = "draining",
        [AVAILABILITY_STOPPING] = "stopping",
    };
    _Static_assert(AVAILABILITY_REASON_COUNT == 7, "a new reason needs a name");

    assert(reason < AVAILABILITY_REASON_COUNT);
    return names[reason];
}
