#ifndef SIM_CONN_INTERNAL_H
#define SIM_CONN_INTERNAL_H

#include "conn.h"

/* Shared by conn.c (requests in) and conn_out.c (answers out); nobody else includes it. */

enum conn_phase { CONN_READ_HEAD, CONN_READ_BODY, CONN_ANSWERING, CONN_CLOSED };

/* What happens once all output has gone to the kernel. */
enum conn_drained { DRAINED_NOTHING, DRAINED_NEXT, DRAINED_CUT, DRAINED_RESET };

struct conn {
    LIST_ENTRY(conn) link;
    struct server *server;
    struct bufferevent *bev;
    enum conn_phase phase;
    bool advancing; /* conn_advance() is on the stack */
    struct http_request request;
    struct evbuffer *body;   /* of the request, as far as it has come */
    int64_t chunk_left;      /* of a chunked request body; -1: a size line is next */
    struct evbuffer *unsent; /* with piece_bytes: output that waits for its turn */
    size_t piece_bytes;
    struct event *piece_timer;
    struct event *flush; /* never waits: made active, it comes in this turn of the loop */
    enum conn_drained drained;
    bool bare; /* chunks without their frames: a Content-Length was promised */
    void *owner;
    void (*gone)(void *owner);
};

/* Reads on: the next request, if the input holds one. */
void conn_advance(struct conn *conn);

/* Makes the connection CLOSED and tells its owner; memory is freed in the next loop turn. */
void conn_close(struct conn *conn);

/* Acts on conn->drained if nothing is left to send. */
void conn_check_drained(struct conn *conn);

/* Prepares the output side, and frees it. */
int conn_out_open(struct conn *conn);
void conn_out_free(struct conn *conn);

/* The bufferevent has written what the kernel did not take at once. */
void conn_out_drained(struct conn *conn);

#endif
