#include "common/backoff.h"

int64_t backoff_ms(unsigned attempt, uint32_t random)
{
    int64_t base_ms = BACKOFF_MIN_MS;

    for (unsigned i = 0; i < attempt && base_ms < BACKOFF_MAX_MS; i++)
        base_ms *= 2;
    if (base_ms > BACKOFF_MAX_MS)
        base_ms = BACKOFF_MAX_MS;
    return base_ms / 2 + (int64_t)random % (base_ms / 2 + 1);
}
