#include "output.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

#include "lines.h"

/* From here on Go's server stops giving a Content-Length. */
enum { SMALL_BODY_BYTES = 2048, LIE_BYTES = 1 << 26 };

static const char JSON_TYPE[] = "application/json; charset=utf-8";

static bool due(const struct job *job, enum fault_kind kind)
{
    return job->plan.on[kind] && job->lines >= (size_t)job->plan.number[kind];
}

static void begin(struct job *job)
{
    bool lie = job->plan.on[FAULT_WRONG_CONTENT_LENGTH];
    if (job->begun)
        return;
    job->begun = true;
    conn_begin(job->conn, 200, "application/x-ndjson", lie ? LIE_BYTES : 0);
}

static void flush_merged(struct job *job)
{
    if (evbuffer_get_length(job->merged) > 0)
        conn_chunk(job->conn, job->merged);
}

/* Passes lines on, so many at a time as the fault merge wants. */
static void put_line(struct job *job, struct evbuffer *line, bool last)
{
    begin(job);
    evbuffer_add_buffer(job->merged, line);
    job->lines++;
    if (last || !job->plan.on[FAULT_MERGE] ||
        job->lines % (size_t)(job->plan.number[FAULT_MERGE] + !job->plan.number[FAULT_MERGE]) == 0)
        flush_merged(job);
}

static enum output finish(struct job *job)
{
    begin(job);
    flush_merged(job);
    if (job->plan.on[FAULT_WRONG_CONTENT_LENGTH])
        conn_cut(job->conn);
    else
        conn_end(job->conn);
    job->conn = NULL;
    return OUTPUT_OVER;
}

/* Half of a line in the frame of a whole one: the break is in the middle of a chunk. */
static void put_half_frame(struct job *job, struct evbuffer *line)
{
    char head[32];
    size_t length = evbuffer_get_length(line);
    int head_bytes = snprintf(head, sizeof(head), "%zx\r\n", length);
    const unsigned char *bytes = evbuffer_pullup(line, -1);
    conn_raw(job->conn, head, (size_t)head_bytes);
    conn_raw(job->conn, bytes, length / 2);
}

static enum output break_off(struct job *job, bool reset, struct evbuffer *line)
{
    if (job->begun) {
        flush_merged(job);
        put_half_frame(job, line);
    }
    if (reset)
        conn_reset(job->conn);
    else
        conn_cut(job->conn);
    job->conn = NULL;
    return OUTPUT_OVER;
}

static enum output end_with_error(struct job *job)
{
    struct evbuffer *line = evbuffer_new();
    const char *text = job->plan.text[0] != '\0'
                           ? job->plan.text
                           : "an error was encountered while running the model: unexpected EOF";
    line_error(text, true, line);
    put_line(job, line, true);
    evbuffer_free(line);
    return finish(job);
}

static void put_garbage(struct job *job)
{
    struct evbuffer *line = evbuffer_new();
    evbuffer_add_printf(line, "%s\n",
                        job->plan.text[0] != '\0' ? job->plan.text : "}this is no JSON{\xff\x01");
    put_line(job, line, false);
    evbuffer_free(line);
    job->plan.on[FAULT_GARBAGE] = false;
}

enum output output_end(struct job *job)
{
    return finish(job);
}

enum output output_line(struct job *job, struct evbuffer *line, bool last)
{
    if (due(job, FAULT_HANG_AFTER)) {
        flush_merged(job);
        return OUTPUT_HANGS;
    }
    if (due(job, FAULT_CUT_AFTER) || due(job, FAULT_RESET_AFTER))
        return break_off(job, due(job, FAULT_RESET_AFTER), line);
    if (due(job, FAULT_CLEAN_END_AFTER))
        return finish(job);
    if (due(job, FAULT_ERROR_LINE_AFTER))
        return end_with_error(job);
    if (due(job, FAULT_GARBAGE))
        put_garbage(job);
    if (last && job->plan.on[FAULT_TRUNCATED_JSON]) {
        struct evbuffer *half = evbuffer_new();
        evbuffer_remove_buffer(line, half, evbuffer_get_length(line) / 2);
        put_line(job, half, true);
        evbuffer_free(half);
        return finish(job);
    }
    put_line(job, line, last);
    return last ? finish(job) : OUTPUT_GOES_ON;
}

