#ifndef COMMON_SCRIPTS_H
#define COMMON_SCRIPTS_H

/*
 * Every Lua script, once: enum -> name -> source -> SHA1. The sources are
 * src/common/lua/<name>.lua; the head of each file is its manual page (KEYS, ARGV, results).
 *
 * A script is called by its SHA. Servers forget scripts at a restart and at SCRIPT FLUSH: a daemon
 * sends them all once per connection (scripts_load) and scripts_call() answers a NOSCRIPT by
 * sending that one command again as EVAL.
 */

#include <stddef.h>

#include "common/redis_conn.h"
#include "common/span.h"

enum script {
    SCRIPT_ADOPT = 0, /* router: claim a dead router's pending entries */
    SCRIPT_BEAT,      /* worker: heartbeat, renew */
    SCRIPT_BURY,      /* worker: dead-letter an entry that cannot be answered */
    SCRIPT_CANCEL,    /* router: apply one control entry `cancel` */
    SCRIPT_CHUNK,     /* worker: chunk or status entry of a running attempt */
    SCRIPT_DRAIN,     /* router: apply one control entry `drain` or `undrain` */
    SCRIPT_END,       /* router: terminal entry for a request still at its origin */
    SCRIPT_FINISH,    /* worker: terminal entry */
    SCRIPT_FORGET,    /* router: forget a node that was silent for node_forget */
    SCRIPT_GOODBYE,   /* worker: orderly leave */
    SCRIPT_HEAL,      /* router: entry ids from the future back to the clock */
    SCRIPT_MOVE,      /* router: origin -> node */
    SCRIPT_OUTLINE,   /* worker: an entry of its node without the bulk */
    SCRIPT_PRESENCE,  /* router: heartbeat */
    SCRIPT_REGISTER,  /* worker: new epoch */
    SCRIPT_REQUEUE,   /* worker: node -> origin */
    SCRIPT_START,     /* worker: begin an attempt */
    SCRIPT_STATUS,    /* router: status entry of a queued request */
    SCRIPT_TAKEBACK,  /* router: lost or unavailable node -> origin */
    SCRIPT_COUNT
};

const char *script_name(enum script script);   /* "move" */
const char *script_source(enum script script); /* NUL-terminated */
const char *script_sha(enum script script);    /* 40 lower-case hex digits */

/* Sends SCRIPT LOAD for all. on_loaded() comes exactly once: true if Redis has them all under the
 * SHA1 that we computed; false if any was refused or the connection died (before this returns, if
 * it is not READY). */
void scripts_load(struct redis_conn *conn, void (*on_loaded)(bool ok, void *arg), void *arg);

#define SCRIPT_ARGS_MAX 160 /* keys and arguments of one call; more is a bug of ours */

/* Arguments of one call. Filled by script_key() and script_arg() in order, keys first. The bytes
 * are borrowed until scripts_call() returns. */
struct script_args {
    size_t n, n_keys;
    const char *argv[SCRIPT_ARGS_MAX];
    size_t len[SCRIPT_ARGS_MAX];
    char numbers[SCRIPT_ARGS_MAX][SPAN_NUMBER_MAX]; /* backing of script_arg_i64() */
};

void script_args_init(struct script_args *args);
void script_key(struct script_args *args, const char *key);
void script_arg(struct script_args *args, const char *text);
void script_arg_span(struct script_args *args, struct span value);
void script_arg_i64(struct script_args *args, int64_t value);

/* Calls the script; see redis_conn_send() for the result and the callback, which never sees
 * NOSCRIPT. A call is kept for that until it is answered (at most 64 KiB; a larger one is sent as
 * EVAL at once, so that nothing large is held twice). */
bool scripts_call(struct redis_conn *conn, enum script script, const struct script_args *args,
                  redis_conn_callback *callback, void *arg);

#endif
