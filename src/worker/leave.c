#include "leave.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/notify.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "worker.h"

#define LOOK_EXTRA 16 /* entries read beyond those that we know */

void leave_begin(struct worker *w)
{
    struct leave *leave = &w->leave;
    int64_t now_ms = clock_now_ms();

    if (leave->is_stopping)
        return;
    leave->is_stopping = true;
    leave->abort_ms = now_ms + w->config.drain_timeout_ms;
    leave->exit_ms = leave->abort_ms + LEAVE_GRACE_MS;
    leave->alone_ms = now_ms + LEAVE_GRACE_MS;
    notify_stopping(w->config.drain_timeout_ms + LEAVE_GRACE_MS);
    log_info("event=stopping node=%s running=%u drain_timeout_ms=%lld", w->config.node_id,
             jobs_held(w), (long long)w->config.drain_timeout_ms);
    feed_stop(w);
    node_judge(w);
    beat_now(w);
    jobs_give_back_all(w, false);
}

static void gone(struct worker *w, const char *why)
{
    if (w->leave.is_gone)
        return;
    w->leave.is_gone = true;
    log_info("event=stopped node=%s why=\"%s\"", w->config.node_id, why);
    loop_quit(w->loop);
}

void leave_forgotten(struct worker *w)
{
    gone(w, "Redis has forgotten this node");
}

/* --- goodbye ---------------------------------------------------------------------------------- */

static void on_goodbye(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;

    w->leave.is_asking = false;
    if (redis_command_said(reply, "ok")) {
        gone(w, "all work is done or given back");
    } else if (redis_command_said(reply, "fenced")) {
        gone(w, "another process has this node id by now");
    } else if (reply_error(reply)) {
        session_refused(w, "goodbye", reply);
    }
}

static void say_goodbye(struct worker *w)
{
    struct script_args args;

    script_args_init(&args);
    script_key(&args, w->keys.health);
    script_key(&args, w->epoch_key);
    script_key(&args, w->stream_key);
    script_key(&args, w->keys.events);
    script_arg(&args, w->config.node_id);
    script_arg_i64(&args, w->session.epoch);
    script_arg(&args, "the worker was told to stop");
    w->leave.is_asking = scripts_call(w->session.commands, SCRIPT_GOODBYE, &args, on_goodbye, w);
}

/* --- what is left on the stream --------------------------------------------------------------- */

static void on_left(const struct redisReply *reply, void *arg)
{
    static const struct jobs_give_back unstarted = {
        .was_delivered = false,
        .why = "the node is stopping",
    };
    struct worker *w = arg;

    w->leave.is_asking = false;
    for (size_t i = 0; i < reply_count(reply); i++)
        (void)jobs_give_back(w, reply_at(reply, i), &unstarted);
}

static void look(struct worker *w)
{
    char count[16];
    const char *argv[] = {"XRANGE", w->stream_key, "-", "+", "COUNT", count};

    w->leave.wants_look = false;
    (void)snprintf(count, sizeof count, "%u", jobs_held(w) + LOOK_EXTRA);
    w->leave.is_asking = redis_command_send(w->session.commands, on_left, w, 6, argv);
}

static void on_length(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    int64_t length = 0;

    w->leave.is_asking = false;
    if (!reply_i64(reply, &length))
        return;
    if (length > (int64_t)jobs_held(w)) {
        reconcile_start(w); /* first those that were delivered and that we never saw */
        w->leave.wants_look = true;
    } else if (length == 0 && jobs_held(w) == 0) {
        say_goodbye(w);
    }
}

static void ask_length(struct worker *w)
{
    const char *argv[] = {"XLEN", w->stream_key};

    w->leave.is_asking = redis_command_send(w->session.commands, on_length, w, 2, argv);
}

void leave_tick(struct worker *w, int64_t now_ms)
{
    struct leave *leave = &w->leave;

    if (!leave->is_stopping || leave->is_gone)
        return;
    if (now_ms >= leave->abort_ms && !leave->has_aborted) {
        leave->has_aborted = true;
        jobs_give_back_all(w, true);
    }
    if (session_can_write(w) || jobs_held(w) > 0)
        leave->alone_ms = now_ms + LEAVE_GRACE_MS;
    if (now_ms >= leave->exit_ms || now_ms >= leave->alone_ms) {
        gone(w, "Redis did not take the farewell; the routers will take back what is left");
        return;
    }
    if (leave->is_asking || now_ms < leave->next_ms || !session_can_write(w))
        return;
    if (leave->wants_look && w->reconcile.is_busy)
        return;
    leave->next_ms = now_ms + LEAVE_PAUSE_MS;
    if (leave->wants_look) {
        look(w);
    } else {
        ask_length(w);
    }
}
