#include "publish_end.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/redis_command.h"
#include "common/reply.h"

#include "publish.h"
#include "worker.h"

static void log_end(const struct job *job, const char *told)
{
    log_info("event=job_done request_id=%s node=%s attempt=%lld model=%s verdict=%s code=%s "
             "redis=%s queued_ms=%lld first_ms=%lld run_ms=%lld tokens=%lld loaded=%d cached=%d",
             job->request_id, job->worker->config.node_id, (long long)job->attempt,
             job->model_name[0] ? job->model_name : "-", job->verdict,
             job->ending.kind == ENDING_ERROR ? job->ending.code : "-", told,
             (long long)job->queued_ms, (long long)job->first_ms, (long long)job->run_ms,
             (long long)job->answer.stats.eval_count, !job->was_resident, job->was_cached);
}

static void settle(struct job *job, const struct redisReply *reply)
{
    char told[32];

    (void)span_copy(reply_span(reply_at(reply, 0)), told, sizeof told);
    log_end(job, told);
    if (span_is(span_str(told), "lost"))
        job->worker->counters.refused_ends++;
    if (job->ending.kind == ENDING_DONE)
        job_log_content(job, buf_span(&job->response), "answer");
    if (log_repeat_end(&job->worker->jobs.refused))
        log_info("event=job_obeyed after=%u", job->worker->jobs.refused.repeats);
    job_step(&job->state, JOB_EVENT_SETTLED);
}

static bool is_settled(const struct redisReply *reply)
{
    return redis_command_said(reply, "finished") || redis_command_said(reply, "requeued") ||
           redis_command_said(reply, "undeliverable") || redis_command_said(reply, "lost");
}

/* Rather an error than the same for ever. */
static void end_without_answer(struct job *job)
{
    job->ending = (struct ending){.kind = ENDING_ERROR, .code = CODE_REPLY_TOO_LARGE};
    (void)snprintf(job->ending.sentence, sizeof job->ending.sentence,
                   "Redis does not take an answer of %zu bytes (its proto-max-bulk-len)",
                   job->response.len);
    log_warn("event=answer_not_taken request_id=%s bytes=%zu why=\"it is larger than Redis' "
             "proto-max-bulk-len: raise that, or lower reply_max\"",
             job->request_id, job->response.len);
}

static void end_told(struct job *job, const struct redisReply *reply)
{
    if (job->ending.kind == ENDING_DONE && publish_is_never_taken(job, job->response.len, reply)) {
        end_without_answer(job);
        return;
    }
    if (!reply)
        return; /* sent again as soon as the connection is back */
    if (is_settled(reply)) {
        settle(job, reply);
        return;
    }
    job->ending.send_ms = clock_now_ms() + PUBLISH_RETRY_MS;
    if (redis_command_said(reply, "cancelled")) { /* requeue.lua: it may not be given back */
        job->ending = (struct ending){.kind = ENDING_ERROR, .code = CODE_CANCELLED};
        (void)snprintf(job->ending.sentence, sizeof job->ending.sentence,
                       "the request was cancelled");
    } else if (redis_command_said(reply, "fenced")) {
        beat_now(job->worker);
    } else {
        publish_refused(job, "end", reply);
    }
}

static void on_end(const struct redisReply *reply, void *arg)
{
    struct job *job = arg;

    job->outstanding--;
    job->ending.is_sent = false;
    if (job->state == JOB_FINISHING)
        end_told(job, reply);
    job_drive(job, clock_now_ms());
}

/* --- requeue ---------------------------------------------------------------------------------- */

static bool send_requeue(struct job *job)
{
    struct worker *w = job->worker;
    const struct ending *ending = &job->ending;
    struct script_args args;
    char job_key[KEY_MAX];
    char tried[REQUEST_TRIED_MAX + 1];
    bool was_delivered = job->was_delivered;

    (void)snprintf(tried, sizeof tried, "%s", job->tried);
    if (ending->is_blamed)
        node_list_add(span_str(job->tried), span_str(w->config.node_id), tried, sizeof tried);
    script_args_init(&args);
    script_key(&args, w->stream_key);
    script_key(&args, w->keys.requests);
    script_key(&args, key_job(&w->keys, span_str(job->request_id), job_key));
    script_key(&args, w->epoch_key);
    script_key(&args, w->keys.events);
    script_key(&args, job->callback);
    publish_gate(&args, job);
    script_arg(&args, job->request_id);
    script_arg_i64(&args, job->attempt + (ending->is_counted ? 1 : 0));
    script_arg(&args, tried);
    script_arg(&args, ending->sentence);
    script_arg(&args, was_delivered ? "started" : "unstarted");
    script_arg(&args, job->wants_progress && ending->is_counted ? "1" : "0");
    script_arg(&args, job->model);
    return publish_call(job, SCRIPT_REQUEUE, &args, on_end);
}

