#include "call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/keys.h"

#include "view.h"

#define BASE_MS   "900000000000"  /* of every id, and one digit of the stream: look.lua */
#define FOREVER   "1000000000000" /* silence that is too long only for what the model made old */
#define FAR_AWAY  "8000000000000" /* a deadline */
#define TTL       "3600000"
#define CANCEL_MS "2000" /* between the two eras */

const char *const router_names[] = {"x", "y"};
const char *const node_names[] = {"a", "b"};

const char *ending_name(enum ending how)
{
    static const char *const names[] = {
        [ENDING_NONE] = "-",
        [ENDING_DONE] = "done",
        [ENDING_CANCELLED] = "cancelled",
        [ENDING_EXPIRED] = "deadline_exceeded",
        [ENDING_EXHAUSTED] = "attempts_exhausted",
        [ENDING_UNKNOWN] = "unknown_model",
        [ENDING_FAILED] = "failed",
        [ENDING_PAST] = "predecessor's",
        [ENDING_GIVEN_BACK] = "given back",
        [ENDING_UNSTARTED] = "unstarted",
    };

    return names[how];
}

static void add(struct call_args *args, const char *text)
{
    assert(args->n < CALL_ARGS);
    args->argv[args->n++] = text;
}

static void add_all(struct call_args *args, const char *const *texts)
{
    for (; *texts; texts++)
        add(args, *texts);
}
#define ADD(args, ...) add_all(args, (const char *const[]){__VA_ARGS__, NULL})

__attribute__((format(printf, 2, 3))) static const char *text(struct call_args *args,
                                                              const char *fmt, ...)
{
    char *buf = args->texts[args->n_texts++];
    va_list ap;

    assert(args->n_texts <= CALL_TEXTS);
    va_start(ap, fmt);
    (void)vsnprintf(buf, sizeof args->texts[0], fmt, ap);
    va_end(ap);
    return buf;
}

static const char *origin_id(struct call_args *args, const struct call *call)
{
    return text(args, BASE_MS "0-%u", call->entry);
}

static const char *node_id(struct call_args *args, const struct call *call)
{
    return text(args, BASE_MS "%u-%u", call->node + 1U, call->entry);
}

static const char *number(struct call_args *args, unsigned n)
{
    return text(args, "%u", n);
}

static const char *tried_text(unsigned mask)
{
    static const char *const texts[] = {"", "a", "b", "a,b"};

    return texts[mask & 3];
}

/* Before or after CANCEL_MS. */
static const char *submitted_text(unsigned era)
{
    return era & ERA_AFTER_CANCEL ? "3000" : "1000";
}

static const char *node_stream(struct call_args *args, unsigned node)
{
    if (node >= 2)
        return PREFIX "requests";
    return text(args, PREFIX "requests:%s", node_names[node]);
}

static const char *epoch_key(struct call_args *args, unsigned node)
{
    return text(args, PREFIX "epoch:%s", node_names[node]);
}

#define REQUESTS PREFIX "requests"
#define JOB      PREFIX "job:r1"
#define CALLBACK PREFIX "responses:r1"
#define HEALTH   PREFIX "health"
#define EVENTS   PREFIX "events"
#define DEAD     PREFIX "dead"
#define DRAINED  PREFIX "drained"
#define CONTROL  PREFIX "control"
#define PRESENCE PREFIX "routers"

/* --- scripts of routers ------------------------------------------------------------------------
 */

static void call_move(const struct call *call, struct call_args *args)
{
    ADD(args, "7", REQUESTS, node_stream(args, call->node), JOB, CALLBACK, EVENTS, DRAINED, HEALTH,
        GROUP_ROUTERS, router_names[call->router], origin_id(args, call), node_names[call->node],
        number(args, CREDIT), "r1", number(args, call->attempt), submitted_text(call->era),
        call->is_late ? "1" : FAR_AWAY, tried_text(call->tried), call->came_back ? "1" : "0", TTL,
        "why", "1", "m", "");
}

static void call_end(const struct call *call, struct call_args *args)
{
    ADD(args, "5", REQUESTS, CALLBACK, JOB, EVENTS, DEAD, GROUP_ROUTERS, router_names[call->router],
        origin_id(args, call), "r1", number(args, call->attempt), call->came_back ? "1" : "0", TTL,
        ending_name((enum ending)call->how), "why", "1", "failed", "", "0", "1", "", "");
}

