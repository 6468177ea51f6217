#include "jobs.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/reply.h"

#include "http_call.h"
#include "job_entry.h"
#include "publish.h"
#include "run.h"
#include "worker.h"

/* --- counting and finding --------------------------------------------------------------------- */

unsigned jobs_in_flight(const struct worker *w)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->jobs.used; i++)
        n += w->jobs.all[i].state != JOB_FREE && !w->jobs.all[i].only_handed;
    return n;
}

unsigned jobs_held(const struct worker *w)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->jobs.used; i++)
        n += job_holds_entry(w->jobs.all[i].state);
    return n;
}

unsigned jobs_free_slots(const struct worker *w)
{
    unsigned slots = (unsigned)w->config.slots;
    unsigned taken = jobs_in_flight(w);

    return w->leave.is_stopping || taken >= slots ? 0 : slots - taken;
}

bool jobs_runs_model(const struct worker *w, const char *model_name)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        const struct job *job = &w->jobs.all[i];
        if (job->call && strcmp(job->model_name, model_name) == 0)
            return true;
    }
    return false;
}

struct job *jobs_find_entry(struct worker *w, struct span entry_id)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        if (job_holds_entry(job->state) && span_is(entry_id, job->entry_id))
            return job;
    }
    return NULL;
}

static struct job *find_place(struct worker *w)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        if (w->jobs.all[i].state == JOB_FREE)
            return &w->jobs.all[i];
    }
    return w->jobs.used < JOBS_MAX ? &w->jobs.all[w->jobs.used++] : NULL;
}

/* The one place where prompts and replies reach the log, and only if the operator wants it. */
void job_log_content(const struct job *job, struct span content, const char *what)
{
    size_t len = content.len < JOBS_CONTENT_MAX ? content.len : JOBS_CONTENT_MAX;

    if (job->worker->config.log_content) {
        log_info("event=content request_id=%s model=%s what=%s bytes=%zu text=\"%.*s\"",
                 job->request_id, job->model_name, what, content.len,
                 SPAN_ARG(((struct span){content.ptr, len})));
    }
}

/* --- a job comes ------------------------------------------------------------------------------ */

/* Decodes the entry into a FETCHED job. NULL: there is nothing to do (it was buried). */
static struct job *job_new(struct worker *w, struct job *place, const struct redisReply *entry,
                           struct request *ret_request)
{
    struct err err;
    enum request_outcome outcome = request_decode(entry, &w->keys, REQUEST_FROM_ROUTER,
                                                  JOBS_ENTRY_MAX_BYTES, ret_request, &err);

    if (outcome == REQUEST_UNANSWERABLE) {
        publish_bury(w, ret_request->id, err.msg);
        return NULL;
    }
    *place = (struct job){.worker = w, .generation = place->generation + 1, .verdict = "-"};
    job_take_request(place, ret_request);
    place->was_delivered = true;
    job_step(&place->state, JOB_EVENT_FETCH);
    if (outcome == REQUEST_INVALID) {
        place->only_handed = true;
        job_refuse(place, CODE_INVALID_REQUEST, false, err.msg);
    }
    return place;
}

static void give_back(struct job *job, const struct jobs_give_back *how)
{
    job->was_delivered = how->was_delivered;
    job->verdict = "given-back";
    job->ending.kind = ENDING_GIVE_BACK;
    job->ending.is_counted = how->is_counted;
    job->ending.is_blamed = how->is_blamed;
    (void)snprintf(job->ending.sentence, sizeof job->ending.sentence, "%s", how->why);
    job_step(&job->state, JOB_EVENT_END);
}

void jobs_return(struct job *job, const char *why)
{
    give_back(job, &(struct jobs_give_back){.was_delivered = true, .is_counted = true, .why = why});
}

bool jobs_give_back(struct worker *w, const struct redisReply *entry,
                    const struct jobs_give_back *how)
{
    struct job *place = find_place(w);
    struct request request;

    if (jobs_find_entry(w, reply_span(reply_at(entry, 0))))
        return true;
    if (!place)
        return false;
    struct job *job = job_new(w, place, entry, &request);
    if (!job)
        return true;
    job->only_handed = true;
    if (job->state == JOB_FETCHED || !how->was_delivered) /* else its refusal is told from here */
        give_back(job, how);
    job_drive(job, clock_now_ms());
    return true;
}

/* What cannot be built is no request, or there was no memory for it, which another node may have.
 */
