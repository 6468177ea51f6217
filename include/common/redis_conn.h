#ifndef COMMON_REDIS_CONN_H
#define COMMON_REDIS_CONN_H

/*
 * One hiredis connection that keeps itself alive: connect, AUTH, SELECT, CLIENT SETNAME, reconnect
 * with backoff and jitter, deadlines on connecting and on the oldest unanswered command. The only
 * file that sets hiredis' connect and disconnect callbacks; written to the rules of hiredis 0.14.1
 * (nothing is freed inside those callbacks, every command's callback is called exactly once).
 *
 *     IDLE --start--> CONNECTING --greeted--> READY --lost--> CLOSING --closed--> WAITING
 *     CONNECTING --lost--> CLOSING        WAITING --timer--> CONNECTING        any --stop--> IDLE
 *
 * Never blocks, but for getaddrinfo() on a host name (a numeric address or a unix socket never
 * does). Callbacks run from the event loop; a command's callback may run inside
 * redis_conn_stop(). Not thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conn_state.h"
#include "common/redis_url.h"
#include "common/span.h"

struct event_base;
struct redisReply;
struct redis_conn;

struct redis_conn_config {
    struct event_base *base;
    const struct redis_url *url; /* borrowed for the life of the connection */
    const char *name;            /* CLIENT SETNAME and the log: "router-1:commands"; borrowed */
    /* A command that has been the next to be answered for this long: the connection is dead. One
     * that blocks in XREADGROUP needs more than BLOCK by some seconds. */
    int64_t command_timeout_ms;
    void (*on_ready)(void *arg); /* connected and greeted; commands may be sent now */
    /* A READY connection died and every outstanding command has had its callback with NULL. Comes
     * once for each on_ready(), unless redis_conn_stop() came first. */
    void (*on_lost)(void *arg);
    void *arg;
};

/* `reply` is NULL when the connection died before the answer: the command may or may not have been
 * executed. The reply is borrowed until the callback returns. Do not send on this connection while
 * `reply` is NULL: on_ready() is the place to begin again. */
typedef void redis_conn_callback(const struct redisReply *reply, void *arg);

/* IDLE. `config` is copied; what it points to is borrowed. */
struct redis_conn *redis_conn_new(const struct redis_conn_config *config);

/* Stops first; NULL is fine. Forbidden (asserted) inside a command's callback and inside on_ready()
 * of this connection, where redis_conn_stop() is allowed; allowed at the end of on_lost(). */
void redis_conn_free(struct redis_conn *conn);

/* Begins to connect, and never gives up. Nothing if it has been started. */
void redis_conn_start(struct redis_conn *conn);

/* Closes at once, from anywhere. Outstanding commands get their callback with NULL before this
 * returns, or, if called inside a callback of this connection, right after that callback.
 * on_lost() is not called: the owner knows. */
void redis_conn_stop(struct redis_conn *conn);

bool redis_conn_is_ready(const struct redis_conn *conn);

/* Why the connection was lost or could not be made the last time, in words; "" if never. Borrowed
 * until the next callback. */
const char *redis_conn_why(const struct redis_conn *conn);

/* Commands sent and not answered, and their bytes. A caller with more to send holds back above
 * REDIS_CONN_HOLD_BYTES: what Redis does not take lies in our memory. */
unsigned redis_conn_pending(const struct redis_conn *conn);
size_t redis_conn_pending_bytes(const struct redis_conn *conn);

#define REDIS_CONN_HOLD_BYTES ((size_t)4 << 20)

/* The last wall: a command that would take pending_bytes over this is refused and the connection is
 * dropped (as by redis_conn_reset()), so that the callers learn of it by on_lost(). */
#define REDIS_CONN_PENDING_MAX_BYTES ((size_t)256 << 20)

/* Sends a command; argv is copied into the output buffer before this returns. False if it is not
 * READY (nothing was sent and `callback` will not be called). `callback` may be NULL. */
bool redis_conn_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                     const char **argv, const size_t *argv_len);

/* The same for a command that is formatted already (resp.h), with a NUL behind unless it has two
 * words or more; copied likewise. */
bool redis_conn_send_formatted(struct redis_conn *conn, redis_conn_callback *callback, void *arg,
                               struct span command);

/* Drops the connection and reconnects after a backoff: for a server that answers with what only
 * another connection can mend (READONLY, LOADING). From the next turn of the event loop on:
 * commands answered before then get their replies. Nothing unless CONNECTING or READY. */
void redis_conn_reset(struct redis_conn *conn);

/* Leaves unread what comes, so that it wakes nobody, until redis_conn_release(): for a read that
 * blocks, while nothing that it brings could be acted upon. That the peer is gone is noticed only
 * then. Nothing unless READY; a connection that is made anew, or that a command is sent on, is not
 * held. */
void redis_conn_hold(struct redis_conn *conn);
void redis_conn_release(struct redis_conn *conn);

/* Ends a backoff now, because another connection has just found the server there. Nothing unless
 * WAITING. The caller sees to it that this does not become a busy loop. */
void redis_conn_hurry(struct redis_conn *conn);

#endif