static void call_takeback(const struct call *call, struct call_args *args)
{
    unsigned more = call->tried | 1U << call->node;

    ADD(args, "6", node_stream(args, call->node), REQUESTS, JOB, HEALTH, EVENTS, CALLBACK,
        GROUP_WORKERS, node_names[call->node], node_id(args, call), "r1",
        number(args, call->attempt), tried_text(more), call->how ? "lost" : "unstarted", FOREVER,
        "m", router_names[call->router], "1", tried_text(call->tried));
}

static void call_router(const struct call *call, enum script script, struct call_args *args)
{
    const char *me = router_names[call->router];

    if (script == SCRIPT_MOVE)
        call_move(call, args);
    else if (script == SCRIPT_END)
        call_end(call, args);
    else if (script == SCRIPT_TAKEBACK)
        call_takeback(call, args);
    else if (script == SCRIPT_STATUS)
        ADD(args, "3", REQUESTS, CALLBACK, JOB, GROUP_ROUTERS, me, origin_id(args, call), TTL,
            "type", "status", "request_id", "r1", "state", "queued");
    else if (script == SCRIPT_ADOPT)
        ADD(args, "2", REQUESTS, PRESENCE, GROUP_ROUTERS, me, router_names[call->node], FOREVER,
            "100");
    else if (script == SCRIPT_PRESENCE)
        ADD(args, "2", PRESENCE, REQUESTS, me, "{\"window\":0");
    else if (script == SCRIPT_CANCEL)
        ADD(args, "3", CONTROL, JOB, REQUESTS, GROUP_ROUTERS,
            text(args, BASE_MS "0-%u", call->control), CANCEL_MS, TTL);
    else if (script == SCRIPT_DRAIN)
        ADD(args, "3", CONTROL, DRAINED, EVENTS, GROUP_ROUTERS,
            text(args, BASE_MS "0-%u", call->control), "drain", node_names[call->node]);
    else
        ADD(args, "3", HEALTH, epoch_key(args, call->node), node_stream(args, call->node),
            node_names[call->node], FOREVER);
}

/* --- scripts of workers ------------------------------------------------------------------------
 */

static void add_gate(const struct call *call, struct call_args *args)
{
    ADD(args, GROUP_WORKERS, node_names[call->node], number(args, call->epoch),
        node_id(args, call));
}

static void call_finish(const struct call *call, struct call_args *args)
{
    bool is_done = call->how == ENDING_DONE;
    const char *attempt = number(args, call->attempt);

    ADD(args, "6", node_stream(args, call->node), epoch_key(args, call->node), JOB, CALLBACK,
        EVENTS, DEAD);
    add_gate(call, args);
    ADD(args, "r1", attempt, is_done ? "done" : "failed", "m",
        is_done ? "" : ending_name((enum ending)call->how), "", "5", "type",
        is_done ? "done" : "error", "request_id", "r1", "attempt", attempt);
}

static void call_requeue(const struct call *call, struct call_args *args)
{
    enum ending how = (enum ending)call->how;
    unsigned counted = how == ENDING_FAILED || how == ENDING_PAST;
    unsigned tried = call->tried | (how == ENDING_FAILED ? 1U << call->node : 0);

    ADD(args, "6", node_stream(args, call->node), REQUESTS, JOB, epoch_key(args, call->node),
        EVENTS, CALLBACK);
    add_gate(call, args);
    ADD(args, "r1", number(args, call->attempt + counted), tried_text(tried), "why",
        how == ENDING_UNSTARTED ? "unstarted" : "started", counted ? "1" : "0", "m");
}

static void call_start(const struct call *call, struct call_args *args)
{
    ADD(args, "5", node_stream(args, call->node), epoch_key(args, call->node), JOB, CALLBACK,
        EVENTS);
    add_gate(call, args);
    ADD(args, "r1", number(args, call->attempt), submitted_text(call->era),
        call->is_late ? "1" : FAR_AWAY, "running", "m", call->how ? "1" : "0");
}

/* One piece, which may have been written before: so there is at most one of each attempt. */
static void call_chunk(const struct call *call, struct call_args *args)
{
    ADD(args, "4", node_stream(args, call->node), epoch_key(args, call->node), JOB, CALLBACK);
    add_gate(call, args);
    ADD(args, "100000", "1", "type", "chunk", "request_id", "r1", "attempt",
        number(args, call->attempt), "seq", "0", "response", "{}");
}

