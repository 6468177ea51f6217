#include "measure.h"

#include <string.h>

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"

#include "base.h"
#include "router_state.h"

static void on_routers(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (reply && !router_refused(router, reply, "count of routers"))
        (void)reply_i64(reply, &router->metrics.routers);
}

static void on_dead(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (reply && !router_refused(router, reply, "count of dead letters"))
        (void)reply_i64(reply, &router->metrics.dead_letters);
}

static bool says(struct span info, const char *line)
{
    return memmem(info.ptr, info.len, line, strlen(line)) != NULL;
}

/* Where INFO is not allowed nothing is known, which is no fault. */
static void on_info(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    struct span info = reply_span(reply);

    router->metrics.durable = -1;
    if (reply && !reply_error(reply) && info.len > 0) {
        router->metrics.durable =
            says(info, "\naof_enabled:1\r\n") && says(info, "\naof_last_write_status:ok\r\n");
    }
}

void measure_tick(struct router *router)
{
    const char *routers[] = {"HLEN", router->keys.routers};
    const char *dead[] = {"XLEN", router->keys.dead};
    const char *info[] = {"INFO", "persistence"};
    int64_t now_ms = clock_now_ms();

    if (!router->http || now_ms < router->measure_ms)
        return;
    router->measure_ms = now_ms + MEASURE_INTERVAL_MS;
    (void)redis_command_send(router->commands, on_routers, router, 2, routers);
    (void)redis_command_send(router->commands, on_dead, router, 2, dead);
    if (now_ms < router->durable_ms)
        return;
    router->durable_ms = now_ms + MEASURE_SLOW_MS;
    (void)redis_command_send(router->commands, on_info, router, 2, info);
}