static void build_body(struct job *job, const struct request *request)
{
    unsigned long shortages = buf_shortages();
    struct err err;

    if (job->state != JOB_FETCHED || job_build_body(job, request, &job->worker->config, &err) == 0)
        return;
    if (buf_shortages() == shortages) {
        job_refuse(job, CODE_INVALID_REQUEST, false, err.msg);
    } else {
        job_stop(job, VERDICT_EVENT_NO_MEMORY, span_str(""));
    }
}

bool jobs_fetch(struct worker *w, const struct redisReply *entry)
{
    static const struct jobs_give_back not_now = {.was_delivered = true,
                                                  .why = "the node cannot take it now"};
    struct job *place = find_place(w);
    struct request request;

    if (jobs_find_entry(w, reply_span(reply_at(entry, 0))))
        return true;
    if (jobs_free_slots(w) == 0 || !availability_is_ok(&w->node.availability))
        return jobs_give_back(w, entry, &not_now);
    if (!place)
        return false;
    struct job *job = job_new(w, place, entry, &request);
    if (!job)
        return true;
    build_body(job, &request);
    job_log_content(job, buf_span(&job->body), "request");
    beat_soon(w);
    job_drive(job, clock_now_ms());
    return true;
}

/* --- a job ends ------------------------------------------------------------------------------- */

/* One end for all: the call is closed, the time taken, the end decided. */
static void job_end(struct job *job)
{
    if (job->state == JOB_RUNNING) {
        job->run_ms = clock_now_ms() - job->times.started_ms;
        if (job->call && job->ending.kind != ENDING_DONE)
            http_call_cancel(job->call);
    }
    job_step(&job->state, JOB_EVENT_END);
    log_debug("event=job_end request_id=%s verdict=%s why=\"%s\"", job->request_id, job->verdict,
              job->ending.sentence);
}

void job_refuse(struct job *job, const char *code, bool is_retryable, const char *sentence)
{
    if (!job_holds_entry(job->state) || job->state == JOB_FINISHING)
        return;
    job->verdict = "refused";
    job->ending = (struct ending){
        .kind = ENDING_ERROR,
        .code = code,
        .is_retryable = is_retryable,
    };
    (void)snprintf(job->ending.sentence, sizeof job->ending.sentence, "%s", sentence);
    job_end(job);
}

/* Failing fast must not attract more work: the slot rests for a while. */
static void note_failure(struct job *job, const struct verdict *verdict)
{
    struct worker *w = job->worker;

    w->jobs.failures++;
    job->rest_until_ms = job->times.started_ms + job_rest_ms(w->jobs.failures);
    log_warn("event=attempt_failed request_id=%s node=%s model=%s attempt=%lld why=\"%s%s%s\"",
             job->request_id, w->config.node_id, job->model_name, (long long)job->attempt,
             verdict->sentence, verdict->note ? "; " : "", verdict->note ? verdict->note : "");
}

static void decide(struct job *job, const struct verdict *verdict)
{
    switch (verdict->class) {
    case VERDICT_DONE:
        job->worker->jobs.failures = 0;
        job->ending.kind = ENDING_DONE;
        break;
    case VERDICT_RETRY:
    case VERDICT_AMBIGUOUS:
        note_failure(job, verdict);
        job->ending.kind = ENDING_GIVE_BACK;
        job->ending.is_counted = true;
        job->ending.is_blamed = true;
        break;
    case VERDICT_FINAL:
        job->ending.kind = ENDING_ERROR;
        job->ending.code = verdict_code_name(verdict->code);
        job->ending.is_retryable = verdict->code == VERDICT_CODE_DEADLINE_EXCEEDED;
        break;
    case VERDICT_DROP:
    case VERDICT_CLASS_COUNT:
        return;
    }
    (void)snprintf(job->ending.sentence, sizeof job->ending.sentence, "%s", verdict->sentence);
}

void job_stop(struct job *job, enum verdict_event event, struct span text)
{
    const struct verdict_input input = {
        .event = event,
        .http_status = job->http_status,
        .text = text,
        .chunks_sent = job->stream.has_sent,
    };
    struct worker *w = job->worker;
    struct verdict verdict;

    if (!job_holds_entry(job->state) || job->state == JOB_FINISHING)
        return;
    verdict_decide(&input, &verdict);
    job->verdict = verdict_class_name(verdict.class);
    decide(job, &verdict);
    if (verdict.refresh_tags)
        poller_want_tags(w);
    if (verdict.suspect_model)
        probe_suspect(w, job->model_name, job->kind == REQUEST_EMBED);
    job_end(job);
}

