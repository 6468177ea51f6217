#ifndef WORKER_PUBLISH_END_H
#define WORKER_PUBLISH_END_H

/* What publish.c and publish_end.c share; see publish.h. */

#include "common/keys.h"
#include "common/scripts.h"

struct job;
struct redisReply;

/* The first four keys and the first four arguments of every script about a job: its stream, epoch,
 * job and callback; group, node, epoch and entry. */
void publish_keys(struct script_args *args, const struct job *job, char job_key[static KEY_MAX]);
void publish_gate(struct script_args *args, const struct job *job);

/* Sends it and counts it as outstanding. False if there is no connection. */
bool publish_call(struct job *job, enum script script, const struct script_args *args,
                  redis_conn_callback *callback);

/* An error reply: logged when it begins, and not each time. */
void publish_refused(struct job *job, const char *what, const struct redisReply *reply);

/* Asked with each answer to something of so many bytes, NULL included: will Redis never take it? It
 * drops the connection of a client that sends more than its proto-max-bulk-len in one value. */
bool publish_is_never_taken(struct job *job, size_t bytes, const struct redisReply *reply);

/* Sends what is left of the chunks, one after the other, each when the one before it is
 * acknowledged: a script that the server has forgotten is sent again later, and would come behind
 * what follows it. True when nothing is left, or was refused: then `done` may go out. */
bool publish_rest(struct job *job, int64_t now_ms);

#endif
