#include "job.h"

#include <assert.h>

#define NO JOB_STATE_COUNT

/* clang-format off */
static const enum job_state next_state[JOB_STATE_COUNT][JOB_EVENT_COUNT] = {
    /*                  FETCH        SEND          UNSENT         STARTED        END            SETTLED        LOST           RESTED */
    [JOB_FREE]      = { JOB_FETCHED, NO,           NO,            NO,            NO,            NO,            NO,            NO },
    [JOB_FETCHED]   = { NO,          JOB_STARTING, NO,            NO,            JOB_FINISHING, NO,            JOB_RESTING,   NO },
    [JOB_STARTING]  = { NO,          NO,           JOB_FETCHED,   JOB_RUNNING,   JOB_FINISHING, NO,            JOB_RESTING,   NO },
    [JOB_RUNNING]   = { NO,          NO,           NO,            NO,            JOB_FINISHING, NO,            JOB_RESTING,   NO },
    [JOB_FINISHING] = { NO,          NO,           NO,            NO,            JOB_FINISHING, JOB_RESTING,   JOB_RESTING,   NO },
    [JOB_RESTING]   = { NO,          NO,           NO,            NO,            NO,            NO,            NO,            JOB_FREE },
};
/* clang-format on */

_Static_assert(JOB_STATE_COUNT == 6, "a row per state above, a name below");
_Static_assert(JOB_EVENT_COUNT == 8, "a column per event above");

enum job_state job_next(enum job_state state, enum job_event event)
{
    assert(state < JOB_STATE_COUNT && event < JOB_EVENT_COUNT);
    return next_state[state][event];
}

void job_step(enum job_state *state, enum job_event event)
{
    enum job_state next = job_next(*state, event);

    assert(next != NO);
    *state = next;
}

bool job_holds_entry(enum job_state state)
{
    return state != JOB_FREE && state != JOB_RESTING;
}

const char *job_state_name(enum job_state state)
{
    static const char *const names[JOB_STATE_COUNT] = {
        [JOB_FREE] = "free",       [JOB_FETCHED] = "fetched",     [JOB_STARTING] = "starting",
        [JOB_RUNNING] = "running", [JOB_FINISHING] = "finishing", [JOB_RESTING] = "resting",
    };

    assert(state < JOB_STATE_COUNT);
    return names[state];
}

enum job_limit job_limit_passed(const struct job_times *times, const struct job_limits *limits,
                                int64_t now_ms)
{
    if (now_ms >= times->deadline_ms)
        return JOB_LIMIT_DEADLINE;
    if (times->last_piece_ms == 0) {
        bool passed = now_ms - times->started_ms >= limits->first_byte_timeout_ms;
        return passed ? JOB_LIMIT_FIRST_BYTE : JOB_LIMIT_NONE;
    }
    if (now_ms - times->last_piece_ms >= limits->stall_timeout_ms)
        return JOB_LIMIT_STALL;
    return JOB_LIMIT_NONE;
}

int64_t job_deadline_ms(int64_t deadline_redis_ms, int64_t redis_now_ms, int64_t now_ms)
{
    int64_t left_ms = 0;

    /* Both come from outside: a difference that does not fit counts as "not in our lifetime". */
    if (__builtin_sub_overflow(deadline_redis_ms, redis_now_ms, &left_ms))
        left_ms = deadline_redis_ms > redis_now_ms ? INT64_MAX : INT64_MIN;
    int64_t sum_ms = 0;
    if (__builtin_add_overflow(now_ms, left_ms, &sum_ms))
        return left_ms > 0 ? INT64_MAX : INT64_MIN;
    return sum_ms;
}

int64_t job_rest_ms(unsigned failures_in_a_row)
{
    int64_t rest_ms = JOB_REST_MIN_MS;

    if (failures_in_a_row == 0)
        return 0;
    for (unsigned i = 1; i < failures_in_a_row && rest_ms < JOB_REST_MAX_MS; i++)
        rest_ms *= 2;
    return rest_ms < JOB_REST_MAX_MS ? rest_ms : JOB_REST_MAX_MS;
}
