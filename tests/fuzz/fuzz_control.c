/* An entry of P:control or P:events in any form: what comes out names only what is valid. */

#include <assert.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/node_id.h"

#include "control_entry.h"
#include "reply_of.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct redisReply *entry)
{
    struct control_entry control;
    struct event_entry event;

    control_decode(entry, &control);
    assert(control.op != CONTROL_CANCEL || request_id_valid(control.request_id));
    if (control.op >= CONTROL_DRAIN)
        assert(node_id_valid(control.node));
    assert(control.op == CONTROL_PRELOAD || !control.model.ptr);
    event_decode(entry, &event);
    assert(!event.is_failure || event.kind == EVENT_REQUEUED);
    assert(event.run_ms == -1 || event.kind == EVENT_ENDED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    reply_of(data, size, decode);
    return 0;
}
