#ifndef WORKER_PUBLISH_H
#define WORKER_PUBLISH_H

/*
 * What a job says to Redis. Every word goes through a script that first asks whether the entry is
 * still ours (protocol 4.2), so sending again after a lost answer is safe. Answers come in the
 * order of the commands, on the connection for commands; each counts down job->outstanding and then
 * drives the job on.
 */

#include <stdint.h>

#include "common/span.h"

struct job;
struct worker;

/* Pause after a refusal (out of memory, disk full) before the same is sent again. */
#define PUBLISH_RETRY_MS 1000

/* start.lua, with a status entry if the client wants progress: FETCHED -> STARTING. */
void publish_start(struct job *job);

/* The status `running`, when the model had to be loaded first. */
void publish_running(struct job *job);

/* The chunk entries that are due: one on its way at a time; what comes meanwhile is merged. */
void publish_chunks(struct job *job, int64_t now_ms);

/* finish.lua or requeue.lua, by job->ending; before a `done` entry the chunks that still wait. */
void publish_end(struct job *job, int64_t now_ms);

/* bury.lua, for an entry that cannot be answered. If that fails, the next look at the pending
 * entries (reconcile.h) comes back to it. */
void publish_bury(struct worker *w, struct span entry_id, const char *why);

#endif
