#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/backoff.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"
#include "common/request.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_follow.h"
#include "happening.h"
#include "reply_view.h"

#define EVENTS_MAX      10000
#define PAGE            500 /* entries read at once; an event is at most some KiB */
#define FOLLOW_BLOCK_MS 5000
#define SINCE_MAX_MS    (INT64_C(366) * 86400000)
#define OUT_MAX_BYTES   ((size_t)64 << 20)

struct events {
    struct ctl *ctl;
    struct happening_filter filter;
    int64_t lines, since_ms;
    char last[64]; /* the newest entry that has been read */
    redisReply *pages[EVENTS_MAX / PAGE + 2];
    size_t n_pages;
    const struct redisReply *found[EVENTS_MAX]; /* newest first; borrowed from the pages */
    size_t n_found;
    struct buf out;
};

static void print_entry(struct events *events, const struct redisReply *entry)
{
    struct ctl *ctl = events->ctl;
    struct span id = reply_span(reply_at(entry, 0));

    if (ctl->json) {
        view_entry_json(id, reply_at(entry, 1), &events->out);
        (void)buf_add_str(&events->out, "\n");
    } else {
        happening_line(id, reply_at(entry, 1), ctl->cols, ctl->color, &events->out);
    }
}

/* --- the past --------------------------------------------------------------------------------- */

/* Reads the page that ends before `before`. Returns the number of entries, or an error. */
static int read_page(struct events *events, const char *before, struct err *err)
{
    redisReply *reply = NULL;
    char count[16];

    (void)snprintf(count, sizeof count, "%d", PAGE);
    int rc = conn_ask_texts(events->ctl->conn, &reply, err, "XREVRANGE", events->ctl->keys.events,
                            before, "-", "COUNT", count, NULL);
    if (rc < 0)
        return rc;
    events->pages[events->n_pages++] = reply;
    return (int)reply_count(reply);
}

/* Takes what is wanted of the newest page; false if no older one is needed. */
static bool take_page(struct events *events, int64_t oldest_ms)
{
    const redisReply *page = events->pages[events->n_pages - 1];

    for (size_t i = 0; i < reply_count(page); i++) {
        const struct redisReply *entry = reply_at(page, i);
        struct span id = reply_span(reply_at(entry, 0));
        if (!events->last[0])
            (void)span_copy(id, events->last, sizeof events->last);
        if (entry_id_ms(id) < oldest_ms)
            return false;
        if (!happening_wanted(reply_at(entry, 1), &events->filter))
            continue;
        if (events->n_found >= (size_t)events->lines)
            return false;
        events->found[events->n_found++] = entry;
    }
    return true;
}

static int redis_time_ms(struct ctl *ctl, int64_t *ret, struct err *err)
{
    redisReply *reply = NULL;
    int64_t seconds = 0, micros = 0;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "TIME", NULL);

    if (rc < 0)
        return rc;
    (void)reply_i64(reply_at(reply, 0), &seconds);
    (void)reply_i64(reply_at(reply, 1), &micros);
    *ret = seconds * 1000 + micros / 1000;
    freeReplyObject(reply);
    return 0;
}

static int read_past(struct events *events, struct err *err)
{
    char before[72] = "+";
    int64_t oldest_ms = 0;
    int n = 0, rc = 0;

    if (events->since_ms >= 0)
        rc = redis_time_ms(events->ctl, &oldest_ms, err);
    if (rc < 0)
        return rc;
    oldest_ms = events->since_ms >= 0 ? oldest_ms - events->since_ms : 0;
    while (events->n_pages < EVENTS_MAX / PAGE + 2) {
        n = read_page(events, before, err);
        if (n <= 0 || !take_page(events, oldest_ms) || n < PAGE)
            break;
        const redisReply *page = events->pages[events->n_pages - 1];
        (void)snprintf(before, sizeof before, "(%.*s",
                       SPAN_ARG(reply_span(reply_at(reply_at(page, (size_t)n - 1), 0))));
    }
    return n < 0 ? n : 0;
}

static bool print_past(struct events *events)
{
    for (size_t i = events->n_found; i > 0; i--)
        print_entry(events, events->found[i - 1]);
    for (size_t i = 0; i < events->n_pages; i++)
        freeReplyObject(events->pages[i]);
    events->n_pages = events->n_found = 0;
    return ctl_write(&events->out);
}

/* --- what comes ------------------------------------------------------------------------------- */

static int read_new(struct events *events, struct err *err)
{
    struct redisReply *reply;
    const struct redisReply *entries;
    struct ctl_read read = {
        .stream = events->ctl->keys.events, .block_ms = FOLLOW_BLOCK_MS, .count = PAGE};
    int rc = ctl_read_stream(events->ctl, &read, events->last, &reply, &entries, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < reply_count(entries); i++) {
        if (happening_wanted(reply_at(reply_at(entries, i), 1), &events->filter))
            print_entry(events, reply_at(entries, i));
    }
    if (reply)
        freeReplyObject(reply);
    return ctl_write(&events->out) ? 0 : -EPIPE;
}

/* After a read that failed: a pause that grows. False if a signal ended it. */
static bool pause_after(unsigned *failures, const struct err *why)
{
    struct err ignored;

    if ((*failures)++ == 0)
        ctl_tell("%s; trying again", why->msg);
    return ctl_pause(backoff_ms(*failures, (uint32_t)ctl_now_ms()), &ignored) == 0;
}

static int follow(struct events *events)
{
    struct err err;
    unsigned failures = 0;

    if (!events->last[0])
        (void)snprintf(events->last, sizeof events->last, "0-0");
    for (;;) {
        int rc = read_new(events, &err);
        if (rc == 0) {
            failures = 0;
            continue;
        }
        if (rc == -EPIPE)
            return CLI_EXIT_FAILED;
        if (rc == -EACCES || rc == -EPROTO)
            return ctl_fail(rc, &err);
        if (rc == -EINTR || !pause_after(&failures, &err))
            return CLI_EXIT_OK; /* Ctrl-C is how one stops to look */
    }
}

static struct span option(const struct cli *cli, const char *name)
{
    return span_str(cli_value(cli, name)); /* NULL is absent */
}

int cmd_events(struct ctl *ctl)
{
    static struct events events; /* large, and zero */
    struct err err;
    int rc =
        cli_number(&ctl->cli, "lines", (struct cli_range){0, EVENTS_MAX, 20}, &events.lines, &err);

    events.ctl = ctl;
    events.filter = (struct happening_filter){.kinds = option(&ctl->cli, "event"),
                                              .node = option(&ctl->cli, "node"),
                                              .request_id = option(&ctl->cli, "request"),
                                              .model = option(&ctl->cli, "model")};
    if (rc == 0) {
        rc = cli_duration_ms(&ctl->cli, "since", (struct cli_range){1, SINCE_MAX_MS, -1},
                             &events.since_ms, &err);
    }
    if (rc == 0 && events.since_ms >= 0 && !cli_has(&ctl->cli, "lines"))
        events.lines = EVENTS_MAX;
    buf_init(&events.out, OUT_MAX_BYTES);
    if (rc == 0)
        rc = read_past(&events, &err);
    int status = rc < 0 ? ctl_fail(rc, &err) : CLI_EXIT_OK;
    if (!print_past(&events))
        status = CLI_EXIT_FAILED;
    if (status == CLI_EXIT_OK && cli_has(&ctl->cli, "follow"))
        status = follow(&events);
    buf_done(&events.out);
    return status;
}
