#include "job.h"
#include "sched.h"

/*
 * The slot for a prompt: up to 0.24 the one whose cache shares most with it; from 0.30 the same if
 * it shares at least a tenth (slot similarity), else the one that was not used for longest. -1:
 * none free.
 */
static int pick_slot(const struct runner *runner, const struct tokens *prompt)
{
    int best = -1;
    int oldest = -1;
    size_t most = 0;
    for (int i = 0; i < runner->slot_count; i++) {
        const struct slot *slot = &runner->slots[i];
        if (slot->busy)
            continue;
        size_t shared = tokens_common(&slot->cache, prompt);
        if (best < 0 || shared > most) {
            best = i;
            most = shared;
        }
        if (oldest < 0 || slot->used < runner->slots[oldest].used)
            oldest = i;
    }
    bool similar = most * 10 >= prompt->count && most > 0;
    return runner->sim->profile->llama_server && !similar ? oldest : best;
}

static void give_slot(struct job *job, int slot)
{
    struct runner *runner = job->runner;
    runner->slots[slot].busy = true;
    runner->slots[slot].used = ++runner->uses;
    job->slot = slot;
    job->cached = runner->sim->settings.prefix_cache
                      ? tokens_common(&runner->slots[slot].cache, &job->prompt)
                      : 0;
    struct model *model = runner->model;
    if (++model->running > model->max_running)
        model->max_running = model->running;
    job_slot(job);
}

void sched_wait_slot(struct job *job)
{
    struct runner *runner = job->runner;
    int slot = TAILQ_EMPTY(&runner->waiting) ? pick_slot(runner, &job->prompt) : -1;
    if (slot >= 0) {
        give_slot(job, slot);
        return;
    }
    TAILQ_INSERT_TAIL(&runner->waiting, job, link);
    runner->waiting_count++;
    job->queued = true;
}

void sched_leave_slot_queue(struct job *job)
{
    if (!job->queued)
        return;
    TAILQ_REMOVE(&job->runner->waiting, job, link);
    job->runner->waiting_count--;
    job->queued = false;
}

void sched_free_slot(struct job *job, struct tokens *held)
{
    struct runner *runner = job->runner;
    struct slot *slot = &runner->slots[job->slot];
    slot->busy = false;
    tokens_free(&slot->cache);
    slot->cache = *held;
    *held = (struct tokens){0};
    job->slot = -1;
    runner->model->running--;
    struct job *next = TAILQ_FIRST(&runner->waiting);
    if (next == NULL)
        return;
    sched_leave_slot_queue(next);
    give_slot(next, pick_slot(runner, &next->prompt));
}
