#include "ending.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/reply.h"
#include "common/request.h"
#include "common/scripts.h"

#include "base.h"
#include "counting.h"
#include "router_state.h"

/* What is needed to try once more if the entry turns out to be forged. */
struct ending_call {
    struct router *router;
    size_t model;         /* its place among the figures */
    struct ending ending; /* its spans and strings point into the arrays below */
    char entry_id[STREAM_ID_MAX + 1];
    char request_id[REQUEST_ID_MAX + 1];
    char callback[CALLBACK_MAX + 1];
    char node[NODE_ID_MAX + 1];
    char error[REQUEST_ERROR_MAX + 256];
};

/* A sentence that quotes the client may have been cut within a character: that goes. */
static void cut_text(char *text)
{
    size_t at = 0, len;

    while ((len = span_utf8_len(span_str(text + at))) > 0)
        at += len;
    text[at] = '\0';
}

static struct ending_call *call_new(struct router *router, const struct ending *ending)
{
    struct ending_call *call = xcalloc(1, sizeof *call);

    call->router = router;
    call->ending = *ending;
    call->ending.model = (struct span){NULL, 0};
    call->model = counting_model(router, ending->model);
    (void)span_copy(ending->entry_id, call->entry_id, sizeof call->entry_id);
    (void)span_copy(ending->request_id, call->request_id, sizeof call->request_id);
    (void)span_copy(span_str(ending->callback), call->callback, sizeof call->callback);
    (void)span_copy(ending->node, call->node, sizeof call->node);
    (void)span_copy(span_str(ending->error), call->error, sizeof call->error);
    cut_text(call->error);
    call->ending.entry_id = span_str(call->entry_id);
    call->ending.request_id = span_str(call->request_id);
    call->ending.callback = ending->callback ? call->callback : NULL;
    call->ending.node = span_str(call->node);
    call->ending.error = call->error;
    return call;
}

static void call_send(struct ending_call *call);

static uint32_t ending_index(const struct router *router, const struct ending *ending)
{
    struct stream_id id;

    return stream_id_parse(ending->entry_id, &id) ? window_find(&router->window, id) : WINDOW_NONE;
}

/* The entry carries fields that only routers write, but no node gave it back. */
static void end_forged(struct ending_call *call)
{
    call->ending.came_back = false;
    call->ending.attempt = 1;
    call->ending.code = CODE_INVALID_REQUEST;
    call->ending.deadline_ms = 0;
    call->ending.retryable = false;
    call->ending.dead = false;
    call->ending.event = "rejected";
    (void)snprintf(call->error, sizeof call->error,
                   "the fields '%s', '%s', '%s', '%s', '%s' and '%s' are added by routers; leave "
                   "them out",
                   FIELD_ATTEMPT, FIELD_ORIGIN_ID, FIELD_SUBMITTED_MS, FIELD_DEADLINE_MS,
                   FIELD_TRIED, FIELD_LAST_ERROR);
    call_send(call);
}

/* It waits again. A request that was not in the window when it was to be ended may have come there
 * since, and is nobody's ENDING then. */
static void put_back(struct router *router, const struct ending *ending)
{
    uint32_t index = ending_index(router, ending);

    if (index != WINDOW_NONE && window_at(&router->window, index)->state == WINDOW_ENDING) {
        window_put_back(&router->window, index);
        policy_arrived(router->policy, index, clock_now_ms());
    }
}

/* What was to be shed and was not is still on the stream, perhaps pending here; everything else has
 * left it. Who has shed something looks again soon: there may be more. */
static void leave_window(struct ending_call *call, struct span result)
{
    struct router *router = call->router;
    uint32_t index = ending_index(router, &call->ending);

    if (call->ending.shed && span_is(result, "lost")) {
        put_back(router, &call->ending);
    } else if (index != WINDOW_NONE) {
        window_remove(&router->window, index);
    }
    if (call->ending.shed && span_is(result, "ended"))
        router->presence_ms = clock_now_ms();
}

static void call_over(struct ending_call *call, struct span result)
{
    struct router *router = call->router;

    leave_window(call, result);
    counting_ended(router, call->model, call->ending.code, result);
    if (span_is(result, "undeliverable")) {
        log_warn("event=undeliverable request_id=%s callback=%s code=%s", call->request_id,
                 call->callback, call->ending.code);
    } else {
        log_info("event=request_ended request_id=%s code=%s result=%.*s error=\"%s\"",
                 call->request_id, call->ending.code, SPAN_ARG(result), call->error);
    }
    free(call);
    router_wake(router);
}

/* Redis' clock was put back since it told us: it is asked again, and the request waits on. */
static void not_yet(struct ending_call *call)
{
    struct router *router = call->router;

    put_back(router, &call->ending);
    router->presence_ms = clock_now_ms();
    router->reconcile_wanted = true;
    free(call);
}

