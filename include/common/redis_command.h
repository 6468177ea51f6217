#ifndef COMMON_REDIS_COMMAND_H
#define COMMON_REDIS_COMMAND_H

/*
 * Redis commands of texts, and the answers that every caller meets.
 */

#include <stdbool.h>

#include "common/keys.h"
#include "common/redis_conn.h"

#define REDIS_COMMAND_ARGS_MAX 16

/* redis_conn_send() for NUL-terminated arguments, 1 to REDIS_COMMAND_ARGS_MAX. */
bool redis_command_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                        const char *const *argv);

/* Appends an entry to P:events, which keeps about STREAM_KEEP_TEXT of them: `argc` texts, names and
 * values in turn, at most REDIS_COMMAND_EVENT_MAX. Nothing depends on an event arriving, so the
 * answer is not looked at. False if the connection is not READY. */
#define REDIS_COMMAND_EVENT_MAX (REDIS_COMMAND_ARGS_MAX - 6)
bool redis_command_event(struct redis_conn *conn, const struct keys *keys, int argc,
                         const char *const *argv);

/* For how long a read may block, in ms: at most `max_ms`, and if possible until just before the
 * next heartbeat, which comes in `beat_ms`, or before the one after it if that is near. Redis then
 * notices with the heartbeat that the time is up, and what it has to say about both arrives
 * together: one wake-up instead of two. */
int64_t redis_command_block_ms(int64_t beat_ms, int64_t max_ms);

/* Is a heartbeat that comes in `beat_ms` as good as due? Redis may notice a little before it that a
 * read's time is up, because somebody else has woken it: who is awake then does not sleep for the
 * rest. */
bool redis_command_is_beat_near(int64_t beat_ms);

/* Is it the answer of a script, an array that begins with `word`? */
bool redis_command_said(const struct redisReply *reply, const char *word);

/* Does the error say that this server cannot serve us now, and only another connection can help:
 * LOADING, READONLY, MASTERDOWN, NOAUTH? */
bool redis_command_needs_reset(const struct redisReply *reply);

/* Does it say that the group or the stream is not there: NOGROUP, UNBLOCKED? */
bool redis_command_lost_group(const struct redisReply *reply);

#endif
