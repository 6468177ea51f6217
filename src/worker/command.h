#ifndef WORKER_COMMAND_H
#define WORKER_COMMAND_H

/*
 * Small helpers around Redis commands that several modules of the worker send.
 */

#include <stdbool.h>

#include "common/redis_conn.h"

struct redisReply;

/* redis_conn_send() for NUL-terminated arguments, at most COMMAND_ARGS_MAX. */
#define COMMAND_ARGS_MAX 16
bool command_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                  const char *const *argv);

/* Is it the answer of a script, an array that begins with `word`? */
bool command_is(const struct redisReply *reply, const char *word);

/* Does the error say that this server cannot serve us now, and only another connection can help:
 * LOADING, READONLY, MASTERDOWN, NOAUTH? */
bool command_needs_reset(const struct redisReply *reply);

/* Does it say that the group or the stream is not there: NOGROUP, UNBLOCKED? */
bool command_lost_group(const struct redisReply *reply);

#endif
