#include "common/redis_conn.h"

#include <assert.h>
#include <event2/event.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/alloc.h"
#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/resp.h"

#include "redis_dial.h"
#include "redis_inflight.h"

#define CONNECT_TIMEOUT_MS  1000
#define GREETING_TIMEOUT_MS 2000

/* A connection that held for this long begins its next backoff at the bottom. */
#define STEADY_MS  BACKOFF_MAX_MS
#define FLAPS_TOLD 3 /* connections in a row that did not hold; each further one is no news */

struct redis_conn {
    struct redis_conn_config config;
    enum redis_conn_state state; /* written by conn_step() only */
    redisAsyncContext *ac;       /* NULL once hiredis has begun to free it */
    /* The only timer. CONNECTING: deadline. READY: look at the oldest command. CLOSING: close now.
     * WAITING: end of the backoff. */
    struct event *timer;
    struct inflight inflight; /* hiredis calls on_reply() exactly once for each */
    unsigned depth;           /* callbacks of this connection's commands on the stack */
    unsigned attempt;         /* for backoff_ms() */
    unsigned flaps;           /* connections in a row that were READY and did not hold */
    int64_t ready_since_ms;   /* 0: on_lost() is not due */
    int64_t answered_ms;      /* when the last answer came */
    char why[128];            /* the last loss, in words */
    struct log_repeat down;
};

/* The one writer of conn->state. */
static void conn_step(struct redis_conn *conn, enum conn_event event)
{
    enum redis_conn_state next = conn_next(conn->state, event);

    assert(next != REDIS_CONN_STATE_COUNT);
    conn->state = next;
}

static void timer_set(struct redis_conn *conn, int64_t delay_ms)
{
    const struct timeval tv = loop_tv(delay_ms);

    (void)event_add(conn->timer, &tv);
}

/* --- losing a connection ---------------------------------------------------------------------- */

/* Notes that the connection is to be given up; the timer does it, outside of hiredis. */
static void conn_lose(struct redis_conn *conn, const char *why)
{
    if (conn->state != REDIS_CONN_CONNECTING && conn->state != REDIS_CONN_READY)
        return;
    (void)snprintf(conn->why, sizeof conn->why, "%s", why);
    conn_step(conn, CONN_LOST);
    timer_set(conn, 0);
}

/* hiredis is freeing `ac` by itself: we must not, and its callbacks must not reach us again. */
static void context_gone(struct redis_conn *conn, const redisAsyncContext *ac)
{
    if (!conn->ac || conn->ac != ac)
        return;
    const char *why = ac->errstr && ac->errstr[0] ? ac->errstr : "the connection was closed";
    if (ac->err == REDIS_ERR_OOM) /* see redis_guard.h */
        why = "out of memory, or an answer that is nested too deep or that no command waited for";
    conn_lose(conn, why);
    conn->ac->data = NULL;
    conn->ac = NULL;
}

/* Frees the context. Outstanding commands get their NULL inside, unless hiredis is calling us. */
static void context_drop(struct redis_conn *conn)
{
    redisAsyncContext *ac = conn->ac;

    if (!ac)
        return;
    conn->ac = NULL;
    ac->data = NULL;
    redisAsyncFree(ac);
}

static void log_down(struct redis_conn *conn, int64_t delay_ms)
{
    const struct redis_url *url = conn->config.url;

    if (log_repeat_begin(&conn->down, conn->why, clock_now_ms())) {
        log_warn("event=redis_down conn=%s server=%s why=\"%s\" repeats=%u retry_ms=%lld",
                 conn->config.name, url->path[0] ? url->path : url->host, conn->why,
                 conn->down.repeats, (long long)delay_ms);
    }
}

static bool is_steady(const struct redis_conn *conn)
{
    return conn->ready_since_ms && clock_now_ms() - conn->ready_since_ms >= STEADY_MS;
}

