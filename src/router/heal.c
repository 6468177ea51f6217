#include "heal.h"

#include "common/clock.h"
#include "common/reply.h"
#include "common/request.h"
#include "common/scripts.h"

#include "base.h"
#include "router_state.h"

#define HEAL_BUSY_MS  1000
#define HEAL_EMPTY_MS 5000

void heal_look(struct router *router, struct stream_id id)
{
    if (id.ms > (uint64_t)(router_redis_ms(router) + ENTRY_FUTURE_MAX_MS))
        router->heal_wanted = true;
}

static void on_healed(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    int64_t n;

    router->heal_running = false;
    if (!reply || router_refused(router, reply, "heal"))
        return;
    router->heal_wanted = span_is(reply_span(reply_at(reply, 0)), "busy");
    if (reply_i64(reply_at(reply, 1), &n)) {
        router_trouble(router, "ids_healed",
                       "somebody chose entry ids from the future; they are of the clock again");
    }
    router->reconcile_wanted = router->reconcile_wanted || reply_count(reply) > 1;
}

void heal_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();
    struct script_args args;

    if (router->heal_running || now_ms < router->heal_ms ||
        (!router->heal_wanted && router->queue_length > 0))
        return;
    router->heal_ms = now_ms + (router->heal_wanted ? HEAL_BUSY_MS : HEAL_EMPTY_MS);
    script_args_init(&args);
    script_key(&args, router->keys.requests);
    script_arg(&args, GROUP_ROUTERS);
    script_arg_i64(&args, ENTRY_FUTURE_MAX_MS);
    script_arg_i64(&args, HEAL_ENTRIES_MAX);
    router->heal_running = scripts_call(router->commands, SCRIPT_HEAL, &args, on_healed, router);
}
