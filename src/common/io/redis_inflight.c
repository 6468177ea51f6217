#include "redis_inflight.h"

#include <assert.h>

#include "common/alloc.h"
#include "common/clock.h"

void inflight_init(struct inflight *inflight)
{
    *inflight = (struct inflight){.newest = &inflight->oldest};
}

struct command *command_new(struct redis_conn *conn, redis_conn_callback *callback, void *arg,
                            size_t bytes)
{
    struct command *command = xcalloc(1, sizeof *command);

    *command = (struct command){
        .conn = conn,
        .callback = callback,
        .arg = arg,
        .sent_ms = clock_now_ms(),
        .bytes = bytes,
    };
    return command;
}

void inflight_put(struct inflight *inflight, struct command *command)
{
    command->next = NULL;
    *inflight->newest = command;
    inflight->newest = &command->next;
    inflight->n++;
    inflight->bytes += command->bytes;
}

void inflight_take(struct inflight *inflight, const struct command *command)
{
    assert(inflight->oldest == command);
    inflight->oldest = command->next;
    if (!inflight->oldest)
        inflight->newest = &inflight->oldest;
    inflight->n--;
    inflight->bytes -= command->bytes;
}

size_t inflight_bytes(int argc, const size_t *argv_len)
{
    size_t bytes = 0;

    for (int i = 0; i < argc; i++)
        bytes += argv_len[i] + REDIS_LINE_OVERHEAD_MAX;
    return bytes;
}
