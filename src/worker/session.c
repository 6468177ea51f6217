#include "session.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "worker.h"

enum session_event {
    EV_READY = 0,  /* the connection is there */
    EV_KNOWN,      /* scripts loaded; we have an epoch */
    EV_UNKNOWN,    /* scripts loaded and no epoch, or Redis has forgotten it */
    EV_ALIVE,      /* Redis knows our epoch */
    EV_REGISTERED, /* a new epoch */
    EV_RECONCILED,
    EV_LOST,
    EV_COUNT
};

#define NO     SESSION_STATE_COUNT
#define AWAY   SESSION_AWAY
#define LOAD   SESSION_LOADING
#define ASK    SESSION_ASKING
#define REG    SESSION_REGISTERING
#define REC    SESSION_RECONCILING
#define ISOPEN SESSION_OPEN

/* clang-format off */
static const enum session_state next_state[SESSION_STATE_COUNT][EV_COUNT] = {
    /*                       READY KNOWN UNKNOWN ALIVE   REGISTERED RECONCILED LOST */
    [SESSION_AWAY]        = {LOAD, NO,   NO,     NO,     NO,        NO,        AWAY},
    [SESSION_LOADING]     = {NO,   ASK,  REG,    NO,     NO,        NO,        AWAY},
    [SESSION_ASKING]      = {NO,   NO,   REG,    REC,    NO,        NO,        AWAY},
    [SESSION_REGISTERING] = {NO,   NO,   NO,     NO,     REC,       NO,        AWAY},
    [SESSION_RECONCILING] = {NO,   NO,   REG,    REC,    NO,        ISOPEN,    AWAY},
    [SESSION_OPEN]        = {NO,   NO,   REG,    ISOPEN, NO,        ISOPEN,    AWAY},
};
/* clang-format on */

/* The one writer of the state. False if the event means nothing in it. */
static bool session_step(struct session *session, enum session_event event)
{
    enum session_state next = next_state[session->state][event];

    if (next == NO)
        return false;
    session->state = next;
    return true;
}

void session_refused(struct worker *w, const char *what, const struct redisReply *reply)
{
    struct session *session = &w->session;
    const char *error = reply_error(reply);
    const char *why = error ? error : "an answer that was not expected";

    if (log_repeat_begin(&session->refused, why, clock_now_ms())) {
        log_warn("event=redis_refused what=%s why=\"%s\" repeats=%u", what, why,
                 session->refused.repeats);
    }
    session->retry_ms = clock_now_ms() + SESSION_RETRY_MS;
    session_mend(w, reply);
}

static void create_group(struct worker *w)
{
    const char *argv[] = {"XGROUP", "CREATE", w->stream_key, GROUP_WORKERS, "0", "MKSTREAM"};

    (void)redis_command_send(w->session.commands, NULL, NULL, 6, argv);
    beat_now(w); /* it tells whether Redis has forgotten our epoch as well */
}

void session_mend(struct worker *w, const struct redisReply *reply)
{
    struct session *session = &w->session;
    int64_t now_ms = clock_now_ms();
    bool pauses = session->reset_ms != 0 && now_ms - session->reset_ms < SESSION_RESET_PAUSE_MS;

    if (redis_command_lost_group(reply))
        create_group(w);
    if (!redis_command_needs_reset(reply) || pauses)
        return;
    session->reset_ms = now_ms;
    redis_conn_reset(session->commands);
    redis_conn_reset(w->feed.reader.conn);
    redis_conn_reset(w->control.reader.conn);
}

void session_hurry(struct worker *w)
{
    int64_t now_ms = clock_now_ms();

    if (w->session.hurry_ms != 0 && now_ms - w->session.hurry_ms < SESSION_RETRY_MS)
        return; /* a server that drops us at once must not keep us busy */
    w->session.hurry_ms = now_ms;
    redis_conn_hurry(w->session.commands);
    redis_conn_hurry(w->feed.reader.conn);
    redis_conn_hurry(w->control.reader.conn);
}

/* --- registering ------------------------------------------------------------------------------ */

