#ifndef SIM_CONN_H
#define SIM_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * HTTP/1.1 server on bufferevents, one request at a time on a connection. Not evhttp, because a
 * test needs to decide where an answer is cut into TCP segments, and how it breaks off.
 *
 * The server reads requests and calls server->serve once for each; what answers may come at once
 * or later. Between that call and the end of the answer, conn_set_owner() registers who must hear
 * that the client has gone.
 */

struct event_base;
struct event;
struct evbuffer;
struct bufferevent;
struct evconnlistener;
struct conn;

enum {
    CONN_BODY_MAX = 64 << 20, /* bytes of a request body; more is answered with 413 */
    CONN_HEAD_MAX = 64 << 10, /* bytes of a request line with its headers; more is 431 */
    CONN_COUNT_MAX = 1024,    /* open connections; more are closed at once */
    CONN_TARGET_MAX = 512,
    CONN_HEADER_MAX = 256,          /* of the header values that are kept */
    CONN_BLOCKED_BYTES = 256 << 10, /* unread output from which conn_blocked() holds */
};

struct http_request {
    char method[16];
    char path[CONN_TARGET_MAX]; /* without the query */
    char host[CONN_HEADER_MAX];
    char origin[CONN_HEADER_MAX];
    bool http10;
    bool close; /* the client asked for Connection: close */
    bool expects_continue;
    bool chunked;
    int64_t content_length; /* -1: not given */
    const char *body;       /* NUL follows it; borrowed for the time of the serve call */
    size_t body_bytes;
};

struct server {
    struct event_base *base;
    void (*serve)(void *context, struct conn *conn, const struct http_request *request);
    void *context;

    struct evconnlistener *listener;
    struct event *reopen; /* ends a time of refused connections */
    struct event *reap;   /* frees closed connections outside of their own callbacks */
    char address[64];     /* what it listens on, without the port */
    uint16_t port;
    LIST_HEAD(, conn) conns;
    uint64_t accepted;
    int open, max_open;
};

/* Listens on address and port (0: a free one, then in server->port). 0 or negative errno. */
int server_open(struct server *server, struct event_base *base, const char *address, uint16_t port);

/* Closes everything. */
void server_close(struct server *server);

/*
 * Closes the listener and every connection but `keep` for that time, like a stopped service, then
 * listens on the same port again.
 */
void server_refuse(struct server *server, struct conn *keep, int64_t time_ns);

/* Whether the request line and headers in text[0..len) can be served. Pure. 0, or the status to
 * refuse them with. `len` covers the empty line at the end. */
int http_parse_head(const char *text, size_t len, struct http_request *ret_request);

/* `gone` is called once if the client goes away before the answer has ended. NULL: nobody. */
void conn_set_owner(struct conn *conn, void *owner, void (*gone)(void *owner));

/* Answers are sent in pieces of that many bytes, each a write() of its own. 0: as they come. */
void conn_set_piece(struct conn *conn, size_t piece_bytes);

/* A whole answer with Content-Length. The body is moved out of `body`; NULL: empty. */
void conn_reply(struct conn *conn, int status, const char *type, struct evbuffer *body);

/* A whole answer of a given text. */
void conn_reply_text(struct conn *conn, int status, const char *type, const char *text);

/*
 * An answer in chunks: begin, any number of chunks, end. With lie_bytes > 0 begin promises a
 * Content-Length of that size instead and chunks go out bare.
 */
void conn_begin(struct conn *conn, int status, const char *type, size_t lie_bytes);
void conn_chunk(struct conn *conn, struct evbuffer *data);
void conn_end(struct conn *conn);

/* Raw bytes, for half an answer. */
void conn_raw(struct conn *conn, const void *data, size_t len);

/* Breaks off once what was written is out: with a FIN, or with a RST. */
void conn_cut(struct conn *conn);
void conn_reset(struct conn *conn);

/* Whether the client has stopped reading, so that more output would only pile up here. */
bool conn_blocked(const struct conn *conn);

/* The server the connection belongs to. */
struct server *conn_server(struct conn *conn);

#endif
