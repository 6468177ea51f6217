#include "run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"

#include "core/grow.h"
#include "core/sim_time.h"

#define POLL_MS   100
#define BAR_WIDTH 32

/* In memory that parent and children share. */
struct slot {
    double share; /* of the run that is done: for the progress bar only */
    struct outcome outcome;
};

struct batch {
    const struct setup *setup;
    const struct sim_case *sim_case;
    struct slot *slots;
    pid_t *pids;
    size_t n, begun, ended;
    bool has_failed, shows_progress;
};

/* --- one run ---------------------------------------------------------------------------------- */

static double clock_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void quantiles(double *values, size_t n, double *ret)
{
    qsort(values, n, sizeof *values, compare);
    for (size_t i = 0; i < RUN_QUANTILES && n > 0; i++)
        ret[i] = values[i * (n - 1) / (RUN_QUANTILES - 1)];
}

static void measure_curves(const struct engine *engine, struct outcome *outcome)
{
    double *latency = grow_new(engine->n_requests, sizeof *latency);
    double *bound = grow_new(engine->n_requests, sizeof *bound);
    size_t n = result_latencies(engine, latency, bound);

    quantiles(latency, n, outcome->latency_s);
    quantiles(bound, n, outcome->bound_s);
    free(latency);
    free(bound);
}

static void on_progress(void *arg, double share)
{
    struct slot *slot = arg;

    slot->share = share;
}

static void run_one(const struct batch *batch, struct slot *slot)
{
    struct workload workload;
    struct engine engine;
    double began_s = clock_s();

    setup_workload(batch->sim_case, slot->outcome.seed, &workload);
    engine_init(&engine, &batch->sim_case->scenario, &workload, slot->outcome.kind,
                batch->setup->discipline, slot->outcome.seed, batch->setup->options);
    engine_run(&engine, on_progress, slot);
    result_of(&engine, &slot->outcome.result);
    measure_curves(&engine, &slot->outcome);
    slot->outcome.hash = engine.hash;
    slot->outcome.result.run_s = clock_s() - began_s;
    slot->outcome.is_done = true;
    engine_free(&engine);
    workload_free(&workload);
}

/* --- several at a time ------------------------------------------------------------------------ */

static void begin(struct batch *batch)
{
    struct slot *slot = &batch->slots[batch->begun];
    pid_t pid;

    if (batch->setup->jobs == 0) {
        run_one(batch, slot);
        batch->begun++;
        batch->ended++;
        return;
    }
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        run_one(batch, slot);
        _exit(0);
    }
    if (pid < 0) {
        (void)fprintf(stderr, "orion-sim: cannot start a process: %s\n", strerror(errno));
        batch->has_failed = true;
    }
    batch->pids[batch->begun++] = pid;
}

/* Waits for a child, or for POLL_MS if the bar is to move. */
static void wait_for_one(struct batch *batch)
{
    int status = 0;
    pid_t pid = waitpid(-1, &status, batch->shows_progress ? WNOHANG : 0);

    if (pid == 0) {
        (void)poll(NULL, 0, POLL_MS);
        return;
    }
    for (size_t i = 0; i < batch->begun; i++) {
        if (pid > 0 && batch->pids[i] == pid) {
            batch->pids[i] = 0;
            batch->ended++;
            if (!batch->slots[i].outcome.is_done)
                batch->has_failed = true;
        }
    }
}

static void show_progress(const struct batch *batch)
{
    double sum = 0;
    char bar[BAR_WIDTH + 1];

    if (!batch->shows_progress)
        return;
    for (size_t i = 0; i < batch->n; i++)
        sum += batch->slots[i].outcome.is_done ? 1 : batch->slots[i].share;
    sum /= (double)batch->n;
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < sum * BAR_WIDTH ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    (void)fprintf(stderr, "\r%-10s [%s] %3.0f %%, run %zu of %zu ", batch->sim_case->scenario.name,
                  bar, 100 * sum, batch->ended < batch->n ? batch->ended + 1 : batch->n, batch->n);
}

static void run_all(struct batch *batch)
{
    size_t jobs = batch->setup->jobs > 0 ? (size_t)batch->setup->jobs : 1;

    while (batch->ended < batch->n && !batch->has_failed) {
        while (batch->begun < batch->n && batch->begun - batch->ended < jobs && !batch->has_failed)
            begin(batch);
        if (batch->begun > batch->ended)
            wait_for_one(batch);
        show_progress(batch);
    }
    while (batch->setup->jobs > 0 && waitpid(-1, NULL, 0) > 0)
        continue;
    if (batch->shows_progress)
        (void)fputs("\r\033[K", stderr);
}

static void fill_slots(struct batch *batch)
{
    size_t i = 0;

    for (size_t p = 0; p < batch->setup->n_policies; p++) {
        for (int64_t seed = batch->setup->seed_first; seed <= batch->setup->seed_last; seed++) {
            batch->slots[i].outcome.kind = batch->setup->policies[p];
            batch->slots[i++].outcome.seed = (uint64_t)seed;
        }
    }
}

bool run_case(const struct setup *setup, const struct sim_case *sim_case, struct report *ret)
{
    size_t n = setup->n_policies * (size_t)(setup->seed_last - setup->seed_first + 1);
    struct batch batch = {
        .setup = setup, .sim_case = sim_case, .n = n, .shows_progress = isatty(STDERR_FILENO) != 0};

    batch.slots = mmap(NULL, n * sizeof *batch.slots, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (batch.slots == MAP_FAILED) {
        (void)fprintf(stderr, "orion-sim: no memory for %zu runs\n", n);
        return false;
    }
    batch.pids = grow_new(n, sizeof *batch.pids);
    fill_slots(&batch);
    run_all(&batch);
    *ret = (struct report){.sim_case = sim_case, .setup = setup, .n = n};
    ret->outcomes = grow_new(n, sizeof *ret->outcomes);
    for (size_t i = 0; i < n; i++)
        ret->outcomes[i] = batch.slots[i].outcome;
    (void)munmap(batch.slots, n * sizeof *batch.slots);
    free(batch.pids);
    if (batch.has_failed)
        (void)fputs("orion-sim: a run ended early; its message is above\n", stderr);
    return !batch.has_failed;
}

void run_free(struct report *report)
{
    free(report->outcomes);
    *report = (struct report){0};
}

size_t run_of_policy(const struct report *report, size_t index, const struct outcome **ret_first)
{
    size_t seeds = report->n / report->setup->n_policies;

    *ret_first = &report->outcomes[index * seeds];
    return seeds;
}
