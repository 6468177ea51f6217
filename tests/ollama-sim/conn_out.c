#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "conn.h"
#include "conn_internal.h"

/* Time between two pieces: long enough that a reader on the same machine sees them one by one. */
static const struct timeval PIECE_PAUSE = {.tv_usec = 100};

/* A RST overtakes what the reader has not fetched yet, so it waits this long after the last byte.
 */
static const struct timeval RESET_PAUSE = {.tv_usec = 20000};

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Request Entity Too Large";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    default:
        return status >= 500 ? "Server Error" : "Refused";
    }
}

static bool output_empty(const struct conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0 &&
           evbuffer_get_length(conn->unsent) == 0;
}

static void close_with_reset(struct conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    conn_close(conn);
}

static void send_piece(struct conn *conn)
{
    struct evbuffer *out = bufferevent_get_output(conn->bev);
    if (evbuffer_get_length(out) == 0)
        evbuffer_remove_buffer(conn->unsent, out, conn->piece_bytes);
    if (evbuffer_get_length(conn->unsent) > 0)
        event_add(conn->piece_timer, &PIECE_PAUSE);
}

static void on_piece_timer(evutil_socket_t fd, short what, void *context)
{
    struct conn *conn = context;
    (void)fd;
    (void)what;
    if (conn->phase == CONN_CLOSED)
        return;
    if (conn->drained == DRAINED_RESET && output_empty(conn)) {
        close_with_reset(conn);
        return;
    }
    send_piece(conn);
}

/* Writes at once, without asking the loop first whether it may: that would be four system calls
 * more for each token. What the kernel does not take, and every error, is left to the bufferevent.
 */
static void on_flush(evutil_socket_t fd, short what, void *context)
{
    struct conn *conn = context;
    (void)fd;
    (void)what;
    if (conn->phase == CONN_CLOSED)
        return;
    struct evbuffer *out = bufferevent_get_output(conn->bev);
    evbuffer_unfreeze(out, 1);
    (void)evbuffer_write(out, bufferevent_getfd(conn->bev));
    evbuffer_freeze(out, 1);
    if (evbuffer_get_length(out) > 0)
        bufferevent_enable(conn->bev, EV_WRITE);
    else
        conn_check_drained(conn);
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *change, void *context)
{
    const struct conn *conn = context;
    (void)out;
    if (change->n_added > 0)
        event_active(conn->flush, EV_WRITE, 0);
}

int conn_out_open(struct conn *conn)
{
    conn->unsent = evbuffer_new();
    conn->piece_timer = event_new(conn->server->base, -1, 0, on_piece_timer, conn);
    conn->flush = event_new(conn->server->base, -1, 0, on_flush, conn);
    bufferevent_disable(conn->bev, EV_WRITE);
    if (evbuffer_add_cb(bufferevent_get_output(conn->bev), on_output, conn) == NULL)
        return -1;
    return conn->unsent != NULL && conn->piece_timer != NULL && conn->flush != NULL ? 0 : -1;
}

void conn_out_drained(struct conn *conn)
{
    bufferevent_disable(conn->bev, EV_WRITE);
    conn_check_drained(conn);
}

void conn_out_free(struct conn *conn)
{
    event_free(conn->flush);
    event_free(conn->piece_timer);
    evbuffer_free(conn->unsent);
}

void conn_check_drained(struct conn *conn)
{
    if (conn->phase == CONN_CLOSED || !output_empty(conn))
        return;
    enum conn_drained action = conn->drained;
    switch (action) {
    case DRAINED_NOTHING:
        return;
    case DRAINED_NEXT:
        conn->drained = DRAINED_NOTHING;
        conn->piece_bytes = 0;
        conn->phase = CONN_READ_HEAD;
        conn_advance(conn);
        return;
    case DRAINED_CUT:
        conn_close(conn);
        return;
    case DRAINED_RESET:
        event_add(conn->piece_timer, &RESET_PAUSE);
        return;
    }
}

