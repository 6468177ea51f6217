#include "pace.h"

#include <assert.h>

bool pace_is_wanted(unsigned streams, int64_t chunk_interval_ms, int64_t tick_ms)
{
    assert(tick_ms >= 1);
    return streams >= PACE_STREAMS && chunk_interval_ms >= 2 * tick_ms;
}

int64_t pace_early_ms(bool is_paced, int64_t tick_ms)
{
    return is_paced ? tick_ms / 2 : 0;
}
