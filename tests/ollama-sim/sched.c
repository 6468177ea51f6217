#include "sched.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "text.h"

static void wake(struct sim *sim)
{
    event_active(sim->sched.step, EV_TIMEOUT, 0);
}

struct runner *sched_find(struct sim *sim, const struct model *model)
{
    struct runner *runner = NULL;
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        if (runner->model == model)
            return runner;
    }
    return NULL;
}

struct runner_options sched_effective(const struct sim *sim, const struct model *model,
                                      const struct runner_options *wanted)
{
    struct runner_options options = *wanted;
    if (options.num_ctx == -1)
        options.num_ctx = model->num_ctx > 0          ? model->num_ctx
                          : sim->settings.num_ctx > 0 ? sim->settings.num_ctx
                                                      : sim->profile->default_num_ctx;
    if (options.num_ctx < 4)
        options.num_ctx = 4;
    if (options.num_ctx > model->train_ctx)
        options.num_ctx = model->train_ctx;
    if (options.num_batch == -1)
        options.num_batch = 512;
    if (!sim->profile->shift_reloads)
        options.shift = -1;
    return options;
}

static bool needs_reload(const struct runner *runner, const struct job *job)
{
    const struct runner_options *a = &runner->options;
    const struct runner_options *b = &job->options;
    return runner->dead || a->num_ctx != b->num_ctx || a->num_batch != b->num_batch ||
           (b->num_gpu != -1 && a->num_gpu != b->num_gpu) || a->main_gpu != b->main_gpu ||
           a->use_mmap != b->use_mmap || a->num_thread != b->num_thread || a->shift != b->shift;
}

/* Jobs that are left in a runner when it goes: orphans, whose work ends with the process. */
static void kill_jobs(struct runner *runner)
{
    struct sim *sim = runner->sim;
    struct job *next = NULL;
    for (struct job *job = TAILQ_FIRST(&sim->jobs); job != NULL; job = next) {
        next = TAILQ_NEXT(job, all);
        if (job->runner == runner)
            job_kill(job);
    }
}

static void unload(struct runner *runner)
{
    struct sim *sim = runner->sim;
    kill_jobs(runner);
    if (sim->sched.load == runner)
        sim->sched.load = NULL;
    if (runner->state == RUNNER_READY)
        sim->counters.unloads++;
    LIST_REMOVE(runner, link);
    for (int i = 0; i < SLOTS_MAX; i++)
        tokens_free(&runner->slots[i].cache);
    event_free(runner->timer);
    free(runner);
    wake(sim);
}

/* The runner is to go when its last request ends; now, if it has none. True: it is gone. */
static bool expire(struct runner *runner)
{
    runner->keep_alive_ns = 0;
    if (runner->references > 0)
        return false;
    unload(runner);
    return true;
}

void sched_expire_model(struct sim *sim, struct model *model)
{
    struct runner *runner = sched_find(sim, model);
    if (runner == NULL || runner->state == RUNNER_LOADING)
        return;
    sim_wall(&runner->expires_s, &runner->expires_ns);
    runner->expiry_known = true;
    expire(runner);
}

static void on_expired(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct runner *runner = context;
    if (runner->references == 0)
        unload(runner);
}

static void use(struct runner *runner, struct job *job)
{
    event_del(runner->timer);
    runner->references++;
    if (job->request.keep_alive_given)
        runner->keep_alive_ns = job->request.keep_alive_ns;
    job->runner = runner;
    job_scheduled(job);
}

static void strike_dead(struct runner *runner)
{
    struct sim *sim = runner->sim;
    if (faults_strike(&sim->faults, FAULT_PS_DEAD_RUNNER, runner->model->name, &runner->ping_ns))
        runner->dead = true;
}

void sched_strike_dead(struct sim *sim)
{
    struct runner *runner = NULL;
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        if (runner->state == RUNNER_READY && runner->references == 0 && !runner->dead)
            strike_dead(runner);
    }
}

static void start_expiry(struct runner *runner)
{
    int64_t keep_ns = sim_scaled_ns(runner->sim, runner->keep_alive_ns);
    sim_wall(&runner->expires_s, &runner->expires_ns);
    runner->expires_s += keep_ns / 1000000000;
    runner->expires_ns += (int32_t)(keep_ns % 1000000000);
    if (runner->expires_ns >= 1000000000) {
        runner->expires_ns -= 1000000000;
        runner->expires_s++;
    }
    runner->expiry_known = true;
    if (keep_ns != DURATION_FOREVER)
        sim_timer(runner->timer, keep_ns);
}

void sched_release(struct job *job)
{
    struct runner *runner = job->runner;
    if (job->slot < 0)
        job->runner = NULL;
    if (--runner->references > 0)
        return;
    if (runner->keep_alive_ns <= 0) {
        unload(runner);
        return;
    }
    start_expiry(runner);
    strike_dead(runner);
}

