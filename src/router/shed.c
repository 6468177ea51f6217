#include "shed.h"

#include <stdio.h>

#include "common/err.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"

#include "base.h"
#include "ending.h"
#include "router_state.h"

/* The newest entries are those that came when max_queue waited already. What another router holds
 * is that router's to end; the script asks. */
static void on_newest(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;
    char callback[CALLBACK_MAX + 1], error[96];

    router->shedding = false;
    if (!reply || router_refused(router, reply, "newest"))
        return;
    router->queue_length -= (int64_t)reply_count(reply);
    (void)snprintf(error, sizeof error, "%lld requests wait already (max_queue)",
                   (long long)router->config.max_queue);
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct request request;
        struct ending ending;
        struct err err;

        if (request_decode(reply_at(reply, i), &router->keys, REQUEST_FROM_CLIENT,
                           (size_t)router->config.request_max_bytes, &request,
                           &err) == REQUEST_UNANSWERABLE ||
            request.came_back)
            continue;
        ending_init(&ending, CODE_QUEUE_FULL, error);
        ending.entry_id = request.id;
        ending.request_id = request.request_id;
        ending.callback = request_callback(&request, &router->keys, callback);
        ending.shed = true;
        ending_write(router, &ending);
    }
}

void shed_tick(struct router *router)
{
    char count[24];
    int64_t excess = router->queue_length - router->config.max_queue;
    const char *argv[] = {"XREVRANGE", router->keys.requests, "+", "-", "COUNT", count};

    if (excess <= 0 || router->shedding)
        return;
    (void)snprintf(count, sizeof count, "%u",
                   excess < router->intake_count ? (unsigned)excess : router->intake_count);
    router->shedding = redis_command_send(router->commands, on_newest, router, 6, argv);
}