/* --- finish ----------------------------------------------------------------------------------- */

static void field(struct script_args *args, const char *name, const char *value)
{
    script_arg(args, name);
    script_arg(args, value);
}

static void field_i64(struct script_args *args, const char *name, int64_t value)
{
    script_arg(args, name);
    script_arg_i64(args, value);
}

static void done_fields(struct script_args *args, const struct job *job)
{
    script_arg(args, "response");
    script_arg_span(args, buf_span(&job->response));
    field(args, "node", job->worker->config.node_id);
    field(args, FIELD_MODEL, job->model);
    field_i64(args, "queued_ms", job->queued_ms);
    field_i64(args, "run_ms", job->run_ms);
    if (job->dropped[0])
        field(args, "dropped", job->dropped);
}

/* What routers count by; see finish.lua. */
static void event_fields(struct script_args *args, const struct job *job)
{
    const struct answer_stats *stats = &job->answer.stats;

    field_i64(args, "event.queued_ms", job->queued_ms);
    if (job->first_ms >= 0)
        field_i64(args, "event.first_ms", job->first_ms);
    field_i64(args, "event.prompt_tokens", stats->prompt_eval_count);
    field_i64(args, "event.tokens", stats->eval_count);
    field(args, "event.loaded", job->was_resident ? "0" : "1");
    field(args, "event.cached", job->was_cached ? "1" : "0");
}

static void error_fields(struct script_args *args, const struct job *job)
{
    field(args, "code", job->ending.code);
    field(args, "error", job->ending.sentence);
    field(args, "retryable", job->ending.is_retryable ? "1" : "0");
    field(args, "node", job->worker->config.node_id);
}

static const char *event_name(const struct ending *ending)
{
    if (ending->kind == ENDING_DONE)
        return "done";
    return span_is(span_str(ending->code), CODE_CANCELLED) ? "cancelled" : "failed";
}

static bool send_finish(struct job *job)
{
    struct worker *w = job->worker;
    bool is_done = job->ending.kind == ENDING_DONE;
    struct script_args args;
    char job_key[KEY_MAX];

    publish_keys(&args, job, job_key);
    script_key(&args, w->keys.events);
    script_key(&args, w->keys.dead);
    publish_gate(&args, job);
    script_arg(&args, job->request_id);
    script_arg_i64(&args, job->attempt);
    script_arg(&args, event_name(&job->ending));
    script_arg(&args, job->model);
    script_arg(&args, is_done ? "" : job->ending.code);
    script_arg(&args, is_done ? "" : job->ending.sentence);
    script_arg_i64(&args, job->run_ms);
    field(&args, "type", is_done ? "done" : "error");
    field(&args, FIELD_REQUEST_ID, job->request_id);
    field_i64(&args, FIELD_ATTEMPT, job->attempt);
    if (is_done) {
        done_fields(&args, job);
        event_fields(&args, job);
    } else {
        error_fields(&args, job);
    }
    if (job->has_metadata) {
        script_arg(&args, FIELD_METADATA);
        script_arg_span(&args, (struct span){job->metadata, job->metadata_len});
    }
    return publish_call(job, SCRIPT_FINISH, &args, on_end);
}

void publish_end(struct job *job, int64_t now_ms)
{
    struct ending *ending = &job->ending;

    if (ending->is_sent || now_ms < ending->send_ms || !session_can_write(job->worker) ||
        redis_conn_pending_bytes(job->worker->session.commands) >= REDIS_CONN_HOLD_BYTES)
        return;
    switch (ending->kind) {
    case ENDING_DONE:
        if (publish_rest(job, now_ms))
            ending->is_sent = send_finish(job);
        break;
    case ENDING_ERROR:
        ending->is_sent = send_finish(job);
        break;
    case ENDING_GIVE_BACK:
        ending->is_sent = send_requeue(job);
        break;
    case ENDING_NONE:
        break;
    }
}