void jobs_lose(struct job *job, uint32_t generation)
{
    if (job->generation != generation || !job_holds_entry(job->state) ||
        job->state == JOB_FINISHING) /* finish.lua will hear of it itself */
        return;
    log_info("event=job_lost request_id=%s state=%s", job->request_id, job_state_name(job->state));
    if (job->call)
        http_call_cancel(job->call);
    job_step(&job->state, JOB_EVENT_LOST);
    job_drive(job, clock_now_ms());
}

void jobs_cancel(struct job *job, uint32_t generation)
{
    if (job->generation != generation)
        return;
    job_stop(job, VERDICT_EVENT_CANCELLED, span_str(""));
    job_drive(job, clock_now_ms());
}

void jobs_cancel_request(struct worker *w, struct span request_id, int64_t redis_ms)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        if (job_holds_entry(job->state) && span_is(request_id, job->request_id) &&
            redis_ms >= job->submitted_ms)
            jobs_cancel(job, job->generation);
    }
}

void jobs_give_back_all(struct worker *w, bool also_running)
{
    int64_t now_ms = clock_now_ms();

    for (size_t i = 0; i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        bool has_begun = job->state == JOB_STARTING || job->state == JOB_RUNNING;
        if (job->state != JOB_FETCHED && !(has_begun && also_running))
            continue;
        if (job->call) {
            job->run_ms = now_ms - job->times.started_ms;
            http_call_cancel(job->call);
        }
        give_back(job, &(struct jobs_give_back){.was_delivered = true,
                                                .is_counted = has_begun,
                                                .why = "the node is stopping"});
        job_drive(job, now_ms);
    }
}

void jobs_abandon(struct worker *w)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        if (job->call)
            http_call_cancel(job->call);
        if (job_holds_entry(job->state))
            job_step(&job->state, JOB_EVENT_LOST);
    }
}

/* --- going on --------------------------------------------------------------------------------- */

static void job_clear(struct job *job)
{
    buf_done(&job->body);
    buf_done(&job->response);
    buf_done(&job->refusal);
    buf_done(&job->stream.out);
    buf_done(&job->stream.rest);
    lines_done(&job->lines);
    answer_done(&job->answer);
    chunks_done(&job->stream.chunks);
}

static void rest(struct job *job, int64_t now_ms)
{
    if (job->call && now_ms >= job->close_ms)
        http_call_cancel(job->call);
    if (job->call || job->outstanding > 0 || now_ms < job->rest_until_ms)
        return;
    job_clear(job);
    job_step(&job->state, JOB_EVENT_RESTED);
    if (!job->only_handed)
        beat_soon(job->worker);
    job->worker->jobs.is_freed = true;
}

static void start(struct job *job, int64_t now_ms)
{
    static const struct jobs_give_back stopping = {.was_delivered = true,
                                                   .why = "the node is stopping"};
    struct worker *w = job->worker;

    if (w->leave.is_stopping) {
        give_back(job, &stopping); /* start.lua was on its way, and was refused */
    } else if (now_ms >= job->start_ms && session_can_write(w)) {
        publish_start(job);
    }
}

void job_drive(struct job *job, int64_t now_ms)
{
    if (job->state == JOB_FETCHED)
        start(job, now_ms);
    if (job->state == JOB_RUNNING)
        run_drive(job, now_ms);
    if (job->state == JOB_FINISHING)
        publish_end(job, now_ms);
    if (job->state == JOB_RESTING)
        rest(job, now_ms);
    if (job->worker->jobs.is_freed) {
        job->worker->jobs.is_freed = false;
        feed_read(job->worker);
    }
}

int64_t jobs_chunk_due_ms(const struct worker *w, int64_t now_ms)
{
    int64_t first_ms = INT64_MAX;

    for (size_t i = 0; i < w->jobs.used; i++) {
        const struct job *job = &w->jobs.all[i];
        if (job->state != JOB_RUNNING || !job->wants_stream || job->stream.is_off ||
            job->stream.is_paced)
            continue;
        int64_t due_ms = chunks_due_ms(&job->stream.chunks);
        if (due_ms > now_ms && due_ms < first_ms)
            first_ms = due_ms;
    }
    return first_ms;
}

bool jobs_is_idle(const struct worker *w)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        if (w->jobs.all[i].state != JOB_FREE)
            return false;
    }
    return true;
}

void jobs_tick(struct worker *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->jobs.used; i++) {
        if (w->jobs.all[i].state != JOB_FREE)
            job_drive(&w->jobs.all[i], now_ms);
    }
}

void jobs_done(struct worker *w)
{
    for (size_t i = 0; i < w->jobs.used; i++)
        job_clear(&w->jobs.all[i]);
}
