#include "presence.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "base.h"
#include "router_state.h"

#define PRESENCE_MAX_MS 5000

/* Three heartbeats fit into the silence after which the others take our entries. */
static int64_t presence_interval_ms(const struct router *router)
{
    int64_t third = router->config.node_lost_ms / 3;

    return third < PRESENCE_MAX_MS ? third : PRESENCE_MAX_MS;
}

void presence_hold_reads(struct router *router)
{
    redis_conn_hold(router->intake);
    redis_conn_hold(router->listen);
}

static void release_reads(struct router *router)
{
    if (router->stopping)
        return; /* and so have they been, or are freed */
    redis_conn_release(router->intake);
    redis_conn_release(router->listen);
}

static void on_presence(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    int64_t redis_ms;

    release_reads(router);
    if (!reply || router_refused(router, reply, "presence"))
        return;
    if (reply_i64(reply_at(reply, 0), &redis_ms)) {
        router->time_told_ms = clock_now_ms();
        router->redis_ahead_ms = redis_ms - router->time_told_ms;
    }
    (void)reply_i64(reply_at(reply, 1), &router->queue_length);
    router->metrics.round_trip_us = clock_monotonic_us() - router->beat_us;
}

static void presence_send(struct router *router)
{
    char json[256];
    struct script_args args;

    (void)snprintf(json, sizeof json,
                   "{\"router_id\":\"%s\",\"version\":\"%s\",\"window\":%u,\"parked\":%u,"
                   "\"nodes\":%u",
                   router->id, ORION_VERSION, (unsigned)window_count(&router->window),
                   (unsigned)window_parked_count(&router->window),
                   (unsigned)fleet_count(&router->fleet));
    script_args_init(&args);
    script_key(&args, router->keys.routers);
    script_key(&args, router->keys.requests);
    script_arg(&args, router->id);
    script_arg(&args, json);
    router->beat_us = clock_monotonic_us();
    (void)scripts_call(router->commands, SCRIPT_PRESENCE, &args, on_presence, router);
}

bool presence_is_due(const struct router *router)
{
    return redis_command_is_beat_near(router->presence_ms - clock_now_ms());
}

void presence_tick(struct router *router)
{
    router->is_beat = presence_is_due(router);
    if (!router->is_beat)
        return;
    router->presence_ms = clock_now_ms() + presence_interval_ms(router);
    presence_send(router);
}

void presence_leave(struct router *router)
{
    const char *argv[] = {"HDEL", router->keys.routers, router->id};

    (void)redis_command_send(router->commands, NULL, NULL, 3, argv);
}