/* A server that takes us and drops us again and again is one trouble, and over when one holds. */
static void tell_up(struct redis_conn *conn)
{
    if (conn->flaps > FLAPS_TOLD && !is_steady(conn))
        return;
    bool was_down = log_repeat_end(&conn->down);
    log_info("event=redis_up conn=%s after=%u", conn->config.name,
             was_down ? conn->down.repeats : 0);
}

static int64_t next_delay_ms(struct redis_conn *conn)
{
    uint32_t random = 0;

    conn->flaps = is_steady(conn) ? 0 : conn->flaps + (conn->ready_since_ms != 0);
    if (is_steady(conn))
        conn->attempt = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != (ssize_t)sizeof random)
        random = (uint32_t)clock_now_ms(); /* early in boot: any spread will do */
    return backoff_ms(conn->attempt++, random);
}

/* The end of CLOSING. */
static void conn_close(struct redis_conn *conn)
{
    context_drop(conn);
    if (conn->state != REDIS_CONN_CLOSING)
        return; /* a command's callback stopped us */

    bool was_ready = conn->ready_since_ms != 0;
    int64_t delay_ms = next_delay_ms(conn);
    conn->ready_since_ms = 0;
    log_down(conn, delay_ms);
    conn_step(conn, CONN_CLOSED);
    timer_set(conn, delay_ms);
    if (was_ready && conn->config.on_lost)
        conn->config.on_lost(conn->config.arg); /* last: it may free conn */
}

/* --- commands --------------------------------------------------------------------------------- */

static void on_reply(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct command *command = privdata;
    struct redis_conn *conn = command->conn;
    redis_conn_callback *callback = command->callback;
    void *arg = command->arg;

    if (!reply)
        context_gone(conn, ac);
    inflight_take(&conn->inflight, command);
    free(command);
    if (!conn->inflight.oldest && conn->state == REDIS_CONN_READY)
        (void)event_del(conn->timer); /* or it would wake us for nothing */
    conn->answered_ms = clock_now_ms();
    if (conn->down.active && is_steady(conn))
        tell_up(conn);
    conn->depth++;
    if (callback)
        callback(reply, arg);
    conn->depth--;
}

/* hiredis 0.14.1 says REDIS_OK although it had no memory to remember the callback: the answers of
 * this connection would from then on belong to the wrong commands. */
static bool is_remembered(const struct redis_conn *conn, const struct command *command)
{
    const redisCallback *newest = conn->ac->replies.tail;

    return newest && newest->privdata == command;
}

/* Takes over `command`, which hiredis accepted if rc is REDIS_OK. */
static bool command_put(struct redis_conn *conn, struct command *command, int rc)
{
    if (rc != REDIS_OK || !is_remembered(conn, command)) {
        free(command);
        conn_lose(conn, "hiredis took no command");
        return false;
    }
    inflight_put(&conn->inflight, command);
    if (conn->state == REDIS_CONN_READY && !event_pending(conn->timer, EV_TIMEOUT, NULL))
        timer_set(conn, conn->config.command_timeout_ms);
    return true;
}

static bool may_send(struct redis_conn *conn, size_t bytes)
{
    if (!conn->ac || conn->state != REDIS_CONN_READY)
        return false;
    if (bytes <= REDIS_CONN_PENDING_MAX_BYTES - conn->inflight.bytes)
        return true;
    conn_lose(conn, "over 256 MiB of commands are unanswered");
    return false;
}

static bool send_argv(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                      const char **argv, const size_t *argv_len)
{
    struct command *command = command_new(conn, callback, arg, inflight_bytes(argc, argv_len));
    size_t len = resp_command_bytes(argc, argv_len);
    char *bytes = malloc(len + 1);
    int rc = REDIS_ERR;

    if (bytes) {
        resp_command_write(bytes, argc, argv, argv_len);
        rc = redisAsyncFormattedCommand(conn->ac, on_reply, command, bytes, len);
    }
    free(bytes);
    return command_put(conn, command, rc);
}

bool redis_conn_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                     const char **argv, const size_t *argv_len)
{
    if (!may_send(conn, inflight_bytes(argc, argv_len)))
        return false;
    return send_argv(conn, callback, arg, argc, argv, argv_len);
}

