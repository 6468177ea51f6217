#include "generate.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "errors.h"
#include "lines.h"
#include "output.h"
#include "text.h"

/* How often a job whose client does not read looks whether that has changed. */
static const int64_t BLOCKED_POLL_NS = 5000000;

/* Empties, so that json always has a pointer. */
static const char *joined(struct evbuffer *buffer)
{
    size_t length = evbuffer_get_length(buffer);
    return length > 0 ? (const char *)evbuffer_pullup(buffer, -1) : "";
}

static double token_interval_ns(const struct job *job)
{
    if (job->plan.on[FAULT_SLOW_TOKENS])
        return (double)job->plan.number[FAULT_SLOW_TOKENS];
    return 1e9 / job->model->gen_tps / job->sim->settings.speed;
}

static bool native_tools(const struct job *job)
{
    return job->sim->profile->llama_server && job->model->native;
}

/* Acts on what became of some output. True: the job goes on. */
static bool goes_on(struct job *job, enum output output)
{
    switch (output) {
    case OUTPUT_GOES_ON:
        return true;
    case OUTPUT_OVER:
        job->sim->counters.completed++;
        job_end(job);
        return false;
    case OUTPUT_HANGS:
        return false;
    }
    return true;
}

static bool send_line(struct job *job, const struct line *line, bool last)
{
    struct evbuffer *text = evbuffer_new();
    line_write(job, line, text);
    enum output output = output_line(job, text, last);
    evbuffer_free(text);
    return goes_on(job, output);
}

static void send_joined(struct job *job, struct line *line)
{
    struct evbuffer *body = evbuffer_new();
    struct evbuffer *text = evbuffer_new();
    line->content = joined(job->content);
    line->content_bytes = evbuffer_get_length(job->content);
    line->thinking_bytes = evbuffer_get_length(job->thinking);
    line->thinking = line->thinking_bytes > 0 ? joined(job->thinking) : NULL;
    line->tool_calls = job->answer.calls_tool;
    line_write(job, line, text);
    /* The newline is the stream's, not the object's. */
    evbuffer_remove_buffer(text, body, evbuffer_get_length(text) - 1);
    enum output output = output_body(job, body);
    evbuffer_free(text);
    evbuffer_free(body);
    goes_on(job, output);
}

static void finish(struct job *job)
{
    struct line line = {
        .content = "",
        .done = true,
        .done_reason = job->answer.cut ? "length" : "stop",
        .metrics = true,
    };
    job->eval_ns = (int64_t)(token_interval_ns(job) * (double)job->answer_tokens);
    if (job->answer.dropped || (!job->request.stream && job->plan.on[FAULT_CLEAN_END_AFTER]))
        line = (struct line){.content = ""};
    if (!job->request.stream) {
        send_joined(job, &line);
        return;
    }
    if (job->answer.dropped) {
        goes_on(job, output_end(job));
        return;
    }
    if (job->answer.calls_tool && native_tools(job)) {
        line.tool_calls = true;
    } else if (job->answer.calls_tool) {
        struct line call = {.content = "", .tool_calls = true};
        if (!send_line(job, &call, false))
            return;
    }
    send_line(job, &line, true);
}

/* One token, or nothing to be seen for a tool call. False: the job is over or hangs. */
static bool emit(struct job *job, enum answer_part part, const char *text, size_t len)
{
    struct line line = {.content = ""};
    tokens_add(&job->prompt, text, len);
    job->answer_tokens++;
    job->model->generated++;
    if (part == PART_SILENT)
        return true;
    if (job->request.logprobs && part == PART_CONTENT)
        line_logprob(job, text, len);
    if (!job->request.stream) {
        evbuffer_add(part == PART_THINKING ? job->thinking : job->content, text, len);
        return true;
    }
    if (job->plan.on[FAULT_EMPTY_CHUNKS] && !send_line(job, &line, false))
        return false;
    if (part == PART_THINKING) {
        line.thinking = text;
        line.thinking_bytes = len;
    } else {
        line.content = text;
        line.content_bytes = len;
    }
    return send_line(job, &line, false);
}

