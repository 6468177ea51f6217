#ifndef SIM_OUTPUT_H
#define SIM_OUTPUT_H

#include "job.h"

/*
 * Sends a job's answer, with the faults of its plan on the way. All data is moved out of the
 * buffers given.
 */

enum output {
    OUTPUT_GOES_ON,
    OUTPUT_OVER,  /* the answer is complete or broken off: end the job */
    OUTPUT_HANGS, /* nothing more may be sent, the job stays until its client leaves */
};

/* One NDJSON line; the last one ends the answer. */
enum output output_line(struct job *job, struct evbuffer *line, bool last);

/* The end of a stream that has no last line. */
enum output output_end(struct job *job);

/* The whole answer of a request with stream:false, or of an embedding. */
enum output output_body(struct job *job, struct evbuffer *body);

/* An error: a status if nothing was sent, else a line; then the answer is over. */
void output_error(struct job *job, int status, const char *type, const char *text);

/* A fault that keeps the request from being looked at: hang-accept, hang-headers. True: it hangs.
 */
bool output_hangs_at_once(struct conn *conn, const struct fault_plan *plan);

#endif
