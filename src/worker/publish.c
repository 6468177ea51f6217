#include "publish.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "pace.h"
#include "publish_end.h"
#include "run.h"
#include "worker.h"

/* --- for all of them -------------------------------------------------------------------------- */

void publish_refused(struct job *job, const char *what, const struct redisReply *reply)
{
    struct worker *w = job->worker;
    const char *error = reply_error(reply);
    const char *why = error ? error : "an answer that was not expected";

    if (log_repeat_begin(&w->jobs.refused, why, clock_now_ms())) {
        log_warn("event=job_refused what=%s request_id=%s why=\"%s\" repeats=%u", what,
                 job->request_id, why, w->jobs.refused.repeats);
    }
    session_mend(w, reply);
}

/* The least that proto-max-bulk-len can be: what is smaller is not why a connection broke. */
#define LARGE_BYTES ((size_t)1 << 20)
#define BREAKS_MAX  5

/* It says so before it drops the connection, but we may be writing and not hear it. */
bool publish_is_never_taken(struct job *job, size_t bytes, const struct redisReply *reply)
{
    const char *error = reply_error(reply);

    if (bytes >= LARGE_BYTES && !reply)
        return ++job->breaks >= BREAKS_MAX;
    if (reply)
        job->breaks = 0;
    return bytes >= LARGE_BYTES && error && span_starts(span_str(error), "ERR Protocol error");
}

void publish_keys(struct script_args *args, const struct job *job, char job_key[static KEY_MAX])
{
    const struct worker *w = job->worker;

    script_args_init(args);
    script_key(args, w->stream_key);
    script_key(args, w->epoch_key);
    script_key(args, key_job(&w->keys, span_str(job->request_id), job_key));
    script_key(args, job->callback);
}

void publish_gate(struct script_args *args, const struct job *job)
{
    const struct worker *w = job->worker;

    script_arg(args, GROUP_WORKERS);
    script_arg(args, w->config.node_id);
    script_arg_i64(args, w->session.epoch);
    script_arg(args, job->entry_id);
}

bool publish_call(struct job *job, enum script script, const struct script_args *args,
                  redis_conn_callback *callback)
{
    if (!scripts_call(job->worker->session.commands, script, args, callback, job))
        return false;
    job->outstanding++;
    return true;
}

/* --- start ------------------------------------------------------------------------------------ */

static void start_again(struct job *job, int64_t pause_ms)
{
    job_step(&job->state, JOB_EVENT_UNSENT);
    job->start_ms = clock_now_ms() + pause_ms;
}

static void start_told(struct job *job, const struct redisReply *reply)
{
    int64_t redis_ms = 0;

    if (!reply) {
        start_again(job, 0);
    } else if (redis_command_said(reply, "started") && reply_i64(reply_at(reply, 1), &redis_ms)) {
        if (log_repeat_end(&job->worker->jobs.refused))
            log_info("event=job_obeyed after=%u", job->worker->jobs.refused.repeats);
        run_start(job, redis_ms);
    } else if (redis_command_said(reply, "lost")) {
        jobs_lose(job, job->generation);
    } else if (redis_command_said(reply, "again")) {
        jobs_return(job, "its run on this node was interrupted");
    } else if (redis_command_said(reply, "cancelled")) {
        job_stop(job, VERDICT_EVENT_CANCELLED, span_str(""));
    } else if (redis_command_said(reply, "expired")) {
        job_refuse(job, CODE_DEADLINE_EXCEEDED, true,
                   "the deadline passed before the request could be started");
    } else if (redis_command_said(reply, "undeliverable")) {
        job_refuse(job, CODE_INVALID_REQUEST, false, "the callback is not a stream");
    } else if (redis_command_said(reply, "fenced")) {
        start_again(job, PUBLISH_RETRY_MS);
        beat_now(job->worker); /* it tells a newer process from a Redis that forgot us */
    } else {
        start_again(job, PUBLISH_RETRY_MS);
        publish_refused(job, "start", reply);
    }
}

static void on_start(const struct redisReply *reply, void *arg)
{
    struct job *job = arg;

    job->outstanding--;
    if (job->state == JOB_STARTING)
        start_told(job, reply);
    job_drive(job, clock_now_ms());
}

