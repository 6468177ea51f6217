#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "common/alloc.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl_clock.h"
#include "signals.h"

struct conn {
    const struct redis_url *url;
    redisContext *context;
    size_t received_bytes; /* of the answer that is awaited */
};

struct conn *conn_new(const struct redis_url *url)
{
    struct conn *conn = xcalloc(1, sizeof *conn);

    conn->url = url;
    return conn;
}

void conn_close(struct conn *conn)
{
    if (conn->context)
        redisFree(conn->context);
    conn->context = NULL;
}

void conn_free(struct conn *conn)
{
    if (!conn)
        return;
    conn_close(conn);
    free(conn);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->context != NULL;
}

/* --- arguments -------------------------------------------------------------------------------- */

void conn_args(struct conn_args *args, const char *first)
{
    args->n = args->n_numbers = 0;
    conn_arg(args, first);
}

void conn_arg_span(struct conn_args *args, struct span value)
{
    assert(args->n < CONN_ARGS_MAX);
    args->argv[args->n] = value.ptr ? value.ptr : "";
    args->len[args->n++] = value.len;
}

void conn_arg(struct conn_args *args, const char *text)
{
    conn_arg_span(args, span_str(text));
}

void conn_arg_i64(struct conn_args *args, int64_t value)
{
    char *number = args->numbers[args->n_numbers++];

    assert(args->n_numbers <= sizeof args->numbers / sizeof args->numbers[0]);
    (void)snprintf(number, sizeof args->numbers[0], "%" PRId64, value);
    conn_arg(args, number);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void place(const struct conn *conn, char *buf, size_t cap)
{
    if (conn->url->path[0]) {
        (void)snprintf(buf, cap, "%s", conn->url->path);
    } else {
        (void)snprintf(buf, cap, "%.200s:%u", conn->url->host, (unsigned)conn->url->port);
    }
}

static int broken(struct conn *conn, struct err *err)
{
    char where[256];

    place(conn, where, sizeof where);
    (void)err_set(err, -ECONNREFUSED, "the connection to Redis at %s broke: %s", where,
                  conn->context->err == REDIS_ERR_IO ? strerror(errno) : conn->context->errstr);
    conn_close(conn);
    return -ECONNREFUSED;
}

/* What Redis says when it will not serve us, in words that say what to do. */
static int refused(const redisReply *reply, struct err *err)
{
    static const struct {
        const char *code;
        int rc;
        const char *advice;
    } known[] = {
        {"NOAUTH", -EACCES,
         "Redis wants a password: name its file with --password-file or "
         "redis_password_file"},
        {"WRONGPASS", -EACCES, "Redis does not accept this user and password"},
        {"NOPERM", -EACCES, NULL},
        {"LOADING", -ECONNREFUSED, "Redis is loading its data; try again in a moment"},
        {"MASTERDOWN", -ECONNREFUSED, "this Redis is a replica that has lost its master"},
        {"READONLY", -EPROTO, "this Redis is a read-only replica: use the master"},
        {"OOM", -EPROTO, "Redis is out of memory (maxmemory): see orionctl doctor"},
        {"MISCONF", -EPROTO, "Redis cannot write to its disk and refuses writes: see its log"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!reply_is_error(reply, known[i].code))
            continue;
        if (known[i].advice)
            return err_set(err, known[i].rc, "%s", known[i].advice);
        return err_set(err, known[i].rc, "Redis refuses: %.160s", reply->str);
    }
    return err_set(err, -EPROTO, "Redis: %.200s", reply->str);
}

static int take_reply(void *object, redisReply **ret_reply, struct err *err)
{
    redisReply *reply = object;

    if (reply->type != REDIS_REPLY_ERROR) {
        *ret_reply = reply;
        return 0;
    }
    int rc = refused(reply, err);
    freeReplyObject(reply);
    return rc;
}

/* 1 with *ret_reply if a whole answer has arrived, 0 if not, or an error. */
static int from_reader(struct conn *conn, redisReply **ret_reply, struct err *err)
{
    void *object = NULL;

    if (redisGetReplyFromReader(conn->context, &object) != REDIS_OK)
        return broken(conn, err);
    if (!object)
        return 0;
    int rc = take_reply(object, ret_reply, err);
    return rc < 0 ? rc : 1;
}

int conn_receive(struct conn *conn, struct redisReply **ret_reply, struct err *err)
{
    size_t before = conn->context->reader->len;

    if (redisBufferRead(conn->context) != REDIS_OK)
        return broken(conn, err);
    conn->received_bytes += conn->context->reader->len - before;
    if (conn->received_bytes > CONN_REPLY_MAX_BYTES) {
        conn_close(conn);
        return err_set(err, -EMSGSIZE, "an answer of Redis is larger than %zu MiB",
                       CONN_REPLY_MAX_BYTES >> 20);
    }
    return from_reader(conn, ret_reply, err);
}

/* Waits until the descriptor may be read or written; 0 or an error. */
static int wait_for(struct conn *conn, short events, int64_t deadline_ms, struct err *err)
{
    for (;;) {
        struct pollfd fd = {.fd = conn->context->fd, .events = events};
        int64_t left_ms = deadline_ms - ctl_now_ms();
        if (signals_stops() > 0)
            return err_set(err, -EINTR, "interrupted");
        if (left_ms <= 0)
            break;
        int n = signals_poll(&fd, 1, left_ms);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return err_set(err, -errno, "poll: %s", strerror(errno));
    }
    char where[256];
    place(conn, where, sizeof where);
    conn_close(conn);
    (void)err_set(err, -ETIMEDOUT, "Redis at %s does not answer", where);
    return -ETIMEDOUT;
}

static int write_all(struct conn *conn, int64_t deadline_ms, struct err *err)
{
    int done = 0;

    for (;;) {
        if (redisBufferWrite(conn->context, &done) != REDIS_OK)
            return broken(conn, err);
        if (done)
            return 0;
        int rc = wait_for(conn, POLLOUT, deadline_ms, err);
        if (rc < 0)
            return rc;
    }
}

int conn_fd(const struct conn *conn)
{
    return conn->context->fd;
}

int conn_send(struct conn *conn, const struct conn_args *args, struct err *err)
{
    int rc = conn_open(conn, err);

    if (rc < 0)
        return rc;
    conn->received_bytes = 0;
    /* hiredis 0.14 takes the arrays without const and leaves them alone */
    const char *argv[CONN_ARGS_MAX];
    memcpy(argv, args->argv, args->n * sizeof argv[0]);
    if (redisAppendCommandArgv(conn->context, (int)args->n, argv, args->len) != REDIS_OK)
        return broken(conn, err);
    return write_all(conn, ctl_now_ms() + CONN_TIMEOUT_MS, err);
}

static int receive_until(struct conn *conn, int64_t deadline_ms, redisReply **ret_reply,
                         struct err *err)
{
    int rc = from_reader(conn, ret_reply, err);

    while (rc == 0) {
        rc = wait_for(conn, POLLIN, deadline_ms, err);
        if (rc < 0) /* an answer that nobody waits for would be taken for the next one */
            conn_close(conn);
        if (rc == 0)
            rc = conn_receive(conn, ret_reply, err);
    }
    return rc < 0 ? rc : 0;
}

int conn_answer(struct conn *conn, struct redisReply **ret_reply, struct err *err)
{
    if (!conn->context)
        return err_set(err, -ECONNREFUSED, "the connection to Redis broke");
    return receive_until(conn, ctl_now_ms() + CONN_TIMEOUT_MS, ret_reply, err);
}

/* Redis does not say which key it is that holds something else. */
static int name_key(const struct conn_args *args, struct err *err)
{
    if (!strstr(err->msg, "WRONGTYPE") || args->n == 0)
        return -EPROTO;

    size_t key = strcmp(args->argv[0], "EVAL") == 0 ? 3 : 1;
    if (key >= args->n)
        return -EPROTO;
    return err_set(err, -EPROTO,
                   "%.*s holds a value of another type (WRONGTYPE): does something else use this "
                   "prefix?",
                   SPAN_ARG(((struct span){args->argv[key], args->len[key]})));
}

int conn_ask(struct conn *conn, const struct conn_args *args, int64_t block_ms,
             struct redisReply **ret_reply, struct err *err)
{
    int rc = conn_send(conn, args, err);

    if (rc == 0)
        rc = receive_until(conn, ctl_now_ms() + block_ms + CONN_TIMEOUT_MS, ret_reply, err);
    return rc == -EPROTO ? name_key(args, err) : rc;
}

int conn_ask_texts(struct conn *conn, struct redisReply **ret_reply, struct err *err, ...)
{
    struct conn_args args;
    const char *text;
    va_list ap;

    args.n = args.n_numbers = 0;
    va_start(ap, err);
    while ((text = va_arg(ap, const char *)) != NULL)
        conn_arg(&args, text);
    va_end(ap);
    return conn_ask(conn, &args, 0, ret_reply, err);
}

/* --- connecting ------------------------------------------------------------------------------- */

static int dial(struct conn *conn, struct err *err)
{
    const struct timeval timeout = {.tv_sec = CONN_TIMEOUT_MS / 1000};
    const struct redis_url *url = conn->url;
    char where[256];

    signals_open();
    conn->context = url->path[0] ? redisConnectUnixWithTimeout(url->path, timeout)
                                 : redisConnectWithTimeout(url->host, url->port, timeout);
    signals_close();
    if (signals_stops() > 0) {
        conn_close(conn);
        return err_set(err, -EINTR, "interrupted");
    }
    if (conn->context && !conn->context->err) {
        /* From here on nothing may block but signals_poll(). */
        (void)fcntl(conn->context->fd, F_SETFL, fcntl(conn->context->fd, F_GETFL) | O_NONBLOCK);
        conn->context->flags &= ~REDIS_BLOCK;
        return 0;
    }
    place(conn, where, sizeof where);
    int rc = err_set(err, -ECONNREFUSED, "cannot connect to Redis at %s: %s", where,
                     conn->context ? conn->context->errstr : "out of memory");
    conn_close(conn);
    return rc;
}

static int greet(struct conn *conn, struct conn_args *args, struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask(conn, args, 0, &reply, err);

    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

static int login(struct conn *conn, struct err *err)
{
    const struct redis_url *url = conn->url;
    struct conn_args args;
    struct err ignored;
    int rc = 0;

    if (url->password[0]) {
        conn_args(&args, "AUTH");
        if (url->user[0])
            conn_arg(&args, url->user);
        conn_arg(&args, url->password);
        rc = greet(conn, &args, err);
        /* A server that does not know AUTH in this form quotes the password in its error. */
        if (rc == -EPROTO)
            rc = err_set(err, -EACCES, "Redis refuses the password (AUTH): is one set there?");
    }
    if (rc == 0 && url->db != 0) {
        conn_args(&args, "SELECT");
        conn_arg_i64(&args, url->db);
        rc = greet(conn, &args, err);
    }
    if (rc < 0)
        return rc;
    conn_args(&args, "PING"); /* tells NOAUTH, LOADING, MASTERDOWN */
    rc = greet(conn, &args, err);
    if (rc < 0)
        return rc;
    conn_args(&args, "CLIENT");
    conn_arg(&args, "SETNAME");
    conn_arg(&args, "orionctl");
    rc = greet(conn, &args, &ignored); /* for CLIENT LIST; who may not have a name does without */
    return conn->context || rc == 0 ? 0 : err_set(err, rc, "%s", ignored.msg);
}

int conn_open(struct conn *conn, struct err *err)
{
    if (conn->context)
        return 0;
    int rc = dial(conn, err);
    if (rc < 0)
        return rc;
    rc = login(conn, err);
    if (rc < 0)
        conn_close(conn);
    return rc;
}
