#include "run.h"

#include <stdio.h>

#include "common/clock.h"

#include "http_call.h"
#include "job_entry.h"
#include "publish.h"
#include "worker.h"

/* How long a call whose answer is whole may take to close by itself, which lets the connection be
 * used again. */
#define CLOSE_MS 2000

/* --- the answer ------------------------------------------------------------------------------- */

/* Prompts of the model that were served from the prefix cache. */
static uint32_t hits_of(const struct worker *w, const char *model_name)
{
    const struct rates_model *model = rates_find(&w->node.rates, span_str(model_name));

    return model ? model->hits : 0;
}

static void learn(struct job *job)
{
    struct worker *w = job->worker;
    const struct answer_stats *stats = &job->answer.stats;
    const struct rates_sample sample = {
        .load_ns = stats->load_duration_ns,
        .prompt_tokens = stats->prompt_eval_count,
        .prompt_ns = stats->prompt_eval_duration_ns,
        .output_tokens = stats->eval_count,
        .output_ns = stats->eval_duration_ns,
        .was_resident = job->was_resident,
        .ollama_version = w->poller.version,
    };

    probe_clear(w, job->model_name);
    uint32_t hits = hits_of(w, job->model_name);

    node_learn(w, job->model_name, &sample, (struct span){job->session, job->session_len});
    job->was_cached = hits_of(w, job->model_name) > hits;
}

/* What does not fit was refused for its size, or because memory ran out meanwhile; the latter may
 * be better elsewhere. */
static void stop_too_large(struct job *job)
{
    job_stop(job,
             buf_shortages() == job->shortages ? VERDICT_EVENT_TOO_LARGE : VERDICT_EVENT_NO_MEMORY,
             span_str(""));
}

static void succeed(struct job *job)
{
    buf_clear(&job->response);
    if (!answer_compose(&job->answer, &job->response)) {
        stop_too_large(job);
        return;
    }
    learn(job);
    job->close_ms = clock_now_ms() + CLOSE_MS;
    job_stop(job, VERDICT_EVENT_DONE, span_str(""));
}

/* What one piece of the answer was. */
static void judge(struct job *job, enum answer_result result)
{
    switch (result) {
    case ANSWER_CHUNK:
        break;
    case ANSWER_FINAL:
        succeed(job);
        break;
    case ANSWER_ERROR:
        job_stop(job, VERDICT_EVENT_ERROR_LINE, span_str(job->answer.error));
        break;
    case ANSWER_GARBAGE:
        job_stop(job, VERDICT_EVENT_GARBAGE, span_str(job->answer.error));
        break;
    case ANSWER_TOO_LARGE:
        stop_too_large(job);
        break;
    }
}

static void take_line(struct job *job, struct span line)
{
    enum answer_result result = answer_add_line(&job->answer, line);
    bool shows = result == ANSWER_CHUNK || result == ANSWER_FINAL;

    if (shows && job->wants_stream && !job->stream.is_off &&
        !chunks_add(&job->stream.chunks, &job->answer.piece))
        result = ANSWER_TOO_LARGE;
    judge(job, result);
}

typedef enum lines_result next_line(struct lines *lines, struct span *ret_line);

static void take_lines(struct job *job, next_line *next)
{
    struct span line;
    enum lines_result got = LINES_NONE;

    while (job->state == JOB_RUNNING && (got = next(&job->lines, &line)) == LINES_LINE)
        take_line(job, line);
    if (got == LINES_TOO_LONG)
        stop_too_large(job);
}

static void first_piece(struct job *job)
{
    if (job->was_resident)
        return;
    poller_soon(job->worker); /* it is resident now: the fleet should know */
    if (job->wants_progress)
        publish_running(job);
}

static void on_data(struct span bytes, void *arg)
{
    struct job *job = arg;
    int64_t now_ms = clock_now_ms();

    if (job->state != JOB_RUNNING)
        return;
    job->http_status = http_call_status(job->call);
    if (job->http_status != 200) {
        size_t room = job->refusal.max_bytes - job->refusal.len;
        (void)buf_add(&job->refusal, bytes.ptr, bytes.len < room ? bytes.len : room);
        job->times.last_piece_ms = now_ms;
        if (bytes.len >= room) /* enough is known; it may have no end */
            job_stop(job, VERDICT_EVENT_HTTP_STATUS, buf_span(&job->refusal));
        return;
    }
    if (job->times.last_piece_ms == 0) {
        job->first_ms = now_ms - job->times.started_ms;
        first_piece(job);
    }
    job->times.last_piece_ms = now_ms;
    if (job->kind == REQUEST_EMBED) {
        judge(job, answer_add_body(&job->answer, bytes));
    } else {
        lines_feed(&job->lines, bytes);
        take_lines(job, lines_next);
    }
    job_drive(job, now_ms);
}

