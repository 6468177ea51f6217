#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"
#include "common/request.h"

#include "ask.h"
#include "bench_stats.h"
#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_follow.h"
#include "ctl_submit.h"
#include "reply_view.h"
#include "signals.h"

#define RUNNING_MAX    256
#define READ_BLOCK_MS  1000
#define CANCEL_WAIT_MS 10000
#define PROMPT         "Say in one sentence why the sky is blue."
#define OUT_MAX_BYTES  ((size_t)1 << 20)

struct running {
    bool in_use;
    char id[REQUEST_ID_MAX + 1], stream[KEY_MAX], last[64];
    int64_t submitted_ms, first_ms; /* Redis time; first_ms 0: no piece yet */
};

struct bench {
    struct ctl *ctl;
    struct bench_setup setup;
    struct bench_stats stats;
    struct running running[RUNNING_MAX];
    size_t n_running, limit;
    const char *prompt, *priority, *client;
    int64_t tokens, timeout_ms;
    char name[40];               /* the ids begin with it */
    int64_t started_ms, stop_ms; /* stop_ms: cancelled, and how long we wait for that; 0: not */
    size_t ended;
};

/* --- starting --------------------------------------------------------------------------------- */

/* Each request begins with its number, so that they are conversations of their own: the same text
 * would be sent to the node that has it cached. */
static int make(const struct bench *bench, struct ask *ask, const char *id, struct err *err)
{
    char prompt[4200], params[96], timeout[24];

    (void)snprintf(prompt, sizeof prompt, "(%zu) %s", bench->stats.submitted + 1, bench->prompt);
    (void)snprintf(params, sizeof params, "{\"options\":{\"num_predict\":%" PRId64 "}}",
                   bench->tokens);
    (void)snprintf(timeout, sizeof timeout, "%" PRId64, bench->timeout_ms);
    int rc = ask_text(ask, ASK_CHAT, span_str(prompt), NULL, err);
    const char *const fields[][2] = {{FIELD_REQUEST_ID, id},
                                     {FIELD_MODEL, bench->setup.model},
                                     {FIELD_PARAMS, params},
                                     {FIELD_TIMEOUT_MS, timeout},
                                     {FIELD_STREAM, "1"},
                                     {FIELD_CLIENT, bench->client},
                                     {FIELD_PRIORITY, bench->priority}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (rc == 0 && fields[i][1] && !ask_set(ask, fields[i][0], span_str(fields[i][1])))
            rc = err_set(err, -ENOMEM, "no memory");
    }
    return rc;
}

static int start_one(struct bench *bench, struct err *err)
{
    struct running *run = bench->running;
    struct ask ask;
    char entry[64];

    while (run->in_use)
        run++;
    *run = (struct running){.in_use = true, .last = "0-0"};
    (void)snprintf(run->id, sizeof run->id, "%s-%zu", bench->name, bench->stats.submitted + 1);
    (void)key_responses(&bench->ctl->keys, span_str(run->id), run->stream);
    ask_init(&ask);
    int rc = make(bench, &ask, run->id, err);
    if (rc == 0)
        rc = ctl_submit(bench->ctl, &ask, entry, err);
    ask_done(&ask);
    if (rc < 0) {
        run->in_use = false;
        return rc;
    }
    run->submitted_ms = entry_id_ms(span_str(entry));
    bench->stats.submitted++;
    bench->n_running++;
    return 0;
}

/* How many should have been started by now. */
static int64_t due(const struct bench *bench)
{
    int64_t n = bench->setup.requests;

    if (bench->setup.per_minute > 0) {
        int64_t by_rate = (ctl_now_ms() - bench->started_ms) * bench->setup.per_minute / 60000 + 1;
        n = by_rate < n ? by_rate : n;
    }
    return n;
}

static int start_due(struct bench *bench, struct err *err)
{
    int rc = 0;

    while (rc == 0 && bench->stop_ms == 0 && bench->n_running < bench->limit &&
           (int64_t)bench->stats.submitted < due(bench))
        rc = start_one(bench, err);
    return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

static struct running *find(struct bench *bench, struct span stream)
{
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (bench->running[i].in_use && span_is(stream, bench->running[i].stream))
            return &bench->running[i];
    }
    return NULL;
}

