#include "accept.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/conversation.h"
#include "common/err.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/request.h"

#include "base.h"
#include "cancels.h"
#include "counting.h"
#include "ending.h"
#include "heal.h"
#include "request_size.h"
#include "router_state.h"
#include "status.h"

#define REDIS_TIME_LAG_MAX_MS 1000                /* of router_redis_ms() behind Redis */
#define DOUBT_MS              10000               /* the answer counts for so long */
#define FETCH_SMALL_BYTES     ((size_t)128 << 10) /* ACCEPT_FETCH_MAX such are 8 MiB */

bool accept_knows(const struct router *router, struct stream_id id)
{
    return window_find(&router->window, id) != WINDOW_NONE || window_is_parked(&router->window, id);
}

/* --- ending what cannot be taken -------------------------------------------------------------- */

static void end_request(struct router *router, const struct request *request, const char *code,
                        const char *error, int64_t deadline_ms)
{
    char callback[CALLBACK_MAX + 1];
    struct ending ending;

    ending_init(&ending, code, error);
    ending.entry_id = request->id;
    ending.request_id = request->request_id;
    ending.model = span_str(request->model_name);
    ending.callback = request_callback(request, &router->keys, callback);
    ending.attempt = request->attempt;
    ending.came_back = request->came_back;
    ending.deadline_ms = deadline_ms;
    ending_write(router, &ending);
}

static void end_unanswerable(struct router *router, const struct request *request,
                             const char *error)
{
    struct ending ending;

    ending_init(&ending, CODE_INVALID_REQUEST, error);
    ending.entry_id = request->id;
    ending.request_id = request->request_id.ptr ? request->request_id : span_str("");
    ending.dead = true;
    log_warn("event=unanswerable id=%.*s request_id=\"%.*s\" why=\"%s\"", SPAN_ARG(request->id),
             SPAN_ARG(ending.request_id), error);
    ending_write(router, &ending);
}

static void end_exhausted(struct router *router, const struct request *request)
{
    char error[REQUEST_ERROR_MAX + 64];

    struct request last = *request;

    last.attempt = request->attempt - 1; /* the one that would be next never begins */
    (void)snprintf(error, sizeof error, "%lld attempts failed; the last: %.*s",
                   (long long)last.attempt, SPAN_ARG(request->last_error));
    end_request(router, &last, CODE_ATTEMPTS_EXHAUSTED, error, 0);
}

/* --- taking in -------------------------------------------------------------------------------- */

static uint64_t session_hash(const struct request *request)
{
    char conversation[REQUEST_SESSION_MAX + 1];
    size_t len = conversation_of(request, conversation);

    return len > 0 ? span_hash((struct span){conversation, len}) : 0;
}

/* An id ahead of what we take for Redis' time: somebody has chosen it, or Redis' clock has jumped
 * since it told us. So it is asked; the entry stays pending, and is found again. Ids that are ahead
 * all the same (Redis' clock was put back, too) are no news from then on. */
static bool is_time_in_doubt(struct router *router, const struct request *request)
{
    int64_t now_ms = clock_now_ms();
    int64_t ahead_ms = entry_id_ms(request->id) - router_redis_ms(router);
    bool was_told = router->time_told_ms >= router->doubt_ms;

    if (request->came_back || ahead_ms <= router->ids_ahead_ms + REDIS_TIME_LAG_MAX_MS)
        return false;
    if (router->doubt_ms != 0 && was_told && now_ms - router->doubt_ms < DOUBT_MS) {
        router->ids_ahead_ms = ahead_ms;
        return false;
    }
    if (was_told)
        router->doubt_ms = router->presence_ms = now_ms;
    router->reconcile_wanted = true;
    return true;
}

/* When the entry came to Redis. Its id says so, unless the client chose the id itself: one from the
 * future counts from now. Our idea of Redis time may lag a little behind the ids of Redis. */
static int64_t submitted_ms(const struct router *router, const struct request *request)
{
    int64_t now_ms = router_redis_ms(router);
    int64_t ms = request->came_back && request->submitted_ms > 0 ? request->submitted_ms
                                                                 : entry_id_ms(request->id);

    return ms <= now_ms + REDIS_TIME_LAG_MAX_MS ? ms : now_ms;
}

