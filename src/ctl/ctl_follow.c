#include "ctl_follow.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl_clock.h"
#include "reply_view.h"
#include "signals.h"
#include "text.h"

#define READ_BLOCK_MS    2000
#define READ_COUNT       64
#define CANCEL_WAIT_MS   10000 /* for the last entry of a request that we have cancelled */
#define ANSWER_MAX_BYTES ((size_t)128 << 20)

struct state {
    const struct follow *follow;
    struct ctl *ctl;
    char last[64];      /* id of the last entry that has been read */
    int64_t attempt;    /* of the pieces that were printed */
    bool line_is_open;  /* a progress line on the terminal waits to be replaced */
    bool cancelled;     /* by us */
    bool output_closed; /* nobody reads stdout any more */
    int64_t deadline_ms;
    unsigned failures;  /* to read, in a row */
    struct buf printed; /* pieces of this attempt, as they came */
    struct buf out;
    int status; /* -1: not ended */
};

/* --- stderr ----------------------------------------------------------------------------------- */

static void close_line(struct state *state)
{
    if (state->line_is_open)
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    state->line_is_open = false;
}

static void tell_progress(struct state *state, const struct redisReply *fields)
{
    char bytes[256];
    struct buf line;

    if (!state->follow->progress || state->ctl->json || state->printed.len > 0)
        return;
    close_line(state);
    text_fixed(&line, bytes, sizeof bytes);
    view_progress(fields, &line);
    if (state->ctl->err_is_tty) {
        (void)!write(STDERR_FILENO, line.ptr, line.len);
        state->line_is_open = true;
    } else {
        ctl_tell("%s", text_fixed_str(&line));
    }
}

/* --- stdout ----------------------------------------------------------------------------------- */

static void print(struct state *state, struct span text)
{
    if (text.len == 0)
        return;
    close_line(state);
    if (state->ctl->is_tty) {
        text_add_lines(&state->out, text);
    } else {
        (void)buf_add_span(&state->out, text);
    }
    if (!ctl_write(&state->out))
        state->output_closed = true;
}

static void print_json(struct state *state, struct span id, const struct redisReply *fields)
{
    view_entry_json(id, fields, &state->out);
    (void)buf_add_str(&state->out, "\n");
    if (!ctl_write(&state->out))
        state->output_closed = true;
}

static void take_chunk(struct state *state, const struct redisReply *fields)
{
    int64_t attempt = view_number(fields, "attempt", 1);
    size_t before;

    if (attempt > state->attempt && state->printed.len > 0) {
        print(state, span_str("\n"));
        ctl_tell("attempt %lld begins the answer anew; forget what came before",
                 (long long)attempt);
        buf_clear(&state->printed);
    }
    state->attempt = attempt;
    before = state->printed.len;
    view_content(view_field(fields, "response"), &state->printed);
    print(state,
          (struct span){buf_span(&state->printed).ptr + before, state->printed.len - before});
}

/* The pieces may have ended early; the last entry has the whole. */
static void print_rest(struct state *state, struct span response)
{
    struct buf whole;
    struct span printed = buf_span(&state->printed);

    buf_init(&whole, ANSWER_MAX_BYTES);
    view_content(response, &whole);
    if (whole.failed)
        ctl_tell("the answer is larger than %zu MiB, and cut", ANSWER_MAX_BYTES >> 20);
    if (printed.len > whole.len ||
        (printed.len > 0 && memcmp(printed.ptr, whole.ptr, printed.len) != 0)) {
        print(state, span_str("\n"));
        ctl_tell("the whole answer is another one than its pieces:");
        printed.len = 0;
    }
    print(state, (struct span){buf_span(&whole).ptr + printed.len, whole.len - printed.len});
    if (whole.len == 0 || whole.ptr[whole.len - 1] != '\n')
        print(state, span_str("\n"));
    buf_done(&whole);
}

static void take_done(struct state *state, const struct redisReply *fields)
{
    char bytes[512];
    struct buf line;

    close_line(state);
    state->status = CLI_EXIT_OK;
    if (state->ctl->json)
        return;
    print_rest(state, view_field(fields, "response"));
    if (state->follow->quiet || !(state->ctl->err_is_tty || state->follow->progress))
        return;
    text_fixed(&line, bytes, sizeof bytes);
    view_stats(fields, &line);
    ctl_tell("%s", text_fixed_str(&line));
}

static void take_error(struct state *state, const struct redisReply *fields)
{
    struct span code = view_field(fields, "code"), error = view_field(fields, "error");

    if (state->printed.len > 0 && !state->cancelled)
        print(state, span_str("\n"));
    close_line(state);
    ctl_tell("%s: %.*s: %.*s", state->follow->request_id, SPAN_ARG(code), SPAN_ARG(error));
    state->status = state->cancelled ? CLI_EXIT_INTERRUPTED : CLI_EXIT_FAILED;
}

/* The replies of several requests may share a stream (`callback`). */
static bool is_of_another(const struct state *state, const struct redisReply *fields)
{
    struct span request_id = view_field(fields, FIELD_REQUEST_ID);

    return request_id.ptr && !span_is(request_id, state->follow->request_id);
}

static void take_entry(struct state *state, const struct redisReply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct redisReply *fields = reply_at(entry, 1);
    struct span type = view_field(fields, "type");
    bool is_last = span_is(type, "done") || span_is(type, "error");

    if (state->status >= 0 || is_of_another(state, fields))
        return;
    if (state->ctl->json && (is_last || state->follow->stream))
        print_json(state, id, fields);
    if (span_is(type, "status"))
        tell_progress(state, fields);
    if (span_is(type, "chunk") && state->follow->stream && !state->ctl->json)
        take_chunk(state, fields);
    if (span_is(type, "done"))
        take_done(state, fields);
    if (span_is(type, "error"))
        take_error(state, fields);
}

