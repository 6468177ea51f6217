#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "conn_internal.h"

void conn_close(struct conn *conn)
{
    if (conn->phase == CONN_CLOSED)
        return;
    conn->phase = CONN_CLOSED;
    conn->server->open--;
    bufferevent_disable(conn->bev, EV_READ | EV_WRITE);
    bufferevent_setcb(conn->bev, NULL, NULL, NULL, NULL);
    void (*gone)(void *) = conn->gone;
    conn->gone = NULL;
    if (gone != NULL)
        gone(conn->owner);
    event_active(conn->server->reap, EV_TIMEOUT, 0);
}

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, link);
    bufferevent_free(conn->bev);
    evbuffer_free(conn->body);
    conn_out_free(conn);
    free(conn);
}

static void on_reap(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    struct conn *next = NULL;
    (void)fd;
    (void)what;
    for (struct conn *conn = LIST_FIRST(&server->conns); conn != NULL; conn = next) {
        next = LIST_NEXT(conn, link);
        if (conn->phase == CONN_CLOSED)
            conn_free(conn);
    }
}

static void refuse_request(struct conn *conn, int status)
{
    conn->request = (struct http_request){.close = true};
    conn->phase = CONN_ANSWERING;
    conn_reply_text(conn, status, "text/plain; charset=utf-8", "request refused");
}

/* Takes a request head off the input. False: not there yet. */
static bool read_head(struct conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        if (evbuffer_get_length(in) > CONN_HEAD_MAX)
            refuse_request(conn, 431);
        return false;
    }
    size_t length = (size_t)end.pos + 4;
    int status = length > CONN_HEAD_MAX
                     ? 431
                     : http_parse_head((const char *)evbuffer_pullup(in, (ev_ssize_t)length),
                                       length, &conn->request);
    evbuffer_drain(in, length);
    if (status == 0 && conn->request.content_length > CONN_BODY_MAX)
        status = 413;
    if (status != 0) {
        refuse_request(conn, status);
        return false;
    }
    if (conn->request.expects_continue)
        bufferevent_write(conn->bev, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    conn->chunk_left = -1;
    conn->phase = CONN_READ_BODY;
    return true;
}

/* Takes one chunk's size line, or its data. 1: some progress; 0: wait; 2: body complete; <0: bad.
 */
static int read_chunk(struct conn *conn, struct evbuffer *in)
{
    if (conn->chunk_left < 0) {
        char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF_STRICT);
        if (line == NULL)
            return evbuffer_get_length(in) > 1024 ? -EINVAL : 0;
        char *end = NULL;
        long long size = strtoll(line, &end, 16);
        bool bad = end == line || size < 0 || size > CONN_BODY_MAX;
        free(line);
        conn->chunk_left = size;
        return bad ? -EINVAL : 1;
    }
    /* The CRLF behind the data belongs to the chunk. */
    if ((int64_t)evbuffer_get_length(in) < conn->chunk_left + 2)
        return 0;
    if (conn->chunk_left == 0) {
        evbuffer_drain(in, 2);
        return 2;
    }
    evbuffer_remove_buffer(in, conn->body, (size_t)conn->chunk_left);
    evbuffer_drain(in, 2);
    conn->chunk_left = -1;
    return evbuffer_get_length(conn->body) > CONN_BODY_MAX ? -EFBIG : 1;
}

static bool read_chunked_body(struct conn *conn)
{
    int progress = 1;
    while (progress == 1)
        progress = read_chunk(conn, bufferevent_get_input(conn->bev));
    if (progress < 0)
        refuse_request(conn, progress == -EFBIG ? 413 : 400);
    return progress == 2;
}

/* Moves what has come of the body. False: not complete yet. */
static bool read_body(struct conn *conn)
{
    struct evbuffer *in = bufferevent_get_input(conn->bev);
    if (conn->request.chunked)
        return read_chunked_body(conn);
    int64_t missing = conn->request.content_length - (int64_t)evbuffer_get_length(conn->body);
    if (missing > 0) {
        int moved = evbuffer_remove_buffer(in, conn->body, (size_t)missing);
        missing -= moved > 0 ? moved : 0;
    }
    return missing <= 0;
}

static void serve(struct conn *conn)
{
    conn->phase = CONN_ANSWERING;
    conn->drained = DRAINED_NOTHING;
    conn->bare = false;
    conn->request.body_bytes = evbuffer_get_length(conn->body);
    evbuffer_add(conn->body, "", 1);
    conn->request.body = (const char *)evbuffer_pullup(conn->body, -1);
    conn->server->serve(conn->server->context, conn, &conn->request);
    conn->request.body = NULL;
    evbuffer_drain(conn->body, evbuffer_get_length(conn->body));
}