static void take_entry(struct bench *bench, struct running *run, const struct redisReply *entry)
{
    struct span id = reply_span(reply_at(entry, 0));
    const struct redisReply *fields = reply_at(entry, 1);
    struct span type = view_field(fields, "type");
    int64_t at_ms = entry_id_ms(id);

    (void)span_copy(id, run->last, sizeof run->last);
    if (span_is(type, "chunk") && run->first_ms == 0)
        run->first_ms = at_ms;
    if (!span_is(type, "done") && !span_is(type, "error"))
        return;
    bench_ended(&bench->stats, fields, run->first_ms ? run->first_ms - run->submitted_ms : -1,
                at_ms - run->submitted_ms);
    run->in_use = false;
    bench->n_running--;
    bench->ended++;
}

static void take_reply(struct bench *bench, const struct redisReply *reply)
{
    for (size_t i = 0; i < reply_count(reply); i++) {
        struct running *run = find(bench, reply_span(reply_at(reply_at(reply, i), 0)));
        const struct redisReply *entries = reply_at(reply_at(reply, i), 1);
        for (size_t e = 0; run && run->in_use && e < reply_count(entries); e++)
            take_entry(bench, run, reply_at(entries, e));
    }
}

/* Until the next request is due, at most READ_BLOCK_MS. */
static int64_t block_ms(const struct bench *bench)
{
    if (bench->setup.per_minute == 0 || bench->stop_ms ||
        (int64_t)bench->stats.submitted >= bench->setup.requests ||
        bench->n_running >= bench->limit)
        return READ_BLOCK_MS;
    int64_t next_ms = bench->started_ms +
                      (int64_t)bench->stats.submitted * 60000 / bench->setup.per_minute -
                      ctl_now_ms();
    return next_ms < 1 ? 1 : next_ms < READ_BLOCK_MS ? next_ms : READ_BLOCK_MS;
}

static int read_some(struct bench *bench, struct err *err)
{
    struct conn_args args;
    redisReply *reply = NULL;
    int64_t block = block_ms(bench);

    if (bench->n_running == 0)
        return ctl_pause(block, err);
    conn_args(&args, "XREAD");
    conn_arg(&args, "COUNT");
    conn_arg(&args, "100");
    conn_arg(&args, "BLOCK");
    conn_arg_i64(&args, block);
    conn_arg(&args, "STREAMS");
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (bench->running[i].in_use)
            conn_arg(&args, bench->running[i].stream);
    }
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        if (bench->running[i].in_use)
            conn_arg(&args, bench->running[i].last);
    }
    int rc = conn_ask(bench->ctl->conn, &args, block, &reply, err);
    if (rc == 0)
        take_reply(bench, reply);
    if (reply)
        freeReplyObject(reply);
    return rc;
}

/* --- the run ---------------------------------------------------------------------------------- */

static void tell(const struct bench *bench)
{
    char text[128];

    if (!bench->ctl->err_is_tty)
        return;
    int n = snprintf(text, sizeof text, "\r\033[K%zu of %" PRId64 " ended, %zu running",
                     bench->ended, bench->setup.requests, bench->n_running);
    (void)!write(STDERR_FILENO, text, (size_t)n);
}

static void clear_line(const struct bench *bench)
{
    if (bench->ctl->err_is_tty)
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
}

/* Ctrl-C: what is running is cancelled; what has been measured is printed. */
static int interrupt(struct bench *bench, struct err *err)
{
    int rc = 0;

    if (bench->stop_ms != 0)
        return err_set(err, -EINTR, "interrupted");
    signals_clear();
    bench->setup.interrupted = true;
    bench->stop_ms = ctl_now_ms() + CANCEL_WAIT_MS;
    clear_line(bench);
    ctl_tell("cancelling %zu requests (Ctrl-C again leaves at once)", bench->n_running);
    for (size_t i = 0; i < RUNNING_MAX && rc == 0; i++) {
        if (bench->running[i].in_use)
            rc = ctl_send_cancel(bench->ctl, bench->running[i].id, err);
    }
    return rc;
}

