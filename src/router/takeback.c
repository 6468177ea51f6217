#include "takeback.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"
#include "common/scripts.h"

#include "base.h"
#include "cancels.h"
#include "counting.h"
#include "router_state.h"

#define TAKEBACK_PAGE      8 /* entries read at a time: each may be large */
#define TAKEBACK_PAGE_TEXT "8"

struct takeback {
    struct router *router;
    char node[NODE_ID_MAX + 1];
    enum takeback_mode mode;
    char request_id[REQUEST_ID_MAX + 1]; /* of one entry's call */
    char from[STREAM_ID_MAX + 2];        /* of the next page */
};

static const char *mode_name(enum takeback_mode mode)
{
    switch (mode) {
    case TAKEBACK_LOST:
        return "lost";
    case TAKEBACK_UNSTARTED:
        return "unstarted";
    case TAKEBACK_OVERDUE:
        return "overdue";
    }
    return "";
}

static void on_takeback(const struct redisReply *reply, void *arg)
{
    struct takeback *takeback = arg;
    struct router *router = takeback->router;
    struct span result = reply_span(reply_at(reply, 0));

    if (reply && !router_refused(router, reply, "takeback")) {
        if (span_is(result, "requeued")) {
            log_info("event=taken_back request_id=%s node=%s mode=%s", takeback->request_id,
                     takeback->node, mode_name(takeback->mode));
            counting_taken_back(router, mode_name(takeback->mode));
            router->lengths_ms = clock_now_ms();
        } else {
            log_debug("event=not_taken_back request_id=%s node=%s why=%.*s", takeback->request_id,
                      takeback->node, SPAN_ARG(result));
        }
    }
    free(takeback);
}

static void takeback_entry(const struct takeback *of, const struct request *request)
{
    struct router *router = of->router;
    struct span node = span_str(of->node);
    struct takeback *call = xcalloc(1, sizeof *call);
    char node_key[KEY_MAX], job[KEY_MAX], callback[CALLBACK_MAX + 1];
    char tried[REQUEST_TRIED_MAX];
    struct script_args args;

    *call = *of;
    (void)span_copy(request->request_id, call->request_id, sizeof call->request_id);
    node_list_add(request->tried, node, tried, sizeof tried);
    script_args_init(&args);
    script_key(&args, key_node_requests(&router->keys, node, node_key));
    script_key(&args, router->keys.requests);
    script_key(&args, key_job(&router->keys, request->request_id, job));
    script_key(&args, router->keys.health);
    script_key(&args, router->keys.events);
    script_key(&args, request_callback(request, &router->keys, callback));
    script_arg(&args, GROUP_WORKERS);
    script_arg(&args, of->node);
    script_arg_span(&args, request->id);
    script_arg_span(&args, request->request_id);
    script_arg_i64(&args, request->attempt);
    script_arg(&args, tried);
    script_arg(&args, of->mode == TAKEBACK_LOST ? "lost" : "unstarted");
    script_arg_i64(&args, router->config.node_lost_ms);
    script_arg_span(&args, request->model);
    script_arg(&args, router->id);
    script_arg(&args, request->progress ? "1" : "0");
    script_arg_span(&args, request->tried.ptr ? request->tried : span_str(""));
    if (!scripts_call(router->commands, SCRIPT_TAKEBACK, &args, on_takeback, call))
        free(call);
}

static bool is_wanted(const struct takeback *takeback, const struct request *request)
{
    const struct router *router = takeback->router;

    return takeback->mode != TAKEBACK_OVERDUE || request->deadline_ms <= router_redis_ms(router) ||
           cancels_have(router, request->request_id, request->submitted_ms);
}

static void take_entry(const struct takeback *takeback, const struct redisReply *entry)
{
    struct request request;
    struct err err;

    if (request_decode(entry, &takeback->router->keys, REQUEST_FROM_ROUTER, SIZE_MAX, &request,
                       &err) != REQUEST_OK) {
        router_trouble(takeback->router, "foreign_entry", err.msg);
    } else if (is_wanted(takeback, &request)) {
        takeback_entry(takeback, &request);
    }
}

static void ask_page(struct takeback *takeback);

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct takeback *takeback = arg;
    struct router *router = takeback->router;
    size_t n = reply_count(reply);

    if (!reply || router_refused(router, reply, "node entries") || n == 0) {
        free(takeback);
        return;
    }
    for (size_t i = 0; i < n; i++)
        take_entry(takeback, reply_at(reply, i));
    (void)snprintf(takeback->from, sizeof takeback->from, "(%.*s",
                   SPAN_ARG(reply_span(reply_at(reply_at(reply, n - 1), 0))));
    if (n == TAKEBACK_PAGE) {
        ask_page(takeback);
    } else {
        free(takeback);
    }
}

/* Takes over `takeback`. */
static void ask_page(struct takeback *takeback)
{
    struct router *router = takeback->router;
    char key[KEY_MAX];
    const char *argv[] = {"XRANGE", key, takeback->from, "+", "COUNT", TAKEBACK_PAGE_TEXT};

    (void)key_node_requests(&router->keys, span_str(takeback->node), key);
    if (!redis_command_send(router->commands, on_entries, takeback, 6, argv))
        free(takeback);
}

void takeback_node(struct router *router, struct span node, enum takeback_mode mode)
{
    struct takeback *takeback = xcalloc(1, sizeof *takeback);

    *takeback = (struct takeback){.router = router, .mode = mode, .from = "-"};
    (void)span_copy(node, takeback->node, sizeof takeback->node);
    ask_page(takeback);
}