static void call_worker(const struct call *call, enum script script, struct call_args *args)
{
    const char *json = call->how ? "{\"available\":false" : "{\"available\":true";
    const char *me = node_names[call->node];

    if (script == SCRIPT_FINISH)
        call_finish(call, args);
    else if (script == SCRIPT_REQUEUE)
        call_requeue(call, args);
    else if (script == SCRIPT_START)
        call_start(call, args);
    else if (script == SCRIPT_CHUNK)
        call_chunk(call, args);
    else if (script == SCRIPT_REGISTER)
        ADD(args, "4", HEALTH, epoch_key(args, call->node), node_stream(args, call->node), EVENTS,
            me, GROUP_WORKERS, json, number(args, call->epoch + 1U));
    else if (script == SCRIPT_GOODBYE)
        ADD(args, "4", HEALTH, epoch_key(args, call->node), node_stream(args, call->node), EVENTS,
            me, number(args, call->epoch), "stopping");
    else /* beat: about one entry, or none */
        ADD(args, call->entry ? "5" : "4", HEALTH, epoch_key(args, call->node), DRAINED,
            node_stream(args, call->node));
    if (script == SCRIPT_BEAT && call->entry)
        add(args, JOB);
    if (script == SCRIPT_BEAT)
        ADD(args, me, number(args, call->epoch), json, GROUP_WORKERS);
    if (script == SCRIPT_BEAT && call->entry)
        add(args, node_id(args, call));
}

static bool is_workers(enum script script)
{
    return script == SCRIPT_FINISH || script == SCRIPT_REQUEUE || script == SCRIPT_START ||
           script == SCRIPT_CHUNK || script == SCRIPT_REGISTER || script == SCRIPT_GOODBYE ||
           script == SCRIPT_BEAT;
}

/* --- commands ----------------------------------------------------------------------------------
 */

static void call_plain(const struct call *call, struct call_args *args)
{
    switch ((enum call_kind)call->kind) {
    case CALL_SUBMIT:
        ADD(args, "XADD", REQUESTS, "*", "request_id", "r1", "model", "m", "prompt", "hi",
            "progress", "1", "metadata", number(args, call->era));
        break;
    case CALL_READ:
        ADD(args, "XREADGROUP", "GROUP", GROUP_ROUTERS, router_names[call->router], "COUNT", "1",
            "STREAMS", REQUESTS, ">");
        break;
    case CALL_FETCH:
        ADD(args, "XREADGROUP", "GROUP", GROUP_WORKERS, node_names[call->node], "COUNT", "1",
            "STREAMS", node_stream(args, call->node), ">");
        break;
    case CALL_PRESENCE_OLD:
        ADD(args, "HSET", PRESENCE, router_names[call->router], "{\"last_seen_ms\":1000}");
        break;
    case CALL_HEALTH_OLD:
        ADD(args, "HSET", HEALTH, node_names[call->node],
            "{\"available\":true,\"last_seen\":1,\"last_seen_ms\":1000}");
        break;
    case CALL_GROUP:
        ADD(args, "XGROUP", "CREATE", node_stream(args, call->node),
            call->node < 2 ? GROUP_WORKERS : GROUP_ROUTERS, "0", "MKSTREAM");
        break;
    case CALL_GROUP_GONE:
        ADD(args, "XGROUP", "DESTROY", node_stream(args, call->node),
            call->node < 2 ? GROUP_WORKERS : GROUP_ROUTERS);
        break;
    case CALL_LATE:
        ADD(args, "PEXPIRE", JOB, "3000000");
        break;
    case CALL_EXPIRE:
        ADD(args, "DEL", JOB, CALLBACK);
        break;
    case CALL_UNDRAIN:
        ADD(args, "DEL", DRAINED);
        break;
    case CALL_SCRIPT:
    case CALL_COUNT:
        break;
    }
}

void call_command(const struct call *call, const char *sha, struct call_args *args)
{
    args->n = 0;
    args->n_texts = 0;
    if (call->kind < CALL_SCRIPT) {
        call_plain(call, args);
        return;
    }
    enum script script = (enum script)(call->kind - CALL_SCRIPT);
    ADD(args, "EVALSHA", sha);
    if (is_workers(script))
        call_worker(call, script, args);
    else
        call_router(call, script, args);
}