static bool is_over(const struct bench *bench)
{
    if (bench->n_running > 0)
        return bench->stop_ms != 0 && ctl_now_ms() >= bench->stop_ms;
    return bench->stop_ms != 0 || (int64_t)bench->stats.submitted >= bench->setup.requests;
}

static int run(struct bench *bench, struct err *err)
{
    int rc = 0;

    bench->started_ms = ctl_now_ms();
    while (rc == 0 && !is_over(bench)) {
        rc = start_due(bench, err);
        if (rc == 0)
            rc = read_some(bench, err);
        if (rc == -EINTR)
            rc = interrupt(bench, err);
        tell(bench);
    }
    clear_line(bench);
    bench->setup.elapsed_ms = ctl_now_ms() - bench->started_ms;
    return rc;
}

static int print(struct bench *bench)
{
    struct buf out;

    buf_init(&out, OUT_MAX_BYTES);
    if (bench->ctl->json) {
        bench_json(&bench->stats, &bench->setup, &out);
    } else {
        bench_text(&bench->stats, &bench->setup, bench->ctl->cols, bench->ctl->color, &out);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    if (bench->setup.interrupted)
        return CLI_EXIT_INTERRUPTED;
    return ok && bench->stats.failed == 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int read_options(struct bench *bench, struct err *err)
{
    const struct cli *cli = &bench->ctl->cli;
    int64_t limit = 0;
    int rc = cli_number(cli, "requests", (struct cli_range){1, BENCH_REQUESTS_MAX, 20},
                        &bench->setup.requests, err);

    if (rc == 0)
        rc = cli_number(cli, "concurrency", (struct cli_range){1, RUNNING_MAX, 4}, &limit, err);
    if (rc == 0) {
        rc =
            cli_number(cli, "rate", (struct cli_range){1, 60000, 0}, &bench->setup.per_minute, err);
    }
    if (rc == 0)
        rc = cli_number(cli, "tokens", (struct cli_range){1, 100000, 64}, &bench->tokens, err);
    if (rc == 0) {
        rc = cli_duration_ms(cli, "timeout", (struct cli_range){1, REQUEST_TIMEOUT_MAX_MS, 600000},
                             &bench->timeout_ms, err);
    }
    if (rc < 0)
        return rc;
    bench->setup.concurrency = limit;
    bench->limit = bench->setup.per_minute > 0 ? RUNNING_MAX : (size_t)limit;
    bench->setup.model = cli_value(cli, "model");
    bench->prompt = cli_has(cli, "prompt") ? cli_value(cli, "prompt") : PROMPT;
    bench->priority = cli_value(cli, "priority");
    bench->client = cli_has(cli, "client") ? cli_value(cli, "client") : "bench";
    if (!bench->setup.model)
        return err_set(err, -EINVAL, "no model: name it with --model");
    if (strlen(bench->prompt) > 4096)
        return err_set(err, -EINVAL, "--prompt: longer than 4096 bytes");
    return 0;
}

static void memory(struct bench *bench)
{
    struct samples *all[] = {&bench->stats.waits, &bench->stats.firsts, &bench->stats.totals};

    for (size_t i = 0; i < 3; i++)
        all[i]->ms = xcalloc((size_t)bench->setup.requests, sizeof(int64_t));
}

int cmd_bench(struct ctl *ctl)
{
    static struct bench bench; /* large, and zero */
    struct err err;

    bench.ctl = ctl;
    int rc = read_options(&bench, &err);
    if (rc < 0)
        return ctl_fail(rc, &err);
    ctl_random_id("bench", bench.name, sizeof bench.name);
    memory(&bench);
    rc = run(&bench, &err);
    int status = rc < 0 ? ctl_fail(rc, &err) : print(&bench);
    free(bench.stats.waits.ms);
    free(bench.stats.firsts.ms);
    free(bench.stats.totals.ms);
    return status;
}