void publish_start(struct job *job)
{
    struct worker *w = job->worker;
    struct script_args args;
    char job_key[KEY_MAX];

    job->was_resident = poller_is_resident(w, job->model_name);
    publish_keys(&args, job, job_key);
    script_key(&args, w->keys.events);
    publish_gate(&args, job);
    script_arg(&args, job->request_id);
    script_arg_i64(&args, job->attempt);
    script_arg_i64(&args, job->submitted_ms);
    script_arg_i64(&args, job->deadline_redis_ms);
    script_arg(&args, !job->wants_progress ? "" : job->was_resident ? "running" : "loading");
    script_arg(&args, job->model);
    script_arg(&args, job->is_start_sent ? "1" : "0");
    if (publish_call(job, SCRIPT_START, &args, on_start)) {
        job->is_start_sent = true;
        job_step(&job->state, JOB_EVENT_SEND);
    }
}

/* --- chunks and status ------------------------------------------------------------------------ */

/* What chunk.lua says about the job as a whole. True if the entry was written. */
static bool chunk_told(struct job *job, const struct redisReply *reply)
{
    if (redis_command_said(reply, "ok"))
        return true;
    if (job->state != JOB_RUNNING)
        return false;
    if (redis_command_said(reply, "cancelled")) {
        job_stop(job, VERDICT_EVENT_CANCELLED, span_str(""));
    } else if (redis_command_said(reply, "lost")) {
        jobs_lose(job, job->generation);
    } else if (redis_command_said(reply, "fenced")) {
        beat_now(job->worker);
    } else if (redis_command_said(reply, "undeliverable")) {
        job->stream.is_off = true;
    } else if (reply) {
        publish_refused(job, "chunk", reply);
    }
    return false;
}

static void on_status(const struct redisReply *reply, void *arg)
{
    struct job *job = arg;

    job->outstanding--;
    (void)chunk_told(job, reply);
    job_drive(job, clock_now_ms());
}

/* The entry is written: what is sent now is another one. */
static void next_entry(struct job_stream *stream)
{
    stream->seq++;
    stream->was_sent = false;
}

static void on_chunk(const struct redisReply *reply, void *arg)
{
    struct job *job = arg;
    int64_t now_ms = clock_now_ms();

    job->outstanding--;
    job->stream.is_on_its_way = false;
    if (publish_is_never_taken(job, job->stream.out.len, reply))
        job->stream.is_off = true;
    if (chunk_told(job, reply)) {
        buf_clear(&job->stream.out);
        next_entry(&job->stream);
    } else {
        job->stream.send_ms = now_ms + PUBLISH_RETRY_MS;
    }
    job_drive(job, now_ms);
}

/* The arguments up to the entry's fields, and the fields that every entry begins with. */
static void chunk_args(struct script_args *args, const struct job *job, bool was_sent,
                       const char *type, char job_key[static KEY_MAX])
{
    publish_keys(args, job, job_key);
    publish_gate(args, job);
    script_arg_i64(args, job->times.deadline_ms - clock_now_ms());
    script_arg(args, was_sent ? "1" : "0");
    script_arg(args, "type");
    script_arg(args, type);
    script_arg(args, FIELD_REQUEST_ID);
    script_arg(args, job->request_id);
    script_arg(args, FIELD_ATTEMPT);
    script_arg_i64(args, job->attempt);
}

void publish_running(struct job *job)
{
    struct script_args args;
    char job_key[KEY_MAX];

    if (!session_can_write(job->worker))
        return;
    chunk_args(&args, job, false, "status", job_key);
    script_arg(&args, "state");
    script_arg(&args, "running");
    script_arg(&args, "node");
    script_arg(&args, job->worker->config.node_id);
    (void)publish_call(job, SCRIPT_CHUNK, &args, on_status);
}

/* Sends one entry; `seq` is its number. */
static bool send_chunk(struct job *job, struct span response, int64_t seq,
                       redis_conn_callback *callback)
{
    struct script_args args;
    char job_key[KEY_MAX];

    chunk_args(&args, job, job->stream.was_sent, "chunk", job_key);
    script_arg(&args, "seq");
    script_arg_i64(&args, seq);
    script_arg(&args, "response");
    script_arg_span(&args, response);
    job->stream.has_sent = true;
    job->stream.was_sent = true;
    return publish_call(job, SCRIPT_CHUNK, &args, callback);
}

