#include "job.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "errors.h"
#include "generate.h"
#include "lines.h"
#include "output.h"
#include "text.h"

static void count_in(struct job *job)
{
    struct counters *counters = &job->sim->counters;
    job->counted = true;
    job->model->requests++;
    if (++counters->in_flight > counters->max_in_flight)
        counters->max_in_flight = counters->in_flight;
    if (++job->model->in_flight > job->model->max_in_flight)
        job->model->max_in_flight = job->model->in_flight;
}

static void count_out(struct job *job)
{
    if (!job->counted)
        return;
    job->counted = false;
    job->sim->counters.in_flight--;
    job->model->in_flight--;
}

static void job_free(struct job *job)
{
    count_out(job);
    TAILQ_REMOVE(&job->sim->jobs, job, all);
    event_free(job->timer);
    evbuffer_free(job->merged);
    evbuffer_free(job->content);
    evbuffer_free(job->thinking);
    evbuffer_free(job->logprobs);
    tokens_free(&job->prompt);
    answer_free(&job->answer);
    request_free(&job->request);
    free(job);
}

void job_end(struct job *job)
{
    bool referenced = job->referenced;
    if (job->slot >= 0)
        sched_free_slot(job, &job->prompt);
    if (referenced) {
        job->referenced = false;
        sched_release(job);
    }
    job_free(job);
}

void job_kill(struct job *job)
{
    if (job->slot >= 0)
        job->model->running--;
    job->slot = -1;
    job->runner = NULL;
    job_free(job);
}

static void on_orphan(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    job_end(context);
}

/* The client has gone, the slot does not know yet. */
static void leave_orphan(struct job *job, bool wedged)
{
    int64_t busy_ns = generate_orphan_ns(job);
    job->state = JOB_ORPHAN;
    event_free(job->timer);
    job->timer = sim_timer_new(job->sim, on_orphan, job);
    if (!wedged)
        sim_timer(job->timer, busy_ns);
    job->sim->counters.wedged += wedged;
    if (job->referenced) {
        job->referenced = false;
        sched_release(job); /* may kill the job */
    }
}

static void on_gone(void *context)
{
    struct job *job = context;
    struct sim *sim = job->sim;
    struct conn *conn = job->conn;
    bool blocked = conn_blocked(conn) && sim->settings.wedge && !job->plan.on[FAULT_LONG_LINE];
    job->conn = NULL;
    sim->counters.aborted++;
    count_out(job);
    switch (job->state) {
    case JOB_SCHEDULING:
        sched_cancel(sim, job);
        job_end(job);
        break;
    case JOB_WAITING:
        sched_leave_slot_queue(job);
        job_end(job);
        break;
    case JOB_PREFILL:
        leave_orphan(job, false);
        break;
    case JOB_GENERATING:
        if (blocked)
            leave_orphan(job, true);
        else
            job_end(job);
        break;
    case JOB_ORPHAN:
        break;
    }
}

void job_fail(struct job *job, int status, const char *text)
{
    job->sim->counters.failed++;
    output_error(job, status, "application/json; charset=utf-8", text);
    job_end(job);
}

/* `load` and `unload`: an object like a last line, without metrics. */
static void answer_empty(struct job *job, const char *reason)
{
    struct evbuffer *text = evbuffer_new();
    struct evbuffer *body = evbuffer_new();
    struct line line = {.content = "", .done = true, .done_reason = reason};
    bool embed = job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS;
    if (embed)
        embed_write(job, body);
    else
        line_write(job, &line, text);
    if (!embed)
        evbuffer_remove_buffer(text, body, evbuffer_get_length(text) - 1);
    enum output output = output_body(job, body);
    evbuffer_free(text);
    evbuffer_free(body);
    if (output == OUTPUT_OVER) {
        job->sim->counters.completed++;
        job_end(job);
    }
}

void job_scheduled(struct job *job)
{
    job->referenced = true;
    job->load_ns = sim_now_ns() - job->arrived_ns;
    job->state = JOB_WAITING;
    if (job->request.empty)
        answer_empty(job, "load");
    else
        sched_wait_slot(job);
}

void job_slot(struct job *job)
{
    generate_start(job);
}