static void on_registered(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct session *session = &w->session;
    int64_t epoch = 0;

    session->is_registering = false;
    if (!reply) {
        session->has_lost_registration = true;
        return;
    }
    if (!redis_command_said(reply, "ok") || !reply_i64(reply_at(reply, 1), &epoch)) {
        session_refused(w, "register", reply); /* it may have come as far as the epoch */
        return;
    }
    session->registration_unknown = false;
    session->epoch = epoch;
    log_info("event=registered node=%s epoch=%lld", w->config.node_id, (long long)epoch);
    (void)session_step(session, EV_REGISTERED);
    beat_soon(w); /* register.lua does not say whether the node is drained */
    reconcile_start(w);
}

static void register_node(struct worker *w)
{
    struct session *session = &w->session;
    struct script_args args;

    script_args_init(&args);
    script_key(&args, w->keys.health);
    script_key(&args, w->epoch_key);
    script_key(&args, w->stream_key);
    script_key(&args, w->keys.events);
    script_arg(&args, w->config.node_id);
    script_arg(&args, GROUP_WORKERS);
    script_arg_span(&args, beat_encode(w));
    script_arg_i64(&args, session->epoch + 1);
    session->is_registering =
        scripts_call(session->commands, SCRIPT_REGISTER, &args, on_registered, w);
    if (session->is_registering)
        session->registration_unknown = true;
}

/* --- the connection --------------------------------------------------------------------------- */

static void on_loaded(bool ok, void *arg)
{
    struct worker *w = arg;
    struct session *session = &w->session;

    if (session->state != SESSION_LOADING)
        return;
    if (!ok) {
        redis_conn_reset(session->commands); /* what was wrong has been logged */
        return;
    }
    if (session->epoch > 0 && !session->registration_unknown) {
        (void)session_step(session, EV_KNOWN);
        beat_now(w);
    } else {
        (void)session_step(session, EV_UNKNOWN);
        register_node(w);
    }
}

static void on_ready(void *arg)
{
    struct worker *w = arg;

    session_hurry(w);
    (void)session_step(&w->session, EV_READY);
    scripts_load(w->session.commands, on_loaded, w);
}

static void on_lost(void *arg)
{
    struct worker *w = arg;

    (void)session_step(&w->session, EV_LOST);
}

void session_on_alive(struct worker *w)
{
    struct session *session = &w->session;
    bool was_asking = session->state == SESSION_ASKING;

    if (session_step(session, EV_ALIVE) && was_asking)
        reconcile_start(w);
}

void session_on_unregistered(struct worker *w)
{
    if (w->leave.is_stopping && w->session.epoch > 0) {
        leave_forgotten(w);
        return;
    }
    if (!session_step(&w->session, EV_UNKNOWN))
        return;
    log_warn("event=redis_forgot node=%s epoch=%lld", w->config.node_id,
             (long long)w->session.epoch);
    register_node(w);
}

void session_on_reconciled(struct worker *w)
{
    if (!session_step(&w->session, EV_RECONCILED))
        return;
    if (log_repeat_end(&w->session.refused))
        log_info("event=redis_obeys after=%u", w->session.refused.repeats);
    feed_read(w);
}

void session_tick(struct worker *w, int64_t now_ms)
{
    const struct session *session = &w->session;

    if (session->state == SESSION_REGISTERING && !session->is_registering &&
        now_ms >= session->retry_ms)
        register_node(w);
}

bool session_can_write(const struct worker *w)
{
    return w->session.state >= SESSION_RECONCILING && redis_conn_is_ready(w->session.commands);
}

bool session_is_open(const struct worker *w)
{
    return w->session.state == SESSION_OPEN && redis_conn_is_ready(w->session.commands);
}

void session_init(struct worker *w)
{
    struct session *session = &w->session;

    (void)snprintf(session->name, sizeof session->name, "%s:commands", w->config.node_id);
    session->commands = redis_conn_new(&(struct redis_conn_config){
        .base = loop_base(w->loop),
        .url = &w->redis_url,
        .name = session->name,
        .command_timeout_ms = SESSION_COMMAND_TIMEOUT_MS,
        .on_ready = on_ready,
        .on_lost = on_lost,
        .arg = w,
    });
    redis_conn_start(session->commands);
}

void session_done(struct worker *w)
{
    redis_conn_free(w->session.commands);
    w->session.commands = NULL;
}