void publish_chunks(struct job *job, int64_t now_ms)
{
    struct job_stream *stream = &job->stream;
    const struct redis_conn *commands = job->worker->session.commands;

    if (!job->wants_stream || stream->is_off || stream->is_on_its_way || now_ms < stream->send_ms ||
        !session_can_write(job->worker) ||
        redis_conn_pending_bytes(commands) >= REDIS_CONN_HOLD_BYTES)
        return;
    if (stream->out.len == 0) {
        int64_t early_ms = pace_early_ms(stream->is_paced, WORKER_TICK_MS);

        buf_clear(&stream->out);
        if (chunks_due_ms(&stream->chunks) - early_ms > now_ms ||
            !chunks_take(&stream->chunks, now_ms, &stream->out))
            return;
    }
    stream->is_on_its_way = send_chunk(job, buf_span(&stream->out), stream->seq, on_chunk);
}

/* Empties the chunks into stream->rest, behind the entry that is not acknowledged yet. */
static void collect_rest(struct job *job, int64_t now_ms)
{
    struct job_stream *stream = &job->stream;

    stream->has_rest = true;
    buf_init(&stream->rest, 2 * stream->out.max_bytes);
    do {
        if (stream->out.len > 0 && buf_add_span(&stream->rest, buf_span(&stream->out)))
            (void)buf_add(&stream->rest, "\n", 1);
        buf_clear(&stream->out);
    } while (chunks_take(&stream->chunks, now_ms, &stream->out));
}

/* The first entry of the rest, without the "\n" behind it. */
static struct span rest_first(const struct job_stream *stream)
{
    const char *end = memchr(stream->rest.ptr, '\n', stream->rest.len);

    return (struct span){stream->rest.ptr,
                         end ? (size_t)(end - stream->rest.ptr) : stream->rest.len};
}

static void rest_drop_first(struct job_stream *stream)
{
    size_t len = rest_first(stream).len;

    buf_drop_front(&stream->rest, len < stream->rest.len ? len + 1 : len);
}

static void on_rest(const struct redisReply *reply, void *arg)
{
    struct job *job = arg;
    struct job_stream *stream = &job->stream;

    job->outstanding--;
    stream->is_on_its_way = false;
    if (publish_is_never_taken(job, rest_first(stream).len, reply))
        stream->is_off = true;
    if (reply && chunk_told(job, reply)) {
        rest_drop_first(stream);
        next_entry(stream);
    } else if (reply) {
        buf_clear(&stream->rest); /* refused: the client has the beginning, and then `done` */
    }
    job_drive(job, clock_now_ms());
}

bool publish_rest(struct job *job, int64_t now_ms)
{
    struct job_stream *stream = &job->stream;

    if (!job->wants_stream || stream->is_off)
        return true;
    if (stream->is_on_its_way)
        return false;
    if (!stream->has_rest)
        collect_rest(job, now_ms);
    if (stream->rest.len == 0)
        return true;

    stream->is_on_its_way = send_chunk(job, rest_first(stream), stream->seq, on_rest);
    return false;
}

/* --- bury ------------------------------------------------------------------------------------- */

static void on_buried(const struct redisReply *reply, void *arg)
{
    (void)arg;
    if (reply && reply_error(reply))
        log_warn("event=bury_refused why=\"%s\"", reply_error(reply));
}

void publish_bury(struct worker *w, struct span entry_id, const char *why)
{
    struct script_args args;

    log_warn("event=entry_unanswerable node=%s entry=%.*s why=\"%s\"", w->config.node_id,
             SPAN_ARG(entry_id), why);
    script_args_init(&args);
    script_key(&args, w->stream_key);
    script_key(&args, w->epoch_key);
    script_key(&args, w->keys.dead);
    script_key(&args, w->keys.events);
    script_arg(&args, GROUP_WORKERS);
    script_arg(&args, w->config.node_id);
    script_arg_i64(&args, w->session.epoch);
    script_arg_span(&args, entry_id);
    script_arg(&args, why);
    (void)scripts_call(w->session.commands, SCRIPT_BURY, &args, on_buried, w);
}
