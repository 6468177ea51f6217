#include "base.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/redis_command.h"
#include "common/reply.h"

#include "router_state.h"

int64_t router_redis_ms(const struct router *router)
{
    return clock_now_ms() + router->redis_ahead_ms;
}

static struct log_repeat *trouble_gate(struct router *router, const char *what)
{
    size_t i = 0;

    while (i + 1 < ROUTER_TROUBLES_MAX && router->troubles[i].what &&
           strcmp(router->troubles[i].what, what) != 0)
        i++;
    router->troubles[i].what = what;
    return &router->troubles[i].gate;
}

bool router_refused(struct router *router, const struct redisReply *reply, const char *what)
{
    struct log_repeat *gate = trouble_gate(router, what);
    const char *error = reply_error(reply);

    if (!error) {
        if (log_repeat_end(gate))
            log_info("event=redis_accepts_again what=\"%s\" refused=%u", what, gate->repeats);
        return false;
    }
    metrics_word(&router->metrics.redis_errors, span_str(what));
    if (log_repeat_begin(gate, error, clock_now_ms())) {
        log_warn("event=redis_refuses what=\"%s\" error=\"%s\" times=%u", what, error,
                 gate->repeats);
    }
    if (redis_command_needs_reset(reply))
        redis_conn_reset(router->commands);
    return true;
}

void router_trouble(struct router *router, const char *event, const char *why)
{
    struct log_repeat *gate = trouble_gate(router, event);

    if (log_repeat_begin(gate, why, clock_now_ms()))
        log_warn("event=%s why=\"%s\" times=%u", event, why, gate->repeats);
}

void router_make_groups(struct router *router, redis_conn_callback *on_made)
{
    const char *control[] = {"XGROUP",      "CREATE", router->keys.control,
                             GROUP_ROUTERS, "0",      "MKSTREAM"};
    const char *requests[] = {"XGROUP",      "CREATE", router->keys.requests,
                              GROUP_ROUTERS, "0",      "MKSTREAM"};

    (void)redis_command_send(router->commands, NULL, NULL, 6, control);
    (void)redis_command_send(router->commands, on_made, router, 6, requests);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct router *router = arg;

    (void)fd;
    (void)what;
    router->is_turning = true;
    if (router->redis_ok && !router->stopping && redis_conn_is_ready(router->commands))
        router->on_turn(router);
    router->is_turning = false;
}

void router_turn_init(struct router *router, void (*turn)(struct router *router))
{
    router->on_turn = turn;
    router->turn_timer = evtimer_new(loop_base(router->loop), on_turn, router);
    if (!router->turn_timer)
        abort();
}

void router_turn_done(struct router *router)
{
    event_free(router->turn_timer);
}

void router_wake(struct router *router)
{
    const struct timeval now = {0};

    if (router->is_turning) {
        (void)event_add(router->turn_timer,
                        &now); /* sockets first: a turn may not keep itself going */
    } else {
        event_active(router->turn_timer, EV_TIMEOUT, 0);
    }
}