void conn_advance(struct conn *conn)
{
    if (conn->advancing)
        return;
    conn->advancing = true;
    for (bool more = true; more;) {
        switch (conn->phase) {
        case CONN_READ_HEAD:
            more = read_head(conn);
            break;
        case CONN_READ_BODY:
            more = read_body(conn);
            if (more)
                serve(conn);
            break;
        case CONN_ANSWERING:
        case CONN_CLOSED:
            more = false;
            break;
        }
    }
    conn->advancing = false;
}

static void on_read(struct bufferevent *bev, void *context)
{
    (void)bev;
    conn_advance(context);
}

static void on_written(struct bufferevent *bev, void *context)
{
    (void)bev;
    conn_out_drained(context);
}

static void on_event(struct bufferevent *bev, short what, void *context)
{
    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        conn_close(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_bytes, void *context)
{
    struct server *server = context;
    int yes = 1;
    (void)listener;
    (void)peer;
    (void)peer_bytes;
    struct conn *conn = server->open < CONN_COUNT_MAX ? calloc(1, sizeof(*conn)) : NULL;
    if (conn == NULL) {
        evutil_closesocket(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    conn->server = server;
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    conn->body = evbuffer_new();
    if (conn->bev == NULL || conn->body == NULL || conn_out_open(conn) != 0)
        abort(); /* out of memory: a simulator need not survive that */
    bufferevent_setcb(conn->bev, on_read, on_written, on_event, conn);
    bufferevent_setwatermark(conn->bev, EV_READ, 0, 1 << 20);
    LIST_INSERT_HEAD(&server->conns, conn, link);
    server->accepted++;
    server->open++;
    if (server->open > server->max_open)
        server->max_open = server->open;
    bufferevent_enable(conn->bev, EV_READ); /* conn_out.c sees to the writing */
}

static int start_listening(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    if (inet_pton(AF_INET, server->address, &address.sin_addr) != 1)
        return -EINVAL;
    server->listener = evconnlistener_new_bind(server->base, on_accept, server,
                                               LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 128,
                                               (struct sockaddr *)&address, (int)sizeof(address));
    if (server->listener == NULL)
        return errno != 0 ? -errno : -EADDRINUSE;
    socklen_t size = sizeof(address);
    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &size) !=
        0)
        return -errno;
    server->port = ntohs(address.sin_port);
    return 0;
}

static void on_reopen(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct server *server = context;
    if (server->listener == NULL && start_listening(server) != 0) {
        struct timeval again = {.tv_usec = 100000};
        event_add(server->reopen, &again);
    }
}

/* A shell's usual 1024 are fewer than our connections; without one more, accept() would spin. */
static void allow_descriptors(void)
{
    const rlim_t wanted = CONN_COUNT_MAX + 64;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int server_open(struct server *server, struct event_base *base, const char *address, uint16_t port)
{
    if (strlen(address) >= sizeof(server->address))
        return -EINVAL;
    allow_descriptors();
    memcpy(server->address, address, strlen(address) + 1);
    server->base = base;
    server->port = port;
    LIST_INIT(&server->conns);
    server->reap = event_new(base, -1, 0, on_reap, server);
    server->reopen = event_new(base, -1, 0, on_reopen, server);
    if (server->reap == NULL || server->reopen == NULL)
        return -ENOMEM;
    return start_listening(server);
}

void server_refuse(struct server *server, struct conn *keep, int64_t time_ns)
{
    struct conn *conn = NULL;
    struct timeval time = {.tv_sec = time_ns / 1000000000, .tv_usec = time_ns % 1000000000 / 1000};
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    server->listener = NULL;
    LIST_FOREACH(conn, &server->conns, link)
    {
        if (conn != keep)
            conn_close(conn);
    }
    event_add(server->reopen, &time);
}

void server_close(struct server *server)
{
    struct conn *conn = NULL;
    if (server->listener != NULL)
        evconnlistener_free(server->listener);
    server->listener = NULL;
    LIST_FOREACH(conn, &server->conns, link)
    {
        conn_close(conn);
    }
    on_reap(-1, 0, server);
    event_free(server->reap);
    event_free(server->reopen);
}

struct server *conn_server(struct conn *conn)
{
    return conn->server;
}
