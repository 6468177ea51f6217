#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

/* A small HTTP server for tests, on loopback and on the test's own event loop. The path says what
 * it does:
 *
 *     /echo     200, the body sent back, connection kept      /busy     503 with a body
 *     /split    200, chunked, each byte in a write of its own /cut      10 of 100 bytes, then FIN
 *     /nothing  FIN without an answer                         /reset    10 of 100 bytes, then RST
 *     /hang     never answers                                 /dribble  a piece each 10 ms for ever
 *     /garbage  no HTTP at all                                /deaf     RST before the body is read
 */

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    uint16_t port;
    unsigned accepts, requests, gone; /* gone: connections that the client closed */
    char head[2048];                  /* of the last request */
};

struct client {
    struct server *server;
    struct bufferevent *be;
    struct event *pace; /* of /split and /dribble */
    const char *unsent; /* of /split */
};

static inline void client_free(struct client *client)
{
    bufferevent_free(client->be);
    event_free(client->pace);
    free(client);
}

static inline void client_reset(struct client *client)
{
    const struct linger rst = {.l_onoff = 1};

    (void)setsockopt(bufferevent_getfd(client->be), SOL_SOCKET, SO_LINGER, &rst, sizeof rst);
    client_free(client);
}

static inline void on_flushed_close(struct bufferevent *be, void *arg)
{
    (void)be;
    client_free(arg);
}

static inline void on_flushed_reset(struct bufferevent *be, void *arg)
{
    (void)be;
    client_reset(arg);
}

static inline void on_gone(struct bufferevent *be, short what, void *arg)
{
    struct client *client = arg;

    (void)be;
    (void)what;
    client->server->gone++;
    client_free(client);
}

static inline void on_pace(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval soon = {.tv_usec = 10000}, now = {0};
    struct client *client = arg;
    char byte[2] = "";

    (void)fd;
    (void)what;
    if (!client->unsent) {
        (void)evbuffer_add_printf(bufferevent_get_output(client->be), "4\r\nmore\r\n");
        (void)event_add(client->pace, &soon);
        return;
    }
    byte[0] = *client->unsent++;
    (void)send(bufferevent_getfd(client->be), byte, 1, MSG_NOSIGNAL);
    if (*client->unsent)
        (void)event_add(client->pace, &now);
}

static inline void answer(struct client *client, const char *path, const char *body, size_t len)
{
    struct evbuffer *out = bufferevent_get_output(client->be);
    static const char promise[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789";
    static const char chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    if (strcmp(path, "/echo") == 0) {
        (void)evbuffer_add_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
        (void)evbuffer_add(out, body, len);
    } else if (strcmp(path, "/busy") == 0) {
        (void)evbuffer_add_printf(
            out, "HTTP/1.1 503 Busy\r\nContent-Length: 16\r\n\r\n{\"error\":\"busy\"}");
    } else if (strcmp(path, "/split") == 0) {
        client->unsent = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "6\r\n{\"a\":1\r\n2\r\n}\n\r\n0\r\n\r\n";
        event_active(client->pace, EV_TIMEOUT, 0);
    } else if (strcmp(path, "/dribble") == 0) {
        (void)evbuffer_add(out, chunked, sizeof chunked - 1);
        event_active(client->pace, EV_TIMEOUT, 0);
    } else if (strcmp(path, "/cut") == 0 || strcmp(path, "/reset") == 0) {
        (void)evbuffer_add(out, promise, sizeof promise - 1);
        bufferevent_setcb(client->be, NULL, path[1] == 'c' ? on_flushed_close : on_flushed_reset,
                          on_gone, client);
    } else if (strcmp(path, "/garbage") == 0) {
        (void)evbuffer_add_printf(out, "-ERR unknown command 'POST'\r\n");
    } else if (strcmp(path, "/nothing") == 0) {
        client_free(client);
    }
}

/* Takes one whole request off the input; false if there is none yet. */
static inline bool take_request(struct client *client, char **ret_body, size_t *ret_len,
                                char path[64])
{
    struct evbuffer *in = bufferevent_get_input(client->be);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    char *head = client->server->head;
    size_t len = 0;

    if (end.pos < 0 || (size_t)end.pos >= sizeof client->server->head)
        return false;
    ssize_t n = evbuffer_copyout(in, head, (size_t)end.pos);
    head[n] = '\0';
    assert_int_equal(sscanf(head, "%*s %63s", path), 1);
    const char *length = strstr(head, "Content-Length: ");
    if (length)
        len = strtoul(length + 16, NULL, 10);
    if (strcmp(path, "/deaf") != 0 && evbuffer_get_length(in) < (size_t)n + 4 + len)
        return false;
    (void)evbuffer_drain(in, (size_t)n + 4);
    *ret_body = malloc(len + 1);
    *ret_len = len;
    assert_non_null(*ret_body);
    (void)evbuffer_remove(in, *ret_body, len);
    return true;
}

static inline void on_request_bytes(struct bufferevent *be, void *arg)
{
    struct client *client = arg;
    char path[64], *body;
    size_t len;

    (void)be;
    if (!take_request(client, &body, &len, path))
        return;
    client->server->requests++;
    if (strcmp(path, "/deaf") == 0)
        client_reset(client);
    else
        answer(client, path, body, len);
    free(body);
}

static inline void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                             struct sockaddr *from, int from_len, void *arg)
{
    struct server *server = arg;
    struct client *client = calloc(1, sizeof *client);

    (void)listener;
    (void)from;
    (void)from_len;
    assert_non_null(client);
    client->server = server;
    client->be = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    client->pace = evtimer_new(server->base, on_pace, client);
    bufferevent_setcb(client->be, on_request_bytes, NULL, on_gone, client);
    (void)bufferevent_enable(client->be, EV_READ | EV_WRITE);
    server->accepts++;
}

static inline void server_up(struct server *server, struct event_base *base)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;

    *server = (struct server){.base = base};
    server->listener = evconnlistener_new_bind(base, on_accept, server, LEV_OPT_CLOSE_ON_FREE, 16,
                                               (struct sockaddr *)&at, sizeof at);
    assert_non_null(server->listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&at, &len), 0);
    server->port = ntohs(at.sin_port);
}

#endif
