#include "counters.h"

#include <stdbool.h>
#include <string.h>

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

/* While a model is loaded in another one's place nothing may be in memory for a while: what counts
 * is what was there before. */
void counters_on_resident(struct worker *w)
{
    struct counters *counters = &w->counters;
    const struct ps *ps = &w->poller.ps;
    uint64_t now[PS_RESIDENT_MAX];

    for (size_t i = 0; i < ps->n; i++)
        now[i] = span_hash(span_str(ps->models[i].name));
    if (ps->n == 0)
        return;
    if (counters->resident_n > 0 && lacks(now, ps->n, counters->resident, counters->resident_n) &&
        lacks(counters->resident, counters->resident_n, now, ps->n))
        counters->swaps++;
    memcpy(counters->resident, now, ps->n * sizeof now[0]);
    counters->resident_n = ps->n;
}