static void on_loaded(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct runner *runner = context;
    struct sim *sim = runner->sim;
    struct job *job = sim->sched.current;
    runner->state = RUNNER_READY;
    sim->counters.loads++;
    runner->model->loads++;
    event_free(runner->timer);
    runner->timer = sim_timer_new(sim, on_expired, runner);
    sim->sched.load = NULL;
    sim->sched.current = NULL;
    use(runner, job);
    wake(sim);
}

static void start_load(struct sim *sim, struct job *job)
{
    struct runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL)
        abort();
    runner->sim = sim;
    runner->model = job->model;
    runner->options = job->options;
    runner->keep_alive_ns =
        job->request.keep_alive_given ? job->request.keep_alive_ns : sim->settings.keep_alive_ns;
    runner->slot_count = sim_slots(sim, job->model);
    TAILQ_INIT(&runner->waiting);
    runner->timer = sim_timer_new(sim, on_loaded, runner);
    LIST_INSERT_HEAD(&sim->sched.runners, runner, link);
    sim->sched.load = runner;
    if (!job->plan.on[FAULT_LOAD_HANG])
        sim_timer(runner->timer, sim_scaled_ns(sim, job->model->load_ns));
}

/* Shortest keep_alive first, ties by digest: Ollama's order of eviction. */
static bool goes_before(const struct runner *a, const struct runner *b)
{
    if (a->keep_alive_ns != b->keep_alive_ns)
        return a->keep_alive_ns < b->keep_alive_ns;
    return strcmp(a->model->digest, b->model->digest) < 0;
}

static struct runner *find_victim(struct sim *sim)
{
    struct runner *first = NULL;
    struct runner *first_idle = NULL;
    struct runner *runner = NULL;
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        if (first == NULL || goes_before(runner, first))
            first = runner;
        if (runner->references == 0 && (first_idle == NULL || goes_before(runner, first_idle)))
            first_idle = runner;
    }
    return first_idle != NULL ? first_idle : first;
}

static int loaded_count(const struct sim *sim)
{
    int count = 0;
    const struct runner *runner = NULL;
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        count++;
    }
    return count;
}

/* Works on the current job. True: it is done with, the next one may come. */
static bool try_current(struct sim *sim)
{
    struct job *job = sim->sched.current;
    struct runner *runner = sched_find(sim, job->model);
    if (runner != NULL && runner->dead && runner->ping_ns > 0) {
        sim_timer(sim->sched.ping, runner->ping_ns);
        runner->ping_ns = 0;
        return false;
    }
    if (runner != NULL && !needs_reload(runner, job)) {
        sim->sched.current = NULL;
        use(runner, job);
        return true;
    }
    if (runner == NULL && loaded_count(sim) >= sim->settings.max_loaded)
        runner = find_victim(sim);
    if (runner != NULL && !expire(runner))
        return false; /* unload() wakes us */
    if (runner == NULL)
        start_load(sim, job);
    return false; /* also when one was unloaded: the wake-up goes on from there */
}

static void on_step(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct sim *sim = context;
    struct scheduler *sched = &sim->sched;
    bool more = true;
    while (more && sched->load == NULL && !evtimer_pending(sched->ping, NULL)) {
        if (sched->current == NULL) {
            sched->current = TAILQ_FIRST(&sched->pending);
            if (sched->current == NULL)
                return;
            TAILQ_REMOVE(&sched->pending, sched->current, link);
            sched->pending_count--;
        }
        more = try_current(sim);
    }
}

void sched_submit(struct sim *sim, struct job *job)
{
    struct runner *runner = sched_find(sim, job->model);
    bool ready = runner != NULL && runner->state == RUNNER_READY;
    if (sim->profile->fast_path && ready && !needs_reload(runner, job)) {
        use(runner, job);
        return;
    }
    if (sim->sched.pending_count >= (size_t)sim->settings.max_queue) {
        job_fail(job, 503, "server busy, please try again.  maximum pending requests exceeded");
        return;
    }
    TAILQ_INSERT_TAIL(&sim->sched.pending, job, link);
    sim->sched.pending_count++;
    wake(sim);
}

void sched_cancel(struct sim *sim, struct job *job)
{
    struct scheduler *sched = &sim->sched;
    if (sched->current != job) {
        TAILQ_REMOVE(&sched->pending, job, link);
        sched->pending_count--;
        return;
    }
    sched->current = NULL;
    event_del(sched->ping);
    if (sched->load != NULL) {
        sim->counters.load_aborts++;
        unload(sched->load);
    }
    wake(sim);
}

void sched_init(struct sim *sim)
{
    LIST_INIT(&sim->sched.runners);
    TAILQ_INIT(&sim->sched.pending);
    sim->sched.step = sim_timer_new(sim, on_step, sim);
    sim->sched.ping = sim_timer_new(sim, on_step, sim);
}

void sched_close(struct sim *sim)
{
    while (!LIST_EMPTY(&sim->sched.runners))
        unload(LIST_FIRST(&sim->sched.runners));
    event_free(sim->sched.step);
    event_free(sim->sched.ping);
}
