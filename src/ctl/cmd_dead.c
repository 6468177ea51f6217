/* dead list, show, retry, purge: requests that were given up. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"
#include "common/request.h"

#include "ctl.h"
#include "ctl_scripts.h"
#include "json_out.h"
#include "reply_view.h"
#include "table.h"

#define DEAD_MAX      10000 /* about what P:dead keeps */
#define PAGE          100   /* an entry has up to 16 KiB of the request in it */
#define OUT_MAX_BYTES ((size_t)256 << 20)
#define ID_MAX        64
#define FOREVER_MS    (INT64_C(3660) * 86400000)

typedef bool each_entry(const struct redisReply *entry, void *arg);

/* Calls each(entry, arg) for the entries of a page. True if another page may follow, which begins
 * at `from`; false behind the last one, and when each() has said false. */
static bool walk_page(const struct redisReply *page, each_entry *each, void *arg,
                      char from[static ID_MAX + 2])
{
    size_t n = reply_count(page);

    for (size_t i = 0; i < n; i++) {
        if (!each(reply_at(page, i), arg))
            return false;
    }
    if (n != PAGE)
        return false;
    (void)snprintf(from, ID_MAX + 2, "(%.*s",
                   SPAN_ARG(reply_span(reply_at(reply_at(page, n - 1), 0))));
    return true;
}

/* Calls each(entry, arg) for every entry, oldest first, until it says false. */
static int for_each(struct ctl *ctl, each_entry *each, void *arg, struct err *err)
{
    char from[ID_MAX + 2] = "-", count[16];
    bool go_on = true;

    (void)snprintf(count, sizeof count, "%d", PAGE);
    for (size_t pages = 0; go_on && pages <= 2 * DEAD_MAX / PAGE; pages++) {
        redisReply *page = NULL;
        int rc = conn_ask_texts(ctl->conn, &page, err, "XRANGE", ctl->keys.dead, from, "+", "COUNT",
                                count, NULL);
        if (rc < 0)
            return rc;
        go_on = walk_page(page, each, arg, from);
        freeReplyObject(page);
    }
    return 0;
}

/* --- list ------------------------------------------------------------------------------------- */

static void list_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                      void *arg)
{
    const struct redisReply *entry = reply_at(arg, reply_count(arg) - 1 - row); /* newest last */
    const struct redisReply *fields = reply_at(entry, 1);
    struct span id = reply_span(reply_at(entry, 0));
    static const char *const names[] = {NULL, NULL, FIELD_REQUEST_ID, "code", "node", "error"};
    char moment[32];

    *ret_style = TEXT_PLAIN;
    if (column == 0)
        (void)text_add(out, id, ID_MAX);
    if (column == 1)
        (void)buf_add_str(out, text_moment(entry_id_ms(id), true, moment));
    if (column >= 2) {
        struct span value = view_field(fields, names[column]);
        (void)text_add(out, value.len ? value : span_str("-"), 300);
    }
}

