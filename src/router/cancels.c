#include "cancels.h"

#include "common/alloc.h"

#include "router_state.h"

struct recent_cancel {
    int64_t redis_ms; /* of the control entry; 0: slot unused */
    char request_id[REQUEST_ID_MAX + 1];
};

bool cancels_have(const struct router *router, struct span request_id, int64_t submitted_ms)
{
    for (size_t i = 0; router->cancels && i < CANCELS_KEPT; i++) {
        if (router->cancels[i].redis_ms >= submitted_ms && router->cancels[i].redis_ms > 0 &&
            span_is(request_id, router->cancels[i].request_id))
            return true;
    }
    return false;
}

void cancels_add(struct router *router, struct span request_id, int64_t redis_ms)
{
    if (!router->cancels)
        router->cancels = xcalloc(CANCELS_KEPT, sizeof *router->cancels);

    struct recent_cancel *slot = &router->cancels[router->cancels_next++ % CANCELS_KEPT];

    slot->redis_ms = redis_ms;
    (void)span_copy(request_id, slot->request_id, sizeof slot->request_id);
}
