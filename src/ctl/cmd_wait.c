/* wait and cancel: what is done to a request by its id. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"
#include "common/request.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_follow.h"
#include "ctl_scripts.h"
#include "json_out.h"

#define POLL_MS           50
#define CANCEL_TIMEOUT_MS 10000

static int exists(struct ctl *ctl, const char *key, bool *ret, struct err *err)
{
    redisReply *reply = NULL;
    int64_t n = 0;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "EXISTS", key, NULL);

    if (rc < 0)
        return rc;
    *ret = reply_i64(reply, &n) && n > 0;
    freeReplyObject(reply);
    return 0;
}

/* In a long queue it may. */
static int waits_unread(struct ctl *ctl, const char *id, bool *ret, struct err *err)
{
    redisReply *reply = NULL;
    bool is_cut = false;
    int rc = ctl_script_find(ctl, id, &reply, &is_cut, err);

    if (rc < 0)
        return rc;
    *ret = is_cut || reply_count(reply) > 0;
    if (reply)
        freeReplyObject(reply);
    return 0;
}

/* Does anybody know the request: is there a reply, a job, or an entry that waits? 0, -ENOENT with
 * *err, or an error of conn.h. */
static int check_known(struct ctl *ctl, const char *id, const char *callback, struct err *err)
{
    char job[KEY_MAX];
    bool known = false;
    int rc = exists(ctl, callback, &known, err);

    if (rc == 0 && !known)
        rc = exists(ctl, key_job(&ctl->keys, span_str(id), job), &known, err);
    if (rc == 0 && !known)
        rc = waits_unread(ctl, id, &known, err);
    if (rc == 0 && !known) {
        return err_set(err, -ENOENT,
                       "no request %s: it was never submitted, or ended longer ago than "
                       "response_ttl (1 h)",
                       id);
    }
    return rc;
}

int cmd_wait(struct ctl *ctl)
{
    const char *id = ctl->cli.args[0], *callback = cli_value(&ctl->cli, "callback");
    char own[KEY_MAX];
    int64_t timeout_ms = -1;
    struct err err;
    int rc = ctl_request_id(id, &err);

    if (rc == 0) {
        rc = cli_duration_ms(&ctl->cli, "timeout",
                             (struct cli_range){1, REQUEST_TIMEOUT_MAX_MS, -1}, &timeout_ms, &err);
    }
    if (rc == 0 && !callback)
        callback = key_responses(&ctl->keys, span_str(id), own);
    if (rc == 0)
        rc = check_known(ctl, id, callback, &err);
    if (rc < 0)
        return ctl_fail(rc, &err);
    const struct follow follow = {
        .ctl = ctl,
        .request_id = id,
        .callback = callback,
        .stream = cli_has(&ctl->cli, "stream"),
        .progress = ctl->err_is_tty && !cli_has(&ctl->cli, "quiet"),
        .quiet = cli_has(&ctl->cli, "quiet"),
        .timeout_ms = timeout_ms,
    };
    return ctl_follow(&follow);
}

/* --- cancel ----------------------------------------------------------------------------------- */

/* state and code of the job; absent ones are "". */
struct job_state {
    char state[16], code[64], node[80];
};

static int read_job(struct ctl *ctl, const char *id, struct job_state *ret, struct err *err)
{
    char key[KEY_MAX];
    redisReply *reply = NULL;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "HMGET", key_job(&ctl->keys, span_str(id), key),
                            "state", "code", "node", NULL);

    if (rc < 0)
        return rc;
    (void)span_copy(reply_span(reply_at(reply, 0)), ret->state, sizeof ret->state);
    (void)span_copy(reply_span(reply_at(reply, 1)), ret->code, sizeof ret->code);
    (void)span_copy(reply_span(reply_at(reply, 2)), ret->node, sizeof ret->node);
    freeReplyObject(reply);
    return 0;
}

static bool is_done(const struct job_state *job)
{
    return span_is(span_str(job->state), "done");
}

static int print_end(struct ctl *ctl, const char *id, const struct job_state *job, bool was_done)
{
    bool cancelled = span_is(span_str(job->code), CODE_CANCELLED) && !was_done;
    const char *ended = job->code[0] ? job->code : "done";
    struct buf out;

    buf_init(&out, 4096);
    if (ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "request_id", id);
        json_out_bool(&out, "cancelled", cancelled);
        json_out_str(&out, "ended", ended);
        json_out_close(&out, '}');
        (void)buf_add_str(&out, "\n");
    } else if (cancelled) {
        (void)buf_add_fmt(&out, "%s: cancelled\n", id);
    } else {
        ctl_tell("%s had ended before: %s", id, ended);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok && cancelled ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int wait_done(struct ctl *ctl, const char *id, int64_t timeout_ms, struct job_state *job,
                     struct err *err)
{
    int64_t deadline_ms = ctl_now_ms() + timeout_ms;
    int rc;

    while ((rc = read_job(ctl, id, job, err)) == 0 && !is_done(job)) {
        if (ctl_now_ms() >= deadline_ms) {
            return err_set(err, -ETIME, "%s: the cancel was sent but has had no effect yet%s", id,
                           job->state[0] ? "" : ": is a router running?");
        }
        rc = ctl_pause(POLL_MS, err);
        if (rc < 0)
            return rc;
    }
    return rc;
}

static int cancel(struct ctl *ctl, const char *id, int64_t timeout_ms, int *ret_status,
                  struct err *err)
{
    char callback[KEY_MAX];
    struct job_state job = {"", "", ""};
    int rc = check_known(ctl, id, key_responses(&ctl->keys, span_str(id), callback), err);

    if (rc == 0)
        rc = read_job(ctl, id, &job, err);
    if (rc < 0)
        return rc;
    if (is_done(&job)) {
        *ret_status = print_end(ctl, id, &job, true);
        return 0;
    }
    rc = ctl_send_cancel(ctl, id, err);
    if (rc < 0)
        return rc;
    *ret_status = CLI_EXIT_OK;
    if (cli_has(&ctl->cli, "no-wait"))
        return 0;
    rc = wait_done(ctl, id, timeout_ms, &job, err);
    if (rc == 0)
        *ret_status = print_end(ctl, id, &job, false);
    return rc;
}

int cmd_cancel(struct ctl *ctl)
{
    const char *id = ctl->cli.args[0];
    int64_t timeout_ms;
    int status = CLI_EXIT_OK;
    struct err err;
    int rc = ctl_request_id(id, &err);

    if (rc == 0) {
        rc = cli_duration_ms(&ctl->cli, "timeout",
                             (struct cli_range){1, REQUEST_TIMEOUT_MAX_MS, CANCEL_TIMEOUT_MS},
                             &timeout_ms, &err);
    }
    if (rc == 0)
        rc = cancel(ctl, id, timeout_ms, &status, &err);
    return rc < 0 ? ctl_fail(rc, &err) : status;
}