/* --- the end of the call ---------------------------------------------------------------------- */

static void complete(struct job *job, const struct http_outcome *outcome)
{
    job->http_status = outcome->status;
    if (outcome->status != 200) {
        job_stop(job, VERDICT_EVENT_HTTP_STATUS, buf_span(&job->refusal));
        return;
    }
    if (job->kind == REQUEST_EMBED) {
        judge(job, answer_end_body(&job->answer));
    } else {
        take_lines(job, lines_end);
    }
    if (job->state == JOB_RUNNING)
        job_stop(job, VERDICT_EVENT_ENDED, span_str(""));
}

static void on_done(const struct http_outcome *outcome, void *arg)
{
    struct job *job = arg;

    job->call = NULL;
    buf_done(&job->body);
    if (job->state == JOB_RUNNING) {
        switch (outcome->result) {
        case HTTP_OK_COMPLETE:
            complete(job, outcome);
            break;
        case HTTP_CONNECT_FAILED:
            job_stop(job, VERDICT_EVENT_CONNECT_FAILED, span_str(outcome->why));
            poller_soon(job->worker);
            break;
        case HTTP_SEND_FAILED:
        case HTTP_CUT:
        case HTTP_TIMED_OUT:
        case HTTP_ABORTED:
            job_stop(job, VERDICT_EVENT_CUT, span_str(outcome->why));
            poller_soon(job->worker);
            break;
        }
    }
    job_drive(job, clock_now_ms());
}

/* --- start and limits ------------------------------------------------------------------------- */

static void prepare(struct job *job)
{
    const struct worker_config *config = &job->worker->config;
    enum body_kind kind = job_body_kind(job);
    size_t reply_max = (size_t)config->reply_max_bytes;

    lines_init(&job->lines, reply_max);
    answer_init(&job->answer, kind, reply_max);
    chunks_init(&job->stream.chunks, kind, reply_max, config->chunk_interval_ms,
                (size_t)config->chunk_tokens);
    buf_init(&job->stream.out, reply_max + CHUNKS_SLACK_BYTES);
    buf_init(&job->response, reply_max + ANSWER_SLACK_BYTES);
    buf_init(&job->refusal, VERDICT_TEXT_MAX);
}

void run_start(struct job *job, int64_t redis_ms)
{
    struct worker *w = job->worker;
    int64_t now_ms = clock_now_ms();
    char url[sizeof w->config.ollama + 32];

    prepare(job);
    job->shortages = buf_shortages();
    job->first_ms = -1;
    job->queued_ms = redis_ms > job->submitted_ms ? redis_ms - job->submitted_ms : 0;
    job->times = (struct job_times){
        .started_ms = now_ms,
        .deadline_ms = job_deadline_ms(job->deadline_redis_ms, redis_ms, now_ms),
    };
    (void)snprintf(url, sizeof url, "%s%s", w->config.ollama, body_path(job_body_kind(job)));
    preload_make_way(w, job->model_name);
    job_step(&job->state, JOB_EVENT_STARTED);
    job->call = http_call_start(w->curl, &(struct http_request){
                                             .method = HTTP_POST,
                                             .url = url,
                                             .body = buf_span(&job->body),
                                             .on_data = on_data,
                                             .on_done = on_done,
                                             .arg = job,
                                         });
    log_debug("event=job_started request_id=%s attempt=%lld model=%s resident=%d", job->request_id,
              (long long)job->attempt, job->model_name, job->was_resident);
}

void run_drive(struct job *job, int64_t now_ms)
{
    const struct worker_config *config = &job->worker->config;
    const struct job_limits limits = {
        .first_byte_timeout_ms = config->first_byte_timeout_ms,
        .stall_timeout_ms = config->stall_timeout_ms,
    };

    switch (job_limit_passed(&job->times, &limits, now_ms)) {
    case JOB_LIMIT_NONE:
        publish_chunks(job, now_ms);
        return;
    case JOB_LIMIT_DEADLINE:
        job_stop(job, VERDICT_EVENT_DEADLINE, span_str(""));
        return;
    case JOB_LIMIT_FIRST_BYTE:
        job_stop(job, VERDICT_EVENT_NO_FIRST_BYTE, span_str(""));
        return;
    case JOB_LIMIT_STALL:
        job_stop(job, VERDICT_EVENT_STALL, span_str(""));
        return;
    }
}