int cmd_dead_list(struct ctl *ctl)
{
    static const struct table_column columns[] = {{.title = "ENTRY"},
                                                  {.title = "WHEN"},
                                                  {.title = "REQUEST", .least = 12},
                                                  {.title = "CODE", .least = 8},
                                                  {.title = "NODE", .least = 6},
                                                  {.title = "ERROR", .least = 12}};
    int64_t lines;
    char count[24];
    redisReply *reply = NULL;
    struct buf out;
    struct err err;
    int rc = cli_number(&ctl->cli, "lines", (struct cli_range){1, DEAD_MAX, 100}, &lines, &err);

    (void)snprintf(count, sizeof count, "%" PRId64, rc < 0 ? 0 : lines);
    if (rc == 0) {
        rc = conn_ask_texts(ctl->conn, &reply, &err, "XREVRANGE", ctl->keys.dead, "+", "-", "COUNT",
                            count, NULL);
    }
    if (rc < 0)
        return ctl_fail(rc, &err);
    buf_init(&out, OUT_MAX_BYTES);
    size_t n = reply_count(reply);
    for (size_t i = n; ctl->json && i > 0; i--) {
        const struct redisReply *entry = reply_at(reply, i - 1);
        view_entry_json(reply_span(reply_at(entry, 0)), reply_at(entry, 1), &out);
        (void)buf_add_str(&out, "\n");
    }
    if (!ctl->json && n > 0) {
        struct table table = {
            .columns = columns, .n_columns = 6, .n_rows = n, .cell = list_cell, .arg = reply};
        table_print(&table, &out, 0, ctl->cols, ctl->color);
    } else if (!ctl->json) {
        (void)buf_add_str(&out, "No dead letters.\n");
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    freeReplyObject(reply);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

/* --- finding ---------------------------------------------------------------------------------- */

struct search {
    const char *request_id;
    char id[ID_MAX + 1]; /* of the newest entry of that request; "" */
};

static bool is_of_request(const struct redisReply *entry, void *arg)
{
    struct search *search = arg;

    if (span_is(view_field(reply_at(entry, 1), FIELD_REQUEST_ID), search->request_id))
        (void)span_copy(reply_span(reply_at(entry, 0)), search->id, sizeof search->id);
    return true;
}

/* The entry's id for what the user named: an entry id or a request id. 0, -ENOENT, or as conn.h. */
static int find_entry(struct ctl *ctl, const char *named, char ret[static ID_MAX + 1],
                      struct err *err)
{
    struct search search = {.request_id = named};
    redisReply *reply = NULL;
    int rc = 0;

    if (entry_id_ms(span_str(named)) >= 0 && strlen(named) <= ID_MAX) {
        rc = conn_ask_texts(ctl->conn, &reply, err, "XRANGE", ctl->keys.dead, named, named, NULL);
        if (rc < 0)
            return rc;
        (void)span_copy(reply_span(reply_at(reply_at(reply, 0), 0)), search.id, sizeof search.id);
        freeReplyObject(reply);
    }
    if (!search.id[0])
        rc = for_each(ctl, is_of_request, &search, err);
    if (rc == 0 && !search.id[0])
        rc = err_set(err, -ENOENT, "no dead letter %.128s (orionctl dead list)", named);
    if (rc == 0)
        memcpy(ret, search.id, sizeof search.id);
    return rc;
}

/* --- show ------------------------------------------------------------------------------------- */

static void show_text(struct ctl *ctl, struct span id, const struct redisReply *fields,
                      struct buf *out)
{
    char moment[32];

    (void)buf_add_fmt(out, "entry: %.*s (%s)\n", SPAN_ARG(id),
                      text_moment(entry_id_ms(id), true, moment));
    for (size_t i = 0; i + 1 < reply_count(fields) && i < 2 * VIEW_FIELDS_MAX; i += 2) {
        struct span value = reply_span(reply_at(fields, i + 1));
        (void)text_add(out, reply_span(reply_at(fields, i)), 80);
        (void)buf_add_str(out, ": ");
        if (ctl->is_tty) {
            text_add_lines(out, value);
        } else {
            (void)buf_add_span(out, value);
        }
        (void)buf_add_str(out, "\n");
    }
}

int cmd_dead_show(struct ctl *ctl)
{
    char id[ID_MAX + 1];
    redisReply *reply = NULL;
    struct buf out;
    struct err err;
    int rc = find_entry(ctl, ctl->cli.args[0], id, &err);

    if (rc == 0)
        rc = conn_ask_texts(ctl->conn, &reply, &err, "XRANGE", ctl->keys.dead, id, id, NULL);
    if (rc == 0 && reply_count(reply) == 0)
        rc = err_set(&err, -ENOENT, "no dead letter %s any more", id);
    buf_init(&out, OUT_MAX_BYTES);
    int status = rc < 0 ? ctl_fail(rc, &err) : CLI_EXIT_OK;
    if (rc == 0) {
        const struct redisReply *entry = reply_at(reply, 0);
        if (ctl->json) {
            view_entry_json(reply_span(reply_at(entry, 0)), reply_at(entry, 1), &out);
            (void)buf_add_str(&out, "\n");
        } else {
            show_text(ctl, reply_span(reply_at(entry, 0)), reply_at(entry, 1), &out);
        }
        if (!ctl_write(&out))
            status = CLI_EXIT_FAILED;
    }
    if (reply)
        freeReplyObject(reply);
    buf_done(&out);
    return status;
}

/* --- entries that a command names, or all ------------------------------------------------------
 */

struct targets {
    char (*ids)[ID_MAX + 1]; /* DEAD_MAX of them */
    size_t n;
    int64_t before_ms; /* only older ones; -1: all */
};

static bool collect(const struct redisReply *entry, void *arg)
{
    struct targets *targets = arg;
    struct span id = reply_span(reply_at(entry, 0));

    if (targets->before_ms >= 0 && entry_id_ms(id) >= targets->before_ms)
        return false;
    (void)span_copy(id, targets->ids[targets->n], ID_MAX + 1);
    targets->n++;
    return targets->n < DEAD_MAX;
}

static int redis_now_ms(struct ctl *ctl, int64_t *ret, struct err *err)
{
    redisReply *reply = NULL;
    int64_t seconds = 0;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "TIME", NULL);

    if (rc < 0)
        return rc;
    (void)reply_i64(reply_at(reply, 0), &seconds);
    *ret = seconds * 1000;
    freeReplyObject(reply);
    return 0;
}

static int find_targets(struct ctl *ctl, struct targets *targets, int64_t older_ms, bool all,
                        struct err *err)
{
    static char ids[DEAD_MAX][ID_MAX + 1];
    int rc = 0;

    *targets = (struct targets){.ids = ids, .before_ms = -1};
    if (!all && older_ms < 0 && ctl->cli.n_args == 0)
        return err_set(err, -EINVAL, "which? Name entries (orionctl dead list), or give --all");
    for (size_t i = 0; i < ctl->cli.n_args && rc == 0; i++) {
        rc = find_entry(ctl, ctl->cli.args[i], ids[targets->n], err);
        targets->n++;
    }
    if (rc < 0 || ctl->cli.n_args > 0)
        return rc;
    if (!all) {
        rc = redis_now_ms(ctl, &targets->before_ms, err);
        targets->before_ms -= older_ms;
    }
    return rc < 0 ? rc : for_each(ctl, collect, targets, err);
}

/* --- retry ------------------------------------------------------------------------------------ */

/* "r1.retry", and with `n` above 1 "r1.retry2"; the old id is cut so that it fits. */
static void new_id(struct span old, unsigned n, char buf[static REQUEST_ID_MAX + 1])
{
    char behind[24] = ".retry";

    if (n > 1)
        (void)snprintf(behind, sizeof behind, ".retry%u", n);
    size_t keep = REQUEST_ID_MAX - strlen(behind);
    (void)snprintf(buf, REQUEST_ID_MAX + 1, "%.*s%s", (int)(old.len < keep ? old.len : keep),
                   old.ptr ? old.ptr : "", behind);
}

static void print_sent(struct ctl *ctl, const char *entry, const char *id)
{
    struct buf out;

    buf_init(&out, 4096);
    if (ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "entry", entry);
        json_out_str(&out, FIELD_REQUEST_ID, id);
        json_out_close(&out, '}');
    } else {
        (void)buf_add_str(&out, id);
    }
    (void)buf_add_str(&out, "\n");
    (void)ctl_write(&out);
    buf_done(&out);
}