static enum output half_body(struct job *job, struct evbuffer *body, bool reset)
{
    size_t length = evbuffer_get_length(body);
    bool nothing = job->plan.number[reset ? FAULT_RESET_AFTER : FAULT_CUT_AFTER] == 0;
    if (!nothing) {
        struct evbuffer *half = evbuffer_new();
        evbuffer_remove_buffer(body, half, length / 2);
        conn_begin(job->conn, 200, JSON_TYPE, length);
        conn_chunk(job->conn, half);
        evbuffer_free(half);
    }
    return break_off(job, reset, body);
}

/* Changes that leave it an answer of the usual form. */
static void spoil_body(struct job *job, struct evbuffer *body)
{
    size_t length = evbuffer_get_length(body);
    if (job->plan.on[FAULT_GARBAGE]) {
        evbuffer_drain(body, length);
        evbuffer_add_printf(body, "%s",
                            job->plan.text[0] != '\0' ? job->plan.text : "}this is no JSON{");
    }
    if (job->plan.on[FAULT_TRUNCATED_JSON]) {
        struct evbuffer *half = evbuffer_new();
        evbuffer_remove_buffer(body, half, length / 2);
        evbuffer_drain(body, evbuffer_get_length(body));
        evbuffer_add_buffer(body, half);
        evbuffer_free(half);
    }
}

static enum output promise_too_much(struct job *job, struct evbuffer *body)
{
    size_t extra = (size_t)job->plan.number[FAULT_WRONG_CONTENT_LENGTH];
    conn_begin(job->conn, 200, JSON_TYPE, evbuffer_get_length(body) + extra);
    conn_chunk(job->conn, body);
    conn_cut(job->conn);
    job->conn = NULL;
    return OUTPUT_OVER;
}

enum output output_body(struct job *job, struct evbuffer *body)
{
    if (job->plan.on[FAULT_HANG_AFTER])
        return OUTPUT_HANGS;
    if (job->plan.on[FAULT_CUT_AFTER] || job->plan.on[FAULT_RESET_AFTER])
        return half_body(job, body, job->plan.on[FAULT_RESET_AFTER]);
    if (job->plan.on[FAULT_ERROR_LINE_AFTER]) {
        output_error(job, 500, JSON_TYPE,
                     job->plan.text[0] != '\0'
                         ? job->plan.text
                         : "an error was encountered while running the model: unexpected EOF");
        return OUTPUT_OVER;
    }
    spoil_body(job, body);
    if (job->plan.on[FAULT_WRONG_CONTENT_LENGTH])
        return promise_too_much(job, body);
    if (evbuffer_get_length(body) < SMALL_BODY_BYTES) {
        conn_reply(job->conn, 200, JSON_TYPE, body);
    } else {
        conn_begin(job->conn, 200, JSON_TYPE, 0);
        conn_chunk(job->conn, body);
        conn_end(job->conn);
    }
    job->conn = NULL;
    return OUTPUT_OVER;
}

void output_error(struct job *job, int status, const char *type, const char *text)
{
    struct evbuffer *body = evbuffer_new();
    struct conn *conn = job->conn;
    line_error(text, job->begun, body);
    if (job->begun) {
        put_line(job, body, true);
        finish(job);
    } else {
        job->conn = NULL;
        conn_reply(conn, status, type, body);
    }
    evbuffer_free(body);
}

bool output_hangs_at_once(struct conn *conn, const struct fault_plan *plan)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Type: appli";
    if (plan->on[FAULT_HANG_ACCEPT])
        return true;
    if (!plan->on[FAULT_HANG_HEADERS])
        return false;
    conn_raw(conn, half, sizeof(half) - 1);
    return true;
}
