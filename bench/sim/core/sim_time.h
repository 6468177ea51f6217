#ifndef SIM_TIME_H
#define SIM_TIME_H

/* Virtual time: nanoseconds from the beginning of a run, an integer. Pure. */

#include <math.h>
#include <stdint.h>

#define SIM_SECOND INT64_C(1000000000)
#define SIM_NEVER  INT64_MAX

static inline int64_t sim_ns(double seconds)
{
    return (int64_t)llround(seconds * 1e9);
}

static inline double sim_s(int64_t ns)
{
    return (double)ns / 1e9;
}

#endif
