#include "common/clock.h"

#include <assert.h>
#include <time.h>

static int64_t now_ms; /* 0: not read in this iteration of the loop */

void clock_next_iteration(void)
{
    now_ms = 0;
}

int64_t clock_now_ms(void)
{
    struct timespec ts;

    if (now_ms == 0) {
        int rc = clock_gettime(CLOCK_MONOTONIC, &ts);
        assert(rc == 0);
        (void)rc;
        now_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1; /* never 0 */
    }
    return now_ms;
}

int64_t clock_monotonic_us(void)
{
    struct timespec ts;
    int rc = clock_gettime(CLOCK_MONOTONIC, &ts);

    assert(rc == 0);
    (void)rc;
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_s(void)
{
    return (int64_t)time(NULL);
}