/* The errors that come before anything else, by fault. True: answered. */
static bool fails_by_fault(struct job *job)
{
    char text[FAILURE_TEXT_MAX];
    int64_t status = 0;
    if (!job->plan.on[FAULT_STATUS])
        return false;
    const struct named_error *error = error_find(job->plan.status);
    if (error != NULL && error->stage == ERROR_RUNNING)
        return false;
    if (error == NULL) {
        if (text_integer(job->plan.status, 100, 599, &status) != 0)
            status = 500;
        job_fail(job, (int)status, job->plan.text[0] != '\0' ? job->plan.text : "simulated error");
        return true;
    }
    error_text(error, job->sim->profile, job->request.model, text, sizeof(text));
    if (error->type == NULL) {
        job_fail(job, error->status, text);
        return true;
    }
    struct conn *conn = job->conn;
    job->conn = NULL;
    job->sim->counters.failed++;
    conn_reply_text(conn, error->status, error->type[0] != '\0' ? error->type : NULL, text);
    job_end(job);
    return true;
}

static bool is_unload(const struct job *job)
{
    int64_t zero_below = job->sim->profile->half_second_is_zero ? 1000000000 : 1;
    return job->request.empty && job->request.keep_alive_given &&
           job->request.keep_alive_ns < zero_below &&
           (job->request.kind == INFER_GENERATE || job->request.kind == INFER_CHAT);
}

/* Ollama's bound: no answer is longer than ten contexts, whatever was asked for. */
static void clamp_num_predict(struct job *job)
{
    int64_t most = 10 * (int64_t)job->options.num_ctx;
    if (job->request.num_predict < 0 || job->request.num_predict > most)
        job->request.num_predict = most;
}

static void prepare(struct job *job)
{
    struct sim *sim = job->sim;
    int tokens = sim->settings.answer_tokens > 0 ? sim->settings.answer_tokens : job->model->tokens;
    job->options = sched_effective(sim, job->model, &job->request.runner);
    if (job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS) {
        embed_tokens(&job->request, &job->prompt);
        job->prompt_count = job->prompt.count;
        return;
    }
    clamp_num_predict(job);
    prompt_render(&job->request, (size_t)job->options.num_ctx, &job->prompt);
    job->prompt_count = job->prompt.count;
    answer_init(&job->answer, &job->request, job->model, sim->profile, &job->plan, tokens);
}

static struct job *job_new(struct sim *sim, struct conn *conn)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        abort();
    job->sim = sim;
    job->conn = conn;
    job->slot = -1;
    job->arrived_ns = sim_now_ns();
    job->timer = sim_timer_new(sim, on_orphan, job);
    job->merged = evbuffer_new();
    job->content = evbuffer_new();
    job->thinking = evbuffer_new();
    job->logprobs = evbuffer_new();
    TAILQ_INSERT_TAIL(&sim->jobs, job, all);
    return job;
}

static void run(struct job *job)
{
    struct failure failure = {0};
    if (fails_by_fault(job))
        return;
    if (check_request(job, &failure) != 0) {
        job_fail(job, failure.status, failure.text);
        return;
    }
    conn_set_owner(job->conn, job, on_gone);
    if (is_unload(job)) {
        job->state = JOB_WAITING; /* for nothing: it only matters if a fault lets the answer hang */
        sched_expire_model(job->sim, job->model);
        answer_empty(job, "unload");
        return;
    }
    prepare(job);
    if (!job->request.empty)
        count_in(job);
    sched_submit(job->sim, job);
}

void job_start(struct sim *sim, struct conn *conn, enum infer_kind kind,
               const struct http_request *request)
{
    struct failure failure = {0};
    struct job *job = job_new(sim, conn);
    int r = request_parse(kind, request->body, request->body_bytes, sim->profile, &job->request,
                          &failure);
    faults_take(&sim->faults, request->path, r == 0 ? job->request.model : "", &job->plan);
    if (job->plan.on[FAULT_SPLIT])
        conn_set_piece(conn, (size_t)job->plan.number[FAULT_SPLIT]);
    if (output_hangs_at_once(conn, &job->plan)) {
        job->conn = NULL;
        job_end(job);
    } else if (r != 0) {
        job_fail(job, failure.status, failure.text);
    } else {
        run(job);
    }
}
