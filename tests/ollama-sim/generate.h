#ifndef SIM_GENERATE_H
#define SIM_GENERATE_H

#include "job.h"

/* The work in a slot: evaluates the prompt, then makes token after token, on the job's timer. */

/* The slot is there: starts with the prompt. */
void generate_start(struct job *job);

/* How long the slot stays busy with a prompt whose client has just gone, in real ns. */
int64_t generate_orphan_ns(const struct job *job);

#endif
