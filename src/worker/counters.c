#include "counters.h"

#include <stdbool.h>
#include <string.h>

#include "common/clock.h"

#include "worker.h"

/* Does `b` lack anything of `a`? */
static bool lacks(const uint64_t *a, size_t a_n, const uint64_t *b, size_t b_n)
{
    for (size_t i = 0; i < a_n; i++) {
        size_t j = 0;

        while (j < b_n && b[j] != a[i])
            j++;
        if (j == b_n)
            return true;
    }
    return false;
}

/* Ollama may show both models while the one is loaded and the other unloaded, or none: a model that
 * goes within COUNTERS_SWAP_MS of another's coming has made room for it. */
void counters_on_resident(struct worker *w)
{
    struct counters *counters = &w->counters;
    const struct ps *ps = &w->poller.ps;
    uint64_t now[PS_RESIDENT_MAX];

    for (size_t i = 0; i < ps->n; i++)
        now[i] = span_hash(span_str(ps->models[i].name));
    if (ps->n == 0)
        return;
    if (lacks(now, ps->n, counters->resident, counters->resident_n))
        counters->came_ms = clock_now_ms();
    if (lacks(counters->resident, counters->resident_n, now, ps->n) && counters->came_ms > 0 &&
        clock_now_ms() - counters->came_ms <= COUNTERS_SWAP_MS) {
        counters->swaps++;
        counters->came_ms = 0; /* each makes room but once */
    }
    memcpy(counters->resident, now, ps->n * sizeof now[0]);
    counters->resident_n = ps->n;
}
