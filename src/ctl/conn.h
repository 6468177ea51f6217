#ifndef CTL_CONN_H
#define CTL_CONN_H

/*
 * A connection to Redis for a command line: one question, one answer, but never deaf: while it
 * waits, signals come through, and an answer that does not come in time is an error. The writer of
 * every message about Redis that a user sees.
 *
 * Errors of every function here, negative errno values with *err:
 *   -EINTR         a signal asks us to end
 *   -ETIMEDOUT     no answer in time; the connection is closed
 *   -ECONNREFUSED  cannot connect, or the connection broke; it is closed
 *   -EACCES        Redis refuses us: password, ACL
 *   -EMSGSIZE      the answer is larger than CONN_REPLY_MAX_BYTES; the connection is closed
 *   -EPROTO        Redis answered with another error
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/redis_url.h"
#include "common/span.h"

struct err;
struct redisReply;
struct conn;

#define CONN_TIMEOUT_MS      5000                /* to connect, and for an answer */
#define CONN_REPLY_MAX_BYTES ((size_t)128 << 20) /* of one answer */
#define CONN_ARGS_MAX        640

/* Not connected yet; conn_ask() connects. `url` is borrowed. */
struct conn *conn_new(const struct redis_url *url);
void conn_free(struct conn *conn); /* NULL is fine */

/* Connects and logs in, unless it is connected. Returns 0 or an error. */
int conn_open(struct conn *conn, struct err *err);
bool conn_is_open(const struct conn *conn);
void conn_close(struct conn *conn);

/* Arguments of one command, borrowed until conn_ask() returns. */
struct conn_args {
    size_t n;
    const char *argv[CONN_ARGS_MAX];
    size_t len[CONN_ARGS_MAX];
    char numbers[8][24];
    size_t n_numbers; /* of `numbers`, in use */
};

void conn_args(struct conn_args *args, const char *first);
void conn_arg(struct conn_args *args, const char *text);
void conn_arg_span(struct conn_args *args, struct span value);
void conn_arg_i64(struct conn_args *args, int64_t value);

/* Sends the command and waits for the answer, at most block_ms (how long the command itself may
 * block; 0) + CONN_TIMEOUT_MS. Returns 0 with *ret_reply, which is never an error reply and which
 * the caller frees with freeReplyObject(); or an error. */
int conn_ask(struct conn *conn, const struct conn_args *args, int64_t block_ms,
             struct redisReply **ret_reply, struct err *err);

/* The same for texts; the list ends with NULL. */
int conn_ask_texts(struct conn *conn, struct redisReply **ret_reply, struct err *err, ...)
    __attribute__((sentinel));

/* The answer of the oldest command that conn_send() has sent: as conn_ask() returns it. */
int conn_answer(struct conn *conn, struct redisReply **ret_reply, struct err *err);

/* For a command that waits for the keyboard as well: sends it, without waiting. Then the descriptor
 * to poll, and a look whether the answer is there: 1 with *ret_reply, 0 not yet, or an error. */
int conn_send(struct conn *conn, const struct conn_args *args, struct err *err);
int conn_fd(const struct conn *conn);
int conn_receive(struct conn *conn, struct redisReply **ret_reply, struct err *err);

#endif
