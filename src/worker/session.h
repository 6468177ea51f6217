#ifndef WORKER_SESSION_H
#define WORKER_SESSION_H

/*
 * Being a member of the fleet: the connection for commands, the scripts, the epoch.
 *
 *   AWAY --ready--> LOADING --epoch known--> ASKING --alive--> RECONCILING --done--> OPEN
 *                      `-------unknown-----> REGISTERING --registered--^
 *   ASKING, RECONCILING, OPEN --unknown--> REGISTERING          any --lost--> AWAY
 *
 *   LOADING      SCRIPT LOAD of all scripts
 *   ASKING       after a reconnect: a heartbeat tells whether Redis still knows our epoch
 *   REGISTERING  register.lua gives a new epoch: at the start, and when Redis has forgotten us
 *   RECONCILING  our pending entries are looked through (reconcile.h) before new ones are read
 *
 * A process registers once; it does so again only if Redis has lost the epoch or the answer to the
 * registration was lost, so that of two processes under one node id the newer one stays.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"

struct redis_conn;
struct redisReply;
struct worker;

#define SESSION_COMMAND_TIMEOUT_MS 5000
#define SESSION_RETRY_MS           1000
#define SESSION_RESET_PAUSE_MS     60000

enum session_state {
    SESSION_AWAY = 0,
    SESSION_LOADING,
    SESSION_ASKING,
    SESSION_REGISTERING,
    SESSION_RECONCILING,
    SESSION_OPEN,
    SESSION_STATE_COUNT
};

struct session {
    struct redis_conn *commands;
    enum session_state state;  /* written by session_step() only */
    int64_t epoch;             /* 0: none yet */
    bool is_registering;       /* register.lua is on its way */
    bool registration_unknown; /* register.lua was sent and has not said 'ok' */
    bool
        has_lost_registration; /* an answer to one was lost: it may yet reach Redis, and fence us */
    int64_t retry_ms;          /* REGISTERING: not before this moment */
    int64_t hurry_ms;          /* of the last session_hurry() that did anything; 0: never */
    int64_t reset_ms;          /* when the connections were last made anew; 0: never */
    struct log_repeat refused;
    char name[96]; /* of the connection */
};

void session_init(struct worker *w);
void session_done(struct worker *w);

/* May scripts that carry our epoch be sent? */
bool session_can_write(const struct worker *w);

/* Have the pending entries been looked through, so that new ones may be read? */
bool session_is_open(const struct worker *w);

/* What a heartbeat has told: Redis knows our epoch, or has forgotten it. */
void session_on_alive(struct worker *w);
void session_on_unregistered(struct worker *w);

/* reconcile.h has come to its end. */
void session_on_reconciled(struct worker *w);

/* An unexpected error reply to a command of the session: logs it, once and not each time. */
void session_refused(struct worker *w, const char *what, const struct redisReply *reply);

/* Does what helps against the error of any connection, if anything does (see redis_command.h):
 * creates the group of the node's stream again (from 0, which loses and repeats nothing, because
 * the stream holds only unfinished work); or connects anew, because behind the name of a useless
 * server there may be another one by now, but not more often than every SESSION_RESET_PAUSE_MS. */
void session_mend(struct worker *w, const struct redisReply *reply);

/* A connection is there: none of the others needs to wait any longer before it tries. */
void session_hurry(struct worker *w);

void session_tick(struct worker *w, int64_t now_ms);

#endif