static void put_buffer(struct conn *conn, struct evbuffer *data)
{
    if (conn->phase == CONN_CLOSED) {
        evbuffer_drain(data, evbuffer_get_length(data));
        return;
    }
    if (conn->piece_bytes == 0) {
        bufferevent_write_buffer(conn->bev, data);
        return;
    }
    evbuffer_add_buffer(conn->unsent, data);
    if (!event_pending(conn->piece_timer, EV_TIMEOUT, NULL))
        send_piece(conn);
}

/* The answer is complete; the connection goes on to the next request, or closes. */
static void finish(struct conn *conn)
{
    if (conn->phase == CONN_CLOSED)
        return;
    conn->gone = NULL;
    conn->owner = NULL;
    conn->drained = conn->request.close ? DRAINED_CUT : DRAINED_NEXT;
    conn_check_drained(conn);
}

static void put_head(struct conn *conn, int status, const char *type, int64_t length)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    struct evbuffer *head = evbuffer_new();
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    evbuffer_add_printf(head, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    if (type != NULL)
        evbuffer_add_printf(head, "Content-Type: %s\r\n", type);
    evbuffer_add_printf(head, "Date: %s\r\n", date);
    if (conn->request.close)
        evbuffer_add_printf(head, "Connection: close\r\n");
    if (length >= 0)
        evbuffer_add_printf(head, "Content-Length: %lld\r\n\r\n", (long long)length);
    else
        evbuffer_add_printf(head, "Transfer-Encoding: chunked\r\n\r\n");
    put_buffer(conn, head);
    evbuffer_free(head);
}

void conn_set_owner(struct conn *conn, void *owner, void (*gone)(void *owner))
{
    conn->owner = owner;
    conn->gone = gone;
}

void conn_set_piece(struct conn *conn, size_t piece_bytes)
{
    conn->piece_bytes = piece_bytes;
}

void conn_reply(struct conn *conn, int status, const char *type, struct evbuffer *body)
{
    size_t length = body != NULL ? evbuffer_get_length(body) : 0;
    put_head(conn, status, type, (int64_t)length);
    if (body != NULL && strcmp(conn->request.method, "HEAD") != 0)
        put_buffer(conn, body);
    finish(conn);
}

void conn_reply_text(struct conn *conn, int status, const char *type, const char *text)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, text, strlen(text));
    conn_reply(conn, status, type, body);
    evbuffer_free(body);
}

void conn_begin(struct conn *conn, int status, const char *type, size_t lie_bytes)
{
    conn->bare = lie_bytes > 0;
    put_head(conn, status, type, lie_bytes > 0 ? (int64_t)lie_bytes : -1);
}

void conn_chunk(struct conn *conn, struct evbuffer *data)
{
    size_t length = evbuffer_get_length(data);
    if (length == 0)
        return; /* a chunk of length 0 would end the body */
    struct evbuffer *framed = evbuffer_new();
    if (!conn->bare)
        evbuffer_add_printf(framed, "%zx\r\n", length);
    evbuffer_add_buffer(framed, data);
    if (!conn->bare)
        evbuffer_add(framed, "\r\n", 2);
    put_buffer(conn, framed);
    evbuffer_free(framed);
}

void conn_end(struct conn *conn)
{
    if (!conn->bare)
        conn_raw(conn, "0\r\n\r\n", 5);
    finish(conn);
}

void conn_raw(struct conn *conn, const void *data, size_t len)
{
    struct evbuffer *raw = evbuffer_new();
    evbuffer_add(raw, data, len);
    put_buffer(conn, raw);
    evbuffer_free(raw);
}

static void break_off(struct conn *conn, enum conn_drained how)
{
    if (conn->phase == CONN_CLOSED)
        return;
    conn->gone = NULL;
    conn->owner = NULL;
    conn->drained = how;
    conn_check_drained(conn);
}

void conn_cut(struct conn *conn)
{
    break_off(conn, DRAINED_CUT);
}

void conn_reset(struct conn *conn)
{
    break_off(conn, DRAINED_RESET);
}

bool conn_blocked(const struct conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev)) > CONN_BLOCKED_BYTES;
}