static int old_request_id(struct ctl *ctl, const char *entry, char old[static REQUEST_ID_MAX + 1],
                          struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "XRANGE", ctl->keys.dead, entry, entry, NULL);

    if (rc < 0)
        return rc;
    struct span id = view_field(reply_at(reply_at(reply, 0), 1), FIELD_REQUEST_ID);
    /* One that could not be answered may have none that can be used. */
    (void)span_copy(request_id_valid(id) ? id : span_str("dead"), old, REQUEST_ID_MAX + 1);
    freeReplyObject(reply);
    return 0;
}

/* 1 sent, 0 not (told), or an error. */
static int retry_one(struct ctl *ctl, const char *entry, struct err *err)
{
    char old[REQUEST_ID_MAX + 1], id[REQUEST_ID_MAX + 1], answer[16] = "exists";
    int rc = old_request_id(ctl, entry, old, err);

    for (unsigned n = 1; rc == 0 && n < 1000 && strcmp(answer, "exists") == 0; n++) {
        redisReply *reply = NULL;
        new_id(span_str(old), n, id);
        rc = ctl_script_retry_dead(ctl, entry, id, &reply, err);
        if (rc == 0)
            (void)span_copy(reply_span(reply_at(reply, 0)), answer, sizeof answer);
        if (reply)
            freeReplyObject(reply);
    }
    if (rc < 0)
        return rc;
    if (strcmp(answer, "sent") == 0) {
        print_sent(ctl, entry, id);
        return 1;
    }
    ctl_tell("%s: %s", entry,
             strcmp(answer, "not kept") == 0
                 ? "its request was too large to be kept: submit it anew"
             : strcmp(answer, "gone") == 0 ? "is not there any more"
                                           : "no free request id");
    return 0;
}

int cmd_dead_retry(struct ctl *ctl)
{
    struct targets targets;
    struct err err;
    size_t sent = 0;
    int rc = find_targets(ctl, &targets, -1, cli_has(&ctl->cli, "all"), &err);

    for (size_t i = 0; rc >= 0 && i < targets.n; i++) {
        rc = retry_one(ctl, targets.ids[i], &err);
        sent += rc == 1;
    }
    if (rc < 0)
        return ctl_fail(rc, &err);
    return sent == targets.n ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

/* --- purge ------------------------------------------------------------------------------------ */

static int purge(struct ctl *ctl, const struct targets *targets, int64_t *ret_removed,
                 struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < targets->n && rc == 0;) {
        struct conn_args args;
        redisReply *reply = NULL;
        int64_t n = 0;
        conn_args(&args, "XDEL");
        conn_arg(&args, ctl->keys.dead);
        for (; i < targets->n && args.n < CONN_ARGS_MAX; i++)
            conn_arg(&args, targets->ids[i]);
        rc = conn_ask(ctl->conn, &args, 0, &reply, err);
        if (rc == 0 && reply_i64(reply, &n))
            *ret_removed += n;
        if (reply)
            freeReplyObject(reply);
    }
    return rc;
}

int cmd_dead_purge(struct ctl *ctl)
{
    struct targets targets;
    struct buf out;
    struct err err;
    int64_t older_ms, removed = 0;
    int rc = cli_duration_ms(&ctl->cli, "older-than", (struct cli_range){1, FOREVER_MS, -1},
                             &older_ms, &err);

    if (rc == 0)
        rc = find_targets(ctl, &targets, older_ms, cli_has(&ctl->cli, "all"), &err);
    if (rc == 0)
        rc = purge(ctl, &targets, &removed, &err);
    if (rc < 0)
        return ctl_fail(rc, &err);
    buf_init(&out, 256);
    (void)buf_add_fmt(&out, ctl->json ? "{\"removed\":%" PRId64 "}\n" : "%" PRId64 " removed\n",
                      removed);
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