bool redis_conn_send_formatted(struct redis_conn *conn, redis_conn_callback *callback, void *arg,
                               struct span bytes)
{
    if (!may_send(conn, bytes.len))
        return false;

    struct command *command = command_new(conn, callback, arg, bytes.len);
    int rc = redisAsyncFormattedCommand(conn->ac, on_reply, command, bytes.ptr, bytes.len);
    return command_put(conn, command, rc);
}

/* A server that answers one command after the other over a slow link is not dead: what counts is
 * how long the oldest command has been the next one to be answered. */
static void check_oldest(struct redis_conn *conn)
{
    const struct command *oldest = conn->inflight.oldest;

    if (!oldest)
        return; /* the next command sets the timer again */

    int64_t since_ms = oldest->sent_ms > conn->answered_ms ? oldest->sent_ms : conn->answered_ms;
    int64_t left_ms = since_ms + conn->config.command_timeout_ms - clock_now_ms();
    if (left_ms > 0) {
        timer_set(conn, left_ms);
        return;
    }
    char why[64];
    (void)snprintf(why, sizeof why, "a command is unanswered for %lld ms",
                   (long long)conn->config.command_timeout_ms);
    conn_lose(conn, why);
}

/* --- greeting --------------------------------------------------------------------------------- */

/* Looks at one answer to the greeting; false if the connection is of no use. */
static bool greeting_ok(struct redis_conn *conn, const char *command, const redisReply *reply)
{
    char why[sizeof conn->why];

    if (!reply)
        return false; /* lost already */
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    (void)snprintf(why, sizeof why, "%s: %s", command, reply->str);
    conn_lose(conn, why);
    return false;
}

/* Only the first word of the answer is repeated: a server that does not know AUTH quotes our
 * password in its error. */
static void on_auth(const redisReply *reply, void *arg)
{
    char why[64];

    if (!reply || reply->type != REDIS_REPLY_ERROR)
        return;
    size_t word = strspn(reply->str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    (void)snprintf(why, sizeof why, "AUTH refused: %.*s", word > 32 ? 32 : (int)word, reply->str);
    conn_lose(arg, why);
}

static void on_select(const redisReply *reply, void *arg)
{
    (void)greeting_ok(arg, "SELECT", reply);
}

/* The last answer. PING is what tells LOADING, NOAUTH and MASTERDOWN. */
static void on_ping(const redisReply *reply, void *arg)
{
    struct redis_conn *conn = arg;

    if (!greeting_ok(conn, "PING", reply) || conn->state != REDIS_CONN_CONNECTING)
        return;
    conn_step(conn, CONN_GREETED);
    (void)event_del(conn->timer);
    conn->ready_since_ms = clock_now_ms();
    tell_up(conn);
    if (conn->config.on_ready)
        conn->config.on_ready(conn->config.arg);
}

static void greet_with(struct redis_conn *conn, redis_conn_callback *callback, int argc,
                       const char **argv)
{
    size_t len[3] = {0};

    assert(argc <= 3);
    for (int i = 0; i < argc; i++)
        len[i] = strlen(argv[i]);
    (void)send_argv(conn, callback, conn, argc, argv, len);
}

static void greet(struct redis_conn *conn)
{
    const struct redis_url *url = conn->config.url;
    char db[8];

    if (url->password[0] && url->user[0]) {
        greet_with(conn, on_auth, 3, (const char *[]){"AUTH", url->user, url->password});
    } else if (url->password[0]) {
        greet_with(conn, on_auth, 2, (const char *[]){"AUTH", url->password});
    }
    if (url->db) {
        (void)snprintf(db, sizeof db, "%u", url->db);
        greet_with(conn, on_select, 2, (const char *[]){"SELECT", db});
    }
    /* Its failure (an ACL without it) harms nobody, so nobody looks. */
    greet_with(conn, NULL, 3, (const char *[]){"CLIENT", "SETNAME", conn->config.name});
    greet_with(conn, on_ping, 1, (const char *[]){"PING"});
}

/* --- connecting ------------------------------------------------------------------------------- */

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_conn *conn = ac->data;

    if (!conn)
        return;
    if (status != REDIS_OK) {
        context_gone(conn, ac);
        return;
    }
    if (conn->state != REDIS_CONN_CONNECTING)
        return;
    redis_dial_set_options(ac);
    timer_set(conn, GREETING_TIMEOUT_MS);
    greet(conn);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    (void)status;
    if (ac->data)
        context_gone(ac->data, ac);
}