static void on_token(evutil_socket_t fd, short what, void *context)
{
    struct job *job = context;
    double interval = token_interval_ns(job);
    (void)fd;
    (void)what;
    if (conn_blocked(job->conn)) {
        sim_timer(job->timer, BLOCKED_POLL_NS);
        return;
    }
    int64_t elapsed = sim_now_ns() - job->generating_ns;
    while (!answer_ended(&job->answer)) {
        enum answer_part part = PART_CONTENT;
        const char *text = NULL;
        size_t len = 0;
        double due = interval * (double)(job->answer_tokens + 1);
        if ((double)elapsed < due) {
            sim_timer(job->timer, (int64_t)due - elapsed + 1000);
            return;
        }
        answer_next(&job->answer, &part, &text, &len);
        if (!emit(job, part, text, len))
            return;
    }
    finish(job);
}

static bool is_embedding(const struct job *job)
{
    return job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS;
}

static void send_embedding(struct job *job)
{
    struct evbuffer *body = evbuffer_new();
    embed_write(job, body);
    enum output output = output_body(job, body);
    evbuffer_free(body);
    goes_on(job, output);
}

/* The prompt has been evaluated, with the client still there or without. */
static void on_prompt(evutil_socket_t fd, short what, void *context)
{
    struct job *job = context;
    (void)fd;
    (void)what;
    if (is_embedding(job)) {
        send_embedding(job);
        return;
    }
    job->state = JOB_GENERATING;
    job->generating_ns = sim_now_ns();
    event_free(job->timer);
    job->timer = sim_timer_new(job->sim, on_token, job);
    on_token(-1, 0, job);
}

/* The errors that a runner has: their form depends on version and stream. */
static bool fails_running(struct job *job)
{
    char text[FAILURE_TEXT_MAX];
    struct failure failure = {0};
    const struct named_error *error =
        job->plan.on[FAULT_STATUS] ? error_find(job->plan.status) : NULL;
    if (error != NULL && error->stage == ERROR_RUNNING)
        failure_set(&failure, error->status, "%s",
                    error_text(error, job->sim->profile, job->request.model, text, sizeof(text)));
    else if (check_prompt(job, &failure) == 0)
        return false;
    if (job->request.stream && !job->sim->profile->real_status) {
        struct evbuffer *line = evbuffer_new();
        line_error(failure.text, true, line);
        output_line(job, line, true);
        evbuffer_free(line);
    } else {
        output_error(job, failure.status,
                     job->request.stream ? "application/json" : "application/json; charset=utf-8",
                     failure.text);
    }
    job->sim->counters.failed++;
    job_end(job);
    return true;
}

void generate_start(struct job *job)
{
    if (fails_running(job))
        return;
    size_t limit = (size_t)job->options.num_ctx;
    if (job->prompt.count > limit)
        job->prompt.count = limit; /* what the versions and inputs do that truncate */
    if (job->cached > job->prompt.count)
        job->cached = job->prompt.count;
    job->prompt_count = job->prompt.count;
    double uncached = (double)(job->prompt_count - job->cached);
    job->prompt_ns = (int64_t)(uncached / job->model->prompt_tps / job->sim->settings.speed * 1e9);
    if (job->plan.on[FAULT_SLOW_PREFILL])
        job->prompt_ns = job->plan.number[FAULT_SLOW_PREFILL];
    job->state = JOB_PREFILL;
    job->prefill_ends_ns = sim_now_ns() + job->prompt_ns;
    event_free(job->timer);
    job->timer = sim_timer_new(job->sim, on_prompt, job);
    sim_timer(job->timer, job->prompt_ns);
}

int64_t generate_orphan_ns(const struct job *job)
{
    const struct sim *sim = job->sim;
    int64_t left = job->prefill_ends_ns - sim_now_ns();
    int batch = job->options.num_batch > 0 ? job->options.num_batch : 512;
    if (left < 0)
        left = 0;
    if (!sim->profile->llama_server)
        return left;
    /* llama-server looks at the connection every second, and between batches. */
    int64_t notices =
        sim_scaled_ns(sim, 1000000000 + (int64_t)(batch / job->model->prompt_tps * 1e9));
    return left < notices ? left : notices;
}
