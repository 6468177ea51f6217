#include "http_call.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/log.h"

#include "curl_loop.h"

#define KEEPALIVE_IDLE_S     15L
#define KEEPALIVE_INTERVAL_S 5L
#define IDLE_CONNECTION_S    30L /* so many connections stay open as were needed lately */

struct http_call {
    struct http_request request; /* url is not kept */
    struct curl_loop *loop;
    CURL *easy;                 /* NULL: it could not be set up, and is about to fail */
    struct curl_slist *headers; /* must live as long as easy */
    bool cancelled;
    char why[CURL_ERROR_SIZE];
};

const char *http_result_name(enum http_result result)
{
    static const char *const names[] = {
        [HTTP_OK_COMPLETE] = "complete",    [HTTP_CONNECT_FAILED] = "connect_failed",
        [HTTP_SEND_FAILED] = "send_failed", [HTTP_CUT] = "cut",
        [HTTP_TIMED_OUT] = "timed_out",     [HTTP_ABORTED] = "aborted",
    };

    assert(result <= HTTP_ABORTED);
    return names[result];
}

int http_call_status(const struct http_call *call)
{
    long status = 0;

    if (call->easy)
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

/* --- the end ---------------------------------------------------------------------------------- */

static enum http_result classify(const struct http_call *call, CURLcode code)
{
    curl_off_t connected_us = 0, sent_bytes = 0;

    if (code == CURLE_ABORTED_BY_CALLBACK)
        return HTTP_ABORTED;
    if (code == CURLE_OK)
        return HTTP_OK_COMPLETE;
    if (!call->easy)
        return HTTP_CONNECT_FAILED;
    (void)curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    (void)curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent_bytes);
    if (connected_us == 0)
        return HTTP_CONNECT_FAILED;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return HTTP_TIMED_OUT;
    if (code == CURLE_SEND_ERROR || (uint64_t)sent_bytes < call->request.body.len)
        return HTTP_SEND_FAILED;
    return HTTP_CUT;
}

/* Tells the owner, and frees the call. */
static void on_transfer_done(CURLcode code, void *arg)
{
    struct http_call *call = arg;
    struct http_outcome outcome = {
        .result = call->cancelled ? HTTP_ABORTED : classify(call, code),
        .status = http_call_status(call),
        .why = call->why[0] ? call->why : curl_easy_strerror(code),
    };

    if (outcome.result == HTTP_OK_COMPLETE) {
        outcome.why = "";
    } else if (outcome.result == HTTP_ABORTED) {
        outcome.why = "cancelled";
    }
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    call->request.on_done(&outcome, call->request.arg);
    free(call);
}

bool http_call_pace(struct http_call *call, bool is_paced)
{
    return call->easy && !call->cancelled && curl_loop_pace(call->loop, call->easy, is_paced);
}

void http_call_cancel(struct http_call *call)
{
    call->cancelled = true;
    if (call->easy)
        curl_loop_abort(call->loop, call->easy, CURLE_ABORTED_BY_CALLBACK);
}

/* --- the beginning ---------------------------------------------------------------------------- */

/* CURLOPT_WRITEFUNCTION: the type is curl's. */
/* NOLINTNEXTLINE(readability-non-const-parameter) */
static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * n;

    if (call->cancelled)
        return 0; /* makes curl close the connection */
    if (len > 0 && call->request.on_data)
        call->request.on_data((struct span){bytes, len}, call->request.arg);
    return call->cancelled ? 0 : len;
}

/* No Expect: Ollama would let us wait for a 100 that it never sends. False: no memory. */
static bool set_headers(struct http_call *call)
{
    call->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!call->headers || !curl_slist_append(call->headers, "Expect:"))
        return false;
    (void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return true;
}

static void set_body(struct http_call *call)
{
    const struct span body = call->request.body;

    if (call->request.method == HTTP_GET)
        return;
    (void)curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    (void)curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, body.ptr ? body.ptr : "");
}

static long timeout_or(int64_t ms, long otherwise_ms)
{
    return ms > 0 ? (long)ms : otherwise_ms;
}

static void set_limits(const struct http_call *call)
{
    CURL *easy = call->easy;

    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           timeout_or(call->request.connect_timeout_ms, HTTP_CONNECT_TIMEOUT_MS));
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_or(call->request.total_timeout_ms, 0));
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    (void)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
}

/* False: no memory. Each option that copies a text is asked; the others cannot fail. */
static bool set_up(struct http_call *call, const char *url)
{
    CURL *easy = call->easy;

    if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_PROXY, "") != CURLE_OK || /* whatever the environment says */
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "orion-worker/" ORION_VERSION) != CURLE_OK ||
        !set_headers(call))
        return false;
    set_body(call);
    set_limits(call);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a cancel waits for no resolver */
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->why);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    return true;
}

struct http_call *http_call_start(struct curl_loop *loop, const struct http_request *request)
{
    struct http_call *call = xcalloc(1, sizeof *call);

    assert(request->body.len <= HTTP_BODY_MAX_BYTES);
    call->request = *request;
    call->request.url = NULL;
    if (request->method == HTTP_GET)
        call->request.body = (struct span){NULL, 0};
    call->loop = loop;
    call->easy = curl_easy_init();
    if (call->easy && set_up(call, request->url)) {
        curl_loop_add(loop, call->easy, on_transfer_done, call);
        return call;
    }
    curl_easy_cleanup(call->easy); /* NULL is fine */
    call->easy = NULL;
    curl_loop_fail(loop, on_transfer_done, call, CURLE_OUT_OF_MEMORY);
    return call;
}