static void on_end(const struct redisReply *reply, void *arg)
{
    struct ending_call *call = arg;
    struct router *router = call->router;
    struct span result = reply_span(reply_at(reply, 0));

    if (reply && !router_refused(router, reply, "end")) {
        if (span_is(result, "forged")) {
            end_forged(call);
        } else if (span_is(result, "early")) {
            not_yet(call);
        } else {
            call_over(call, result);
        }
        return;
    }
    /* Nobody knows, or Redis refused: it is tried again from the window, or found pending. */
    put_back(router, &call->ending);
    router->reconcile_wanted = true;
    free(call);
}

static void call_send(struct ending_call *call)
{
    struct router *router = call->router;
    const struct ending *ending = &call->ending;
    const char *dead =
        router->keys.dead; /* a key of the same slot, in the place of an unused one */
    char job[KEY_MAX];
    struct script_args args;

    script_args_init(&args);
    script_key(&args, router->keys.requests);
    script_key(&args, ending->callback ? call->callback : dead);
    script_key(&args, ending->callback ? key_job(&router->keys, ending->request_id, job) : dead);
    script_key(&args, router->keys.events);
    script_key(&args, router->keys.dead);
    script_arg(&args, GROUP_ROUTERS);
    script_arg(&args, router->id);
    script_arg_span(&args, ending->entry_id);
    script_arg_span(&args, ending->request_id);
    script_arg_i64(&args, ending->attempt);
    script_arg(&args, ending->came_back ? "1" : "0");
    script_arg_i64(&args, router->config.response_ttl_ms);
    script_arg(&args, ending->code);
    script_arg(&args, ending->error);
    script_arg(&args, ending->retryable ? "1" : "0");
    script_arg(&args, ending->event);
    script_arg_span(&args, ending->node);
    script_arg(&args, ending->dead ? "1" : "0");
    script_arg(&args, ending->callback ? "1" : "0");
    if (ending->shed) {
        script_arg_i64(&args, router->config.max_queue);
    } else {
        script_arg(&args, "");
    }
    if (ending->deadline_ms > 0) {
        script_arg_i64(&args, ending->deadline_ms);
    } else {
        script_arg(&args, "");
    }
    if (!scripts_call(router->commands, SCRIPT_END, &args, on_end, call))
        on_end(NULL, call);
}

void ending_write(struct router *router, const struct ending *ending)
{
    uint32_t index = ending_index(router, ending);

    if (index != WINDOW_NONE) {
        if (window_at(&router->window, index)->state != WINDOW_WAITING)
            return; /* a script for it is under way */
        window_end(&router->window, index);
    }
    call_send(call_new(router, ending));
}

static bool is_retryable(const char *code)
{
    struct span text = span_str(code);

    return span_is(text, CODE_QUEUE_FULL) || span_is(text, CODE_DEADLINE_EXCEEDED) ||
           span_is(text, CODE_ATTEMPTS_EXHAUSTED);
}

static const char *event_of(const char *code)
{
    struct span text = span_str(code);

    if (span_is(text, CODE_CANCELLED))
        return "cancelled";
    if (span_is(text, CODE_INVALID_REQUEST) || span_is(text, CODE_QUEUE_FULL) ||
        span_is(text, CODE_UNKNOWN_MODEL))
        return "rejected";
    return "failed";
}

void ending_init(struct ending *ending, const char *code, const char *error)
{
    *ending = (struct ending){
        .attempt = 1,
        .code = code,
        .error = error,
        .retryable = is_retryable(code),
        .event = event_of(code),
        .dead = span_is(span_str(code), CODE_ATTEMPTS_EXHAUSTED),
    };
}

bool ending_write_cancelled(struct router *router, uint32_t index)
{
    const struct window_request *request = window_at(&router->window, index);

    if (request->state != WINDOW_WAITING || !request->is_cancelled)
        return false;
    ending_write_window(router, index, CODE_CANCELLED, "cancelled while it waited for a node");
    return true;
}

void ending_write_window(struct router *router, uint32_t index, const char *code, const char *error)
{
    const struct window_request *request = window_at(&router->window, index);
    const char *named = window_callback(&router->window, index);
    struct ending ending;
    char key[KEY_MAX], id[STREAM_ID_MAX + 1];

    ending_init(&ending, code, error);
    ending.entry_id = span_str(stream_id_text(request->id, id));
    ending.request_id = span_str(request->request_id);
    ending.model = names_text(&router->names, request->model);
    ending.callback =
        named[0] != '\0' ? named : key_responses(&router->keys, ending.request_id, key);
    ending.attempt = request->attempt;
    ending.came_back = request->came_back;
    if (span_is(span_str(code), CODE_DEADLINE_EXCEEDED))
        ending.deadline_ms = request->deadline_ms;
    ending_write(router, &ending);
}
