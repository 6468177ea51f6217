#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "job.h"

/*
 * Whether Ollama would take on a request: name, capabilities, input length. Sets job->model. 0, or
 * -EINVAL with the status and exact text that Ollama answers with.
 */
int check_request(struct job *job, struct failure *ret_failure);

/* What is found only with the runner at hand: too long a prompt. Same results. */
int check_prompt(const struct job *job, struct failure *ret_failure);

#endif