/* --- reading ---------------------------------------------------------------------------------- */

int ctl_read_stream(struct ctl *ctl, const struct ctl_read *read, char last[static 64],
                    struct redisReply **ret_reply, const struct redisReply **ret_entries,
                    struct err *err)
{
    struct conn_args args;
    redisReply *reply = NULL;

    *ret_reply = NULL;
    *ret_entries = NULL;
    conn_args(&args, "XREAD");
    conn_arg(&args, "COUNT");
    conn_arg_i64(&args, read->count);
    if (read->block_ms > 0) {
        conn_arg(&args, "BLOCK");
        conn_arg_i64(&args, read->block_ms);
    }
    conn_arg(&args, "STREAMS");
    conn_arg(&args, read->stream);
    conn_arg(&args, last);
    int rc = conn_ask(ctl->conn, &args, read->block_ms, &reply, err);
    if (rc < 0)
        return rc;
    *ret_reply = reply;
    *ret_entries = reply_at(reply_at(reply, 0), 1);
    size_t n = reply_count(*ret_entries);
    if (n > 0)
        (void)span_copy(reply_span(reply_at(reply_at(*ret_entries, n - 1), 0)), last, 64);
    return 0;
}

static int read_some(struct state *state, struct err *err)
{
    struct redisReply *reply;
    const struct redisReply *entries;
    int64_t left_ms = state->deadline_ms < 0 ? READ_BLOCK_MS : state->deadline_ms - ctl_now_ms();
    struct ctl_read read = {.stream = state->follow->callback,
                            .block_ms = left_ms > READ_BLOCK_MS ? READ_BLOCK_MS
                                        : left_ms > 0           ? left_ms
                                                                : 1,
                            .count = READ_COUNT};
    int rc = ctl_read_stream(state->ctl, &read, state->last, &reply, &entries, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < reply_count(entries); i++)
        take_entry(state, reply_at(entries, i));
    if (reply)
        freeReplyObject(reply);
    return 0;
}

int ctl_send_cancel(struct ctl *ctl, const char *request_id, struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "XADD", ctl->keys.control, "*", "op", "cancel",
                            FIELD_REQUEST_ID, request_id, NULL);

    if (reply)
        freeReplyObject(reply);
    return rc;
}

/* A signal, or nobody who reads. The first one cancels, the second one leaves. */
static void interrupted(struct state *state)
{
    struct err err;

    close_line(state);
    if (state->ctl->err_is_tty) /* behind the ^C that the terminal shows */
        (void)!write(STDERR_FILENO, "\n", 1);
    if (!state->follow->cancel_on_signal || state->cancelled) {
        if (state->cancelled)
            ctl_tell("%s: left; the cancel was sent", state->follow->request_id);
        state->status = CLI_EXIT_INTERRUPTED;
        return;
    }
    signals_clear();
    int rc = ctl_send_cancel(state->ctl, state->follow->request_id, &err);
    if (rc < 0) {
        ctl_tell("%s: the cancel could not be sent: %s", state->follow->request_id, err.msg);
        state->status = CLI_EXIT_INTERRUPTED;
        return;
    }
    ctl_tell("%s: cancelling it (Ctrl-C again leaves at once)", state->follow->request_id);
    state->cancelled = true;
    state->deadline_ms = ctl_now_ms() + CANCEL_WAIT_MS;
}

/* The connection is gone, or Redis is not there yet again. */
static void lost(struct state *state, int rc, const struct err *why)
{
    struct err err;

    if (rc == -EACCES || rc == -EPROTO || rc == -EMSGSIZE) {
        close_line(state);
        state->status = ctl_fail(rc, why);
        return;
    }
    if (state->failures++ == 0) {
        close_line(state);
        ctl_tell("%s; trying again", why->msg);
    }
    if (ctl_pause(backoff_ms(state->failures, (uint32_t)ctl_now_ms()), &err) < 0)
        interrupted(state);
}

static void past_deadline(struct state *state)
{
    close_line(state);
    if (state->cancelled) {
        ctl_tell("%s: the cancel was sent, but its last entry has not come: is a router running?",
                 state->follow->request_id);
        state->status = CLI_EXIT_INTERRUPTED;
        return;
    }
    ctl_tell("%s: no answer yet; it goes on (orionctl wait, orionctl cancel)",
             state->follow->request_id);
    state->status = CLI_EXIT_TIMEOUT;
}

int ctl_follow(const struct follow *follow)
{
    struct state state = {
        .follow = follow, .ctl = follow->ctl, .last = "0-0", .status = -1, .deadline_ms = -1};
    struct err err;

    if (follow->timeout_ms >= 0)
        state.deadline_ms = ctl_now_ms() + follow->timeout_ms;
    buf_init(&state.printed, ANSWER_MAX_BYTES);
    buf_init(&state.out, 2 * ANSWER_MAX_BYTES);
    while (state.status < 0) {
        int rc = read_some(&state, &err);
        if (rc == 0)
            state.failures = 0;
        if (rc == -EINTR || (state.output_closed && !state.cancelled && state.status < 0)) {
            interrupted(&state);
        } else if (rc < 0) {
            lost(&state, rc, &err);
        }
        if (state.status < 0 && state.deadline_ms >= 0 && ctl_now_ms() >= state.deadline_ms)
            past_deadline(&state);
    }
    close_line(&state);
    buf_done(&state.printed);
    buf_done(&state.out);
    return state.status;
}