static void conn_connect(struct redis_conn *conn)
{
    char why[sizeof conn->why];

    conn->ac = redis_dial(conn->config.url, conn->config.base, why, sizeof why);
    if (!conn->ac) {
        conn_lose(conn, why);
        return;
    }
    conn->ac->data = conn;
    (void)redisAsyncSetConnectCallback(conn->ac, on_connect);
    (void)redisAsyncSetDisconnectCallback(conn->ac, on_disconnect);
    timer_set(conn, CONNECT_TIMEOUT_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct redis_conn *conn = arg;

    (void)fd;
    (void)what;
    switch (conn->state) {
    case REDIS_CONN_CONNECTING:
        conn_lose(conn,
                  conn->inflight.oldest ? "no answer to the greeting" : "no answer to connect");
        break;
    case REDIS_CONN_READY:
        check_oldest(conn);
        break;
    case REDIS_CONN_CLOSING:
        conn_close(conn);
        break;
    case REDIS_CONN_WAITING:
        conn_step(conn, CONN_RETRY);
        conn_connect(conn);
        break;
    case REDIS_CONN_IDLE:
    case REDIS_CONN_STATE_COUNT:
        break;
    }
}

/* --- for the owner ---------------------------------------------------------------------------- */

struct redis_conn *redis_conn_new(const struct redis_conn_config *config)
{
    struct redis_conn *conn = xcalloc(1, sizeof *conn);

    conn->config = *config;
    inflight_init(&conn->inflight);
    conn->timer = evtimer_new(config->base, on_timer, conn);
    assert(conn->timer);
    return conn;
}

void redis_conn_free(struct redis_conn *conn)
{
    if (!conn)
        return;
    assert(conn->depth == 0);
    redis_conn_stop(conn);
    assert(conn->inflight.n == 0);
    event_free(conn->timer);
    free(conn);
}

void redis_conn_start(struct redis_conn *conn)
{
    bool was_idle = conn->state == REDIS_CONN_IDLE;

    conn_step(conn, CONN_START);
    if (was_idle)
        conn_connect(conn);
}

void redis_conn_stop(struct redis_conn *conn)
{
    conn_step(conn, CONN_STOP);
    (void)event_del(conn->timer);
    conn->ready_since_ms = 0;
    conn->attempt = 0;
    context_drop(conn);
}

bool redis_conn_is_ready(const struct redis_conn *conn)
{
    return conn->state == REDIS_CONN_READY;
}

const char *redis_conn_why(const struct redis_conn *conn)
{
    return conn->why;
}

unsigned redis_conn_pending(const struct redis_conn *conn)
{
    return conn->inflight.n;
}

size_t redis_conn_pending_bytes(const struct redis_conn *conn)
{
    return conn->inflight.bytes;
}

void redis_conn_hold(struct redis_conn *conn)
{
    if (conn->ac && conn->state == REDIS_CONN_READY)
        conn->ac->ev.delRead(conn->ac->ev.data);
}

void redis_conn_release(struct redis_conn *conn)
{
    if (conn->ac && conn->state == REDIS_CONN_READY)
        conn->ac->ev.addRead(conn->ac->ev.data);
}

void redis_conn_hurry(struct redis_conn *conn)
{
    if (conn->state == REDIS_CONN_WAITING)
        timer_set(conn, 0);
}

void redis_conn_reset(struct redis_conn *conn)
{
    conn_lose(conn, "the server is of no use now");
}
