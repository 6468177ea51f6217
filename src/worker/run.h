#ifndef WORKER_RUN_H
#define WORKER_RUN_H

/*
 * The HTTP call of one job: body out, pieces in, limits, verdict. Whatever arrives is taken at
 * once; what the client's side cannot take yet is kept within reply_max.
 */

#include <stdint.h>

struct job;

/* Ollama gets the request: STARTING -> RUNNING. `redis_ms` is Redis time now. */
void run_start(struct job *job, int64_t redis_ms);

/* The limits, and chunks that have become due. */
void run_drive(struct job *job, int64_t now_ms);

#endif
