#include "ctl_clock.h"

#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t ctl_now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t ctl_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}
