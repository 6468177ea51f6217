#ifndef WORKER_HTTP_CALL_H
#define WORKER_HTTP_CALL_H

/*
 * One HTTP exchange with Ollama. The socket is never paused: what arrives is handed on at once, or
 * at the next tick if the call is paced.
 *
 * A call lives from http_call_start() until its on_done(), which comes exactly once, from the event
 * loop (or inside curl_loop_free()), never inside http_call_start() or http_call_cancel(). Silence
 * on the way is the caller's affair: on_data() tells of each piece, http_call_cancel() ends it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct curl_loop;
struct http_call;

#define HTTP_CONNECT_TIMEOUT_MS 5000
#define HTTP_BODY_MAX_BYTES     ((size_t)64 << 20)

enum http_method {
    HTTP_GET = 0,
    HTTP_POST,
};

enum http_result {
    HTTP_OK_COMPLETE = 0, /* a whole answer, whatever its status */
    HTTP_CONNECT_FAILED,  /* nothing was sent: refused, no such host, no answer, bad URL */
    HTTP_SEND_FAILED,     /* cut before the whole request was out */
    HTTP_CUT,             /* the request was out; no answer, or the answer ends too early */
    HTTP_TIMED_OUT,       /* total_timeout_ms passed after connecting */
    HTTP_ABORTED,         /* http_call_cancel() or curl_loop_free() */
};

const char *http_result_name(enum http_result result); /* "cut" */

struct http_outcome {
    enum http_result result;
    int status;      /* of the answer; 0 if none came */
    const char *why; /* in words; "" for HTTP_OK_COMPLETE; borrowed until on_done() returns */
};

struct http_request {
    enum http_method method;
    const char *url; /* copied */
    /* HTTP_POST; JSON, at most HTTP_BODY_MAX_BYTES (asserted); borrowed until on_done() */
    struct span body;
    int64_t connect_timeout_ms; /* 0: HTTP_CONNECT_TIMEOUT_MS */
    int64_t total_timeout_ms;   /* 0: none */
    /* A piece of the answer's body as it arrives, borrowed; pieces end anywhere. http_call_status()
     * is known. May be NULL. http_call_cancel() and http_call_start() are allowed inside. */
    void (*on_data)(struct span bytes, void *arg);
    void (*on_done)(const struct http_outcome *outcome, void *arg);
    void *arg;
};

/* Starts it, from anywhere. Never NULL: what goes wrong is told by on_done(). `request` is copied.
 */
struct http_call *http_call_start(struct curl_loop *loop, const struct http_request *request);

/* Closes the connection at once, so that Ollama notices and stops generating (inside an on_data():
 * right after it). No on_data() comes any more; on_done() comes with HTTP_ABORTED. Twice is fine.
 */
void http_call_cancel(struct http_call *call);

/* Whether its answer is read at the tick (curl_loop_read_paced()) instead of when it comes. Returns
 * what holds from now on. Not inside an on_data(). */
bool http_call_pace(struct http_call *call, bool is_paced);

/* The answer's status; 0 before it has come. */
int http_call_status(const struct http_call *call);

#endif