static int64_t deadline_ms(const struct router *router, const struct request *request,
                           int64_t submitted)
{
    int64_t timeout =
        request->timeout_ms > 0 ? request->timeout_ms : router->config.default_timeout_ms;

    if (request->came_back && request->deadline_ms > 0 &&
        request->deadline_ms < submitted + REQUEST_TIMEOUT_MAX_MS)
        return request->deadline_ms;
    return submitted + timeout;
}

/* Would one more be too many? What came back from a node was accepted long ago, and so was what has
 * been parked: while it is fetched it counts, so that nobody takes its place. */
static bool is_queue_full(const struct router *router, const struct request *request,
                          bool was_parked)
{
    return !request->came_back && !was_parked &&
           (int64_t)window_count(&router->window) + window_parked_count(&router->window) +
                   router->fetching >=
               router->config.max_queue;
}

/* --- what says that it came back from a node -------------------------------------------------- */

struct job_question {
    struct router *router;
    struct stream_id id;
};

/* The scripts ask the job in any case; this only spares the client the wait for a node. */
static void on_job(const struct redisReply *reply, void *arg)
{
    struct job_question *question = arg;
    struct router *router = question->router;
    uint32_t index = window_find(&router->window, question->id);
    struct span state = reply_span(reply_at(reply, 0)), entry = reply_span(reply_at(reply, 1));
    char id[STREAM_ID_MAX + 1];
    int64_t cancel_ms;

    if (index != WINDOW_NONE && reply_count(reply) > 0) {
        if (!span_is(state, "queued") || !span_is(entry, stream_id_text(question->id, id))) {
            ending_write_window(router, index, CODE_INVALID_REQUEST, "it did not come from a node");
        } else if (reply_i64(reply_at(reply, 2), &cancel_ms) &&
                   cancel_ms >= window_at(&router->window, index)->submitted_ms) {
            ending_write_window(router, index, CODE_CANCELLED, "cancelled before it was read");
        }
    }
    free(question);
}

/* Is it true, and was it cancelled meanwhile, longer ago than listen.c remembers? */
static void ask_job(struct router *router, const struct request *request, struct stream_id id)
{
    struct job_question *question = xcalloc(1, sizeof *question);
    char job[KEY_MAX];
    const char *argv[] = {"HMGET", key_job(&router->keys, request->request_id, job), "state",
                          "entry", "cancel"};

    question->router = router;
    question->id = id;
    if (!redis_command_send(router->commands, on_job, question, 5, argv))
        free(question);
}

/* A client that names the stream which its reply goes to anyway costs no more than one that does
 * not: the window keeps only what is out of the ordinary. */
static struct span own_callback(const struct router *router, const struct request *request)
{
    char usual[KEY_MAX];

    (void)key_responses(&router->keys, request->request_id, usual);
    return span_is(request->callback, usual) ? (struct span){NULL, 0} : request->callback;
}

static void add_to_window(struct router *router, const struct request *request, int64_t submitted)
{
    const struct request_size size = request_size_of(request);
    struct window_entry entry = {
        .request_id = request->request_id,
        .model = span_str(request->model_name),
        .callback = own_callback(router, request),
        .client = request->client,
        .tried = request->tried,
        .last_error = request->last_error,
        .session_hash = session_hash(request),
        .prefix_hash = size.prefix_hash,
        .prompt_tokens = size.prompt_tokens,
        .prefix_tokens = size.prefix_tokens,
        .output_tokens_max = size.output_tokens_max,
        .priority = request->priority,
        .submitted_ms = submitted,
        .deadline_ms = deadline_ms(router, request, submitted),
        .attempt = request->attempt,
        .bytes = request->bytes,
        .stream = request->stream,
        .progress = request->progress,
        .came_back = request->came_back,
    };
    struct window_added added;

    if (!stream_id_parse(request->id, &entry.id))
        return;
    added = window_add(&router->window, &entry, clock_now_ms(), router_redis_ms(router),
                       router->config.priority_age_ms);
    if (added.outcome == WINDOW_FULL)
        router->reconcile_wanted = true; /* it stays pending, and is found again */
    if (added.outcome == WINDOW_ADDED)
        policy_arrived(router->policy, added.index, clock_now_ms());
    if (added.outcome == WINDOW_ADDED)
        status_queued(router, added.index);
    if (added.outcome == WINDOW_ADDED && request->came_back)
        ask_job(router, request, entry.id);
}

