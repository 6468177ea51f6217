#include "adopt.h"

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "base.h"
#include "router_state.h"

#define ADOPT_BATCH         128   /* entries per call: one page of our own pending list */
#define ADOPT_ROUTERS_MAX   1000  /* looked at in one go */
#define ROUTERS_INTERVAL_MS 60000 /* between two looks at P:routers */

static void on_adopt(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    struct span result = reply_span(reply_at(reply, 0));
    int64_t n = 0;

    if (!reply || router_refused(router, reply, "adopt"))
        return;
    if (span_is(result, "adopted") && reply_i64(reply_at(reply, 1), &n)) {
        log_info("event=router_adopted entries=%lld", (long long)n);
        router->reconcile_wanted = true;
        router->adopt_ms = clock_now_ms(); /* there may be more */
    } else if (span_is(result, "deleted")) {
        log_info("event=router_forgotten");
    }
}

static void adopt_from(struct router *router, struct span other)
{
    struct script_args args;

    if (other.len == 0 || span_is(other, router->id))
        return;
    script_args_init(&args);
    script_key(&args, router->keys.requests);
    script_key(&args, router->keys.routers);
    script_arg(&args, GROUP_ROUTERS);
    script_arg(&args, router->id);
    script_arg_span(&args, other);
    script_arg_i64(&args, router->config.node_lost_ms);
    script_arg_i64(&args, ADOPT_BATCH);
    (void)scripts_call(router->commands, SCRIPT_ADOPT, &args, on_adopt, router);
}

static void on_consumers(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply || router_refused(router, reply, "consumers"))
        return;
    for (size_t i = 0; i < reply_count(reply) && i < ADOPT_ROUTERS_MAX; i++)
        adopt_from(router, reply_span(reply_field(reply_at(reply, i), "name")));
}

/* Who never read, or whose group is gone, has no consumer, but an entry in P:routers. */
static void on_routers(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (!reply || router_refused(router, reply, "routers"))
        return;
    for (size_t i = 0; i < reply_count(reply) && i < ADOPT_ROUTERS_MAX; i++)
        adopt_from(router, reply_span(reply_at(reply, i)));
}

int64_t adopt_due_ms(const struct router *router)
{
    return router->adopt_ms;
}

/* With each heartbeat, and soon if there is more. A Redis that has just restarted has forgotten the
 * routers' heartbeats: everybody gets node_lost to show up before anybody is judged. */
void adopt_tick(struct router *router)
{
    const char *consumers[] = {"XINFO", "CONSUMERS", router->keys.requests, GROUP_ROUTERS};
    const char *routers[] = {"HKEYS", router->keys.routers};
    int64_t now_ms = clock_now_ms();

    if (now_ms < router->redis_ok_ms + router->config.node_lost_ms ||
        (!router->is_beat && now_ms < router->adopt_ms))
        return;
    router->adopt_ms = INT64_MAX;
    (void)redis_command_send(router->commands, on_consumers, router, 4, consumers);
    if (now_ms < router->routers_ms)
        return;
    router->routers_ms = now_ms + ROUTERS_INTERVAL_MS;
    (void)redis_command_send(router->commands, on_routers, router, 2, routers);
}
