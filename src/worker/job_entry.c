#include "job_entry.h"

#include <string.h>

#include "common/conversation.h"
#include "common/err.h"
#include "common/json.h"
#include "common/request.h"

#include "http_call.h"
#include "jobs.h"
#include "worker.h"

/* A deadline behind this one, in the year 5138, was written by no router; Redis takes times to live
 * only up to a limit. */
#define DEADLINE_MAX_MS INT64_C(100000000000000)

/* Escaping can make a text six times as long ("\u0001"). */
#define ESCAPE_FACTOR 6

static size_t copy_bytes(struct span s, char *buf, size_t cap)
{
    size_t len = s.len < cap ? s.len : cap;

    if (s.ptr)
        memcpy(buf, s.ptr, len);
    return s.ptr ? len : 0;
}

/* A foreign entry may hold anything, and what is no JSON begins no conversation. */
static void take_conversation(struct job *job, const struct request *request)
{
    char conversation[REQUEST_SESSION_MAX + 1] = "";
    struct err why;
    bool is_json = (request->kind != REQUEST_CHAT || json_check(request->payload, &why) == 0) &&
                   (!request->params.ptr || json_check(request->params, &why) == 0);
    size_t len = is_json ? conversation_of(request, conversation) : 0;

    job->session_len =
        copy_bytes((struct span){conversation, len}, job->session, sizeof job->session);
}

void job_take_request(struct job *job, const struct request *request)
{
    (void)span_copy(request->id, job->entry_id, sizeof job->entry_id);
    (void)span_copy(request->request_id, job->request_id, sizeof job->request_id);
    (void)request_callback(request, &job->worker->keys, job->callback);
    (void)span_copy(span_str(request->model_name), job->model_name, sizeof job->model_name);
    if (!span_copy(request->model, job->model, sizeof job->model))
        (void)span_copy(span_str(request->model_name), job->model, sizeof job->model);
    (void)span_copy(request->tried, job->tried, sizeof job->tried);
    take_conversation(job, request);
    job->has_metadata =
        request->metadata.ptr != NULL && request->metadata.len <= sizeof job->metadata;
    job->metadata_len = copy_bytes(request->metadata, job->metadata, sizeof job->metadata);
    job->wants_stream = request->stream;
    job->wants_progress = request->progress;
    job->kind = request->kind;
    job->attempt = request->attempt > 0 ? request->attempt : 1;
    job->submitted_ms = request->submitted_ms;
    job->deadline_redis_ms =
        request->deadline_ms < DEADLINE_MAX_MS ? request->deadline_ms : DEADLINE_MAX_MS;
}

static enum body_kind body_kind_of(enum request_kind kind)
{
    switch (kind) {
    case REQUEST_CHAT:
        return BODY_CHAT;
    case REQUEST_GENERATE:
        return BODY_GENERATE;
    case REQUEST_EMBED:
    case REQUEST_KIND_COUNT:
        break;
    }
    return BODY_EMBED;
}

enum body_kind job_body_kind(const struct job *job)
{
    return body_kind_of(job->kind);
}

int job_build_body(struct job *job, const struct request *request,
                   const struct worker_config *config, struct err *err)
{
    const struct body_request body = {
        .kind = body_kind_of(request->kind),
        .model = request->model,
        .content = request->payload,
        .params = request->params,
        .num_ctx = config->num_ctx,
        .allow_runner_options = config->allow_runner_options,
    };

    size_t max_bytes = ESCAPE_FACTOR * (request->model.len + request->payload.len) +
                       request->params.len + BODY_SLACK_BYTES;

    buf_init(&job->body, max_bytes < HTTP_BODY_MAX_BYTES ? max_bytes : HTTP_BODY_MAX_BYTES);
    return body_build(&body, &job->body, job->dropped, err);
}