static void announce(struct router *router, const struct request *request)
{
    char id[REQUEST_ID_MAX + 1];
    const char *argv[] = {"event",  "queued",  "request_id", id, "model", request->model_name,
                          "router", router->id};

    counting_received(router);
    (void)span_copy(request->request_id, id, sizeof id);
    (void)redis_command_event(router->commands, &router->keys, 8, argv);
}

static void accept_request(struct router *router, const struct request *request, bool was_parked)
{
    int64_t submitted = submitted_ms(router, request);

    if (is_time_in_doubt(router, request))
        return;
    int64_t deadline = deadline_ms(router, request, submitted);
    if (deadline <= router_redis_ms(router)) {
        end_request(router, request, CODE_DEADLINE_EXCEEDED, ENDING_DEADLINE_TEXT, deadline);
    } else if (cancels_have(router, request->request_id, submitted)) {
        end_request(router, request, CODE_CANCELLED, "cancelled before it was read", 0);
    } else if (request->attempt > router->config.max_attempts) {
        end_exhausted(router, request);
    } else if (is_queue_full(router, request, was_parked)) {
        char error[96];

        (void)snprintf(error, sizeof error, "%lld requests wait already (max_queue)",
                       (long long)router->config.max_queue);
        end_request(router, request, CODE_QUEUE_FULL, error, 0);
    } else {
        if (!was_parked && !request->came_back)
            announce(router, request);
        add_to_window(router, request, submitted);
    }
}

/* What was parked may be as large as a client likes; nobody knows before it is here. */
static void adapt_fetches(struct router *router, size_t bytes)
{
    if (bytes > FETCH_SMALL_BYTES) {
        router->fetch_max = ACCEPT_FETCH_MIN;
    } else if (router->fetch_max < ACCEPT_FETCH_MAX) {
        router->fetch_max++;
    }
}

void accept_entry(struct router *router, const struct redisReply *entry, bool was_parked)
{
    struct request request;
    struct stream_id id;
    struct err err;

    if (!stream_id_parse(reply_span(reply_at(entry, 0)), &id) || accept_knows(router, id))
        return;
    heal_look(router, id);
    switch (request_decode(entry, &router->keys, REQUEST_FROM_CLIENT,
                           (size_t)router->config.request_max_bytes, &request, &err)) {
    case REQUEST_OK:
        accept_request(router, &request, was_parked);
        break;
    case REQUEST_INVALID:
        end_request(router, &request, CODE_INVALID_REQUEST, err.msg, 0);
        break;
    case REQUEST_UNANSWERABLE:
        end_unanswerable(router, &request, err.msg);
        break;
    }
    if (was_parked)
        adapt_fetches(router, request.bytes);
}

/* --- parked entries --------------------------------------------------------------------------- */

static void on_fetched(const struct redisReply *reply, void *arg)
{
    struct router *router = arg;

    if (router->fetching > 0)
        router->fetching--;
    if (!reply || router_refused(router, reply, "fetch")) {
        router->reconcile_wanted = true;
        return;
    }
    if (reply_count(reply) > 0)
        accept_entry(router, reply_at(reply, 0), true);
    router_wake(router);
}

void accept_fetch(struct router *router, struct stream_id id)
{
    char text[STREAM_ID_MAX + 1];
    const char *argv[] = {"XRANGE", router->keys.requests, text, text};

    (void)stream_id_text(id, text);
    if (redis_command_send(router->commands, on_fetched, router, 4, argv)) {
        router->fetching++;
    } else {
        router->reconcile_wanted = true;
    }
}

void accept_parked(struct router *router)
{
    struct stream_id id;

    while (!router->stopping && router->fetching < router->fetch_max &&
           window_room(&router->window) > router->fetching &&
           redis_conn_is_ready(router->commands) && window_parked_next(&router->window, &id))
        accept_fetch(router, id);
}
