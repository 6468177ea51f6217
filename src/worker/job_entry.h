#ifndef WORKER_JOB_ENTRY_H
#define WORKER_JOB_ENTRY_H

/*
 * From an entry of the node's stream to a job: copies what outlives the Redis reply and builds the
 * body for Ollama. Pure but for the body's buffer.
 */

#include "body.h"

struct err;
struct job;
struct request;
struct worker_config;

/* Copies the request into a FREE job, whose fields are zero. Only what was decoded counts: for
 * REQUEST_INVALID that may be no more than request id and callback. */
void job_take_request(struct job *job, const struct request *request);

/* Which of Ollama's endpoints it goes to. */
enum body_kind job_body_kind(const struct job *job);

/* Builds job->body. Returns 0, or a negative errno value with *err: the request's fault (see
 * body.h). */
int job_build_body(struct job *job, const struct request *request,
                   const struct worker_config *config, struct err *err);

#endif
