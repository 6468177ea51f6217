#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl.h"
#include "ctl_look.h"
#include "ctl_scripts.h"
#include "life.h"

#define PAGES_MAX     400 /* of all streams; the largest reply has some tens */
#define KEPT_MAX      (LIFE_STEPS_MAX + 8)
#define OUT_MAX_BYTES ((size_t)64 << 20)

struct explain {
    struct ctl *ctl;
    struct life life;
    redisReply *kept[KEPT_MAX]; /* what `life` borrows from */
    size_t n_kept;
    bool is_cut; /* it may wait behind those that were looked at */
};

static void keep(struct explain *explain, redisReply *reply)
{
    if (explain->n_kept < KEPT_MAX) {
        explain->kept[explain->n_kept++] = reply;
    } else {
        freeReplyObject(reply); /* cannot be: each page that is kept has a step */
    }
}

/* Takes the entries of a page. Returns their number; *ret_next is where the next page begins. */
static size_t take_page(struct explain *explain, enum life_source source, redisReply *page,
                        char ret_next[static 72])
{
    size_t n = reply_count(page);
    bool used = false;

    for (size_t i = 0; i < n; i++)
        used = life_add(&explain->life, source, reply_at(page, i)) || used;
    if (n > 0) {
        (void)snprintf(ret_next, 72, "(%.*s",
                       SPAN_ARG(reply_span(reply_at(reply_at(page, n - 1), 0))));
    }
    if (used) {
        keep(explain, page);
    } else {
        freeReplyObject(page);
    }
    return n;
}

static int read_stream(struct explain *explain, enum life_source source, const char *key,
                       size_t page_entries, struct err *err)
{
    char from[72] = "-", count[16];

    (void)snprintf(count, sizeof count, "%zu", page_entries);
    for (size_t pages = 0; pages < PAGES_MAX && explain->n_kept < KEPT_MAX - 4; pages++) {
        redisReply *page = NULL;
        int rc = conn_ask_texts(explain->ctl->conn, &page, err, "XRANGE", key, from, "+", "COUNT",
                                count, NULL);
        if (rc < 0)
            return rc;
        if (take_page(explain, source, page, from) < page_entries)
            return 0;
    }
    return 0;
}

static int read_job(struct explain *explain, struct err *err)
{
    char key[KEY_MAX];
    redisReply *reply = NULL;
    int rc =
        conn_ask_texts(explain->ctl->conn, &reply, err, "HGETALL",
                       key_job(&explain->ctl->keys, span_str(explain->life.request_id), key), NULL);

    if (rc < 0)
        return rc;
    explain->life.job = reply;
    keep(explain, reply);
    return 0;
}

static int read_queue(struct explain *explain, struct err *err)
{
    redisReply *reply = NULL;
    int rc = ctl_script_find(explain->ctl, explain->life.request_id, &reply, &explain->is_cut, err);

    if (rc < 0)
        return rc;
    explain->life.queued = reply;
    if (reply)
        keep(explain, reply);
    return 0;
}

static int read_all(struct explain *explain, const char *callback, struct err *err)
{
    const struct keys *keys = &explain->ctl->keys;
    int rc = read_job(explain, err);

    if (rc == 0)
        rc = read_queue(explain, err);
    if (rc == 0)
        rc = read_stream(explain, LIFE_EVENT, keys->events, 500, err);
    if (rc == 0)
        rc = read_stream(explain, LIFE_REPLY, callback, 100, err);
    if (rc == 0)
        rc = read_stream(explain, LIFE_DEAD, keys->dead, 100, err);
    life_sort(&explain->life);
    return rc;
}

static int print(struct explain *explain)
{
    struct ctl *ctl = explain->ctl;
    struct look *look = look_new();
    const struct fleet_seen *fleet = NULL;
    struct buf out;
    struct err err;

    if (life_is_open(&explain->life) && !ctl->json && look_fleet(look, ctl, &err) == 0)
        fleet = look_seen(look);
    buf_init(&out, OUT_MAX_BYTES);
    if (ctl->json) {
        life_json(&explain->life, &out);
    } else {
        life_text(&explain->life, fleet, ctl->cols, ctl->color, &out);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    look_free(look);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int explain_id(struct explain *explain, const char *callback)
{
    struct err err;
    int rc = read_all(explain, callback, &err);

    if (rc == 0 && !life_is_known(&explain->life)) {
        rc = err_set(
            &err, -ENOENT, "no request %s: it was never submitted, or %s", explain->life.request_id,
            explain->is_cut ? "waits far behind in the queue" : "is older than what is kept");
    }
    return rc < 0 ? ctl_fail(rc, &err) : print(explain);
}

int cmd_explain(struct ctl *ctl)
{
    const char *id = ctl->cli.args[0], *callback = cli_value(&ctl->cli, "callback");
    struct explain *explain;
    char own[KEY_MAX];
    struct err err;

    if (ctl_request_id(id, &err) < 0)
        return ctl_fail(-EINVAL, &err);
    explain = xcalloc(1, sizeof *explain);
    explain->ctl = ctl;
    (void)span_copy(span_str(id), explain->life.request_id, sizeof explain->life.request_id);
    int status =
        explain_id(explain, callback ? callback : key_responses(&ctl->keys, span_str(id), own));
    for (size_t i = 0; i < explain->n_kept; i++)
        freeReplyObject(explain->kept[i]);
    free(explain);
    return status;
}
