/* drain, undrain and forget: what is done to a node. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"
#include "common/request.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_scripts.h"
#include "json_out.h"

#define POLL_MS          100
#define APPLY_TIMEOUT_MS 10000
#define FOREVER_MS       (INT64_C(366) * 86400000)

/* --- questions -------------------------------------------------------------------------------- */

static int ask_number(struct ctl *ctl, int64_t *ret, struct err *err, const char *command,
                      const char *key, const char *member)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(ctl->conn, &reply, err, command, key, member, NULL);

    if (rc < 0)
        return rc;
    if (!reply_i64(reply, ret))
        *ret = 0;
    freeReplyObject(reply);
    return 0;
}

static int is_drained(struct ctl *ctl, const char *node, bool *ret, struct err *err)
{
    int64_t n = 0;
    int rc = ask_number(ctl, &n, err, "SISMEMBER", ctl->keys.drained, node);

    *ret = n == 1;
    return rc;
}

static int left_on_node(struct ctl *ctl, const char *node, int64_t *ret, struct err *err)
{
    char key[KEY_MAX];

    return ask_number(ctl, ret, err, "XLEN", key_node_requests(&ctl->keys, span_str(node), key),
                      NULL);
}

/* Is it in P:health, or drained at least? */
static int check_known(struct ctl *ctl, const char *node, struct err *err)
{
    int64_t n = 0;
    bool drained = false;
    int rc = ask_number(ctl, &n, err, "HEXISTS", ctl->keys.health, node);

    if (rc == 0 && n == 0)
        rc = is_drained(ctl, node, &drained, err);
    if (rc == 0 && n == 0 && !drained)
        return err_set(err, -ENOENT, "no node %s (orionctl status lists them)", node);
    return rc;
}

static int send_control(struct ctl *ctl, const char *op, const char *node, struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(ctl->conn, &reply, err, "XADD", ctl->keys.control, "*", "op", op,
                            "node", node, NULL);

    if (reply)
        freeReplyObject(reply);
    return rc;
}

/* --- drain, undrain --------------------------------------------------------------------------- */

static int wait_applied(struct ctl *ctl, const char *node, bool wanted, int64_t timeout_ms,
                        struct err *err)
{
    int64_t deadline_ms = ctl_now_ms() + timeout_ms;
    bool drained = !wanted;

    for (;;) {
        int rc = is_drained(ctl, node, &drained, err);
        if (rc < 0 || drained == wanted)
            return rc;
        if (ctl_now_ms() >= deadline_ms) {
            return err_set(err, -ETIME,
                           "no router has applied it yet: is one running? It is kept and will be");
        }
        rc = ctl_pause(POLL_MS, err);
        if (rc < 0)
            return rc;
    }
}

static void tell_left(struct ctl *ctl, const char *node, int64_t left)
{
    char text[128];

    if (!ctl->err_is_tty)
        return;
    int n = snprintf(text, sizeof text, "\r\033[K%s: %" PRId64 " left ...", node, left);
    (void)!write(STDERR_FILENO, text, (size_t)n);
}

static int wait_empty(struct ctl *ctl, const char *node, int64_t timeout_ms, int64_t *ret_left,
                      struct err *err)
{
    int64_t deadline_ms = ctl_now_ms() + timeout_ms, told = -1;
    int rc;

    while ((rc = left_on_node(ctl, node, ret_left, err)) == 0 && *ret_left > 0) {
        if (*ret_left != told)
            tell_left(ctl, node, *ret_left);
        told = *ret_left;
        if (ctl_now_ms() >= deadline_ms) {
            rc = err_set(err, -ETIME, "%s has still %" PRId64 " to do; it stays drained", node,
                         *ret_left);
            break;
        }
        rc = ctl_pause(POLL_MS, err);
        if (rc < 0)
            break;
    }
    if (told >= 0 && ctl->err_is_tty)
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    return rc;
}

static int print_result(struct ctl *ctl, const char *node, bool drained, int64_t left)
{
    struct buf out;

    buf_init(&out, 4096);
    if (ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "node", node);
        json_out_bool(&out, "drained", drained);
        json_out_i64(&out, "left", left);
        json_out_close(&out, '}');
        (void)buf_add_str(&out, "\n");
    } else if (!drained) {
        (void)buf_add_fmt(&out, "%s: back in service\n", node);
    } else if (left == 0) {
        (void)buf_add_fmt(&out, "%s: drained, nothing left to do\n", node);
    } else {
        (void)buf_add_fmt(&out, "%s: drained, %" PRId64 " left to end\n", node, left);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int drain_or_undrain(struct ctl *ctl, bool drain, int64_t timeout_ms, bool wait,
                            struct err *err)
{
    const char *node = ctl->cli.args[0];
    int64_t left = 0, apply_ms = timeout_ms < APPLY_TIMEOUT_MS ? timeout_ms : APPLY_TIMEOUT_MS;
    int rc = ctl_node_id(node, err);

    if (rc == 0)
        rc = check_known(ctl, node, err);
    if (rc == 0)
        rc = send_control(ctl, drain ? "drain" : "undrain", node, err);
    if (rc == 0)
        rc = wait_applied(ctl, node, drain, apply_ms, err);
    if (rc == 0 && wait)
        rc = wait_empty(ctl, node, timeout_ms, &left, err);
    if (rc == 0 && !wait)
        rc = left_on_node(ctl, node, &left, err);
    return rc < 0 ? ctl_fail(rc, err) : print_result(ctl, node, drain, left);
}

int cmd_drain(struct ctl *ctl)
{
    int64_t timeout_ms;
    struct err err;

    if (cli_duration_ms(&ctl->cli, "timeout", (struct cli_range){1, FOREVER_MS, FOREVER_MS},
                        &timeout_ms, &err) < 0)
        return ctl_fail(-EINVAL, &err);
    return drain_or_undrain(ctl, true, timeout_ms, cli_has(&ctl->cli, "wait"), &err);
}

int cmd_undrain(struct ctl *ctl)
{
    int64_t timeout_ms;
    struct err err;

    if (cli_duration_ms(&ctl->cli, "timeout", (struct cli_range){1, FOREVER_MS, APPLY_TIMEOUT_MS},
                        &timeout_ms, &err) < 0)
        return ctl_fail(-EINVAL, &err);
    return drain_or_undrain(ctl, false, timeout_ms, false, &err);
}

/* --- forget ----------------------------------------------------------------------------------- */

static int forget(struct ctl *ctl, const char *node, struct err *err)
{
    redisReply *reply = NULL;
    bool drained = false;
    char answer[16];
    int rc = ctl_script_forget(ctl, node, ctl->config.node_lost_ms, &reply, err);

    if (rc < 0)
        return rc;
    (void)span_copy(reply_span(reply_at(reply, 0)), answer, sizeof answer);
    freeReplyObject(reply);
    if (span_is(span_str(answer), "alive")) {
        return err_set(err, -ECANCELED,
                       "%s is alive: stop its worker first, or drain it (orionctl drain %s)", node,
                       node);
    }
    if (span_is(span_str(answer), "busy")) {
        return err_set(err, -ECANCELED,
                       "%s has work left; a router takes it back when the node is lost: try again "
                       "in a moment",
                       node);
    }
    rc = is_drained(ctl, node, &drained, err);
    if (rc == 0 && drained)
        rc = send_control(ctl, "undrain", node, err);
    return rc;
}

int cmd_forget(struct ctl *ctl)
{
    const char *node = ctl->cli.args[0];
    struct buf out;
    struct err err;
    int rc = ctl_node_id(node, &err);

    if (rc == 0)
        rc = check_known(ctl, node, &err);
    if (rc == 0)
        rc = forget(ctl, node, &err);
    if (rc < 0)
        return ctl_fail(rc, &err);
    buf_init(&out, 4096);
    if (ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "node", node);
        json_out_bool(&out, "forgotten", true);
        json_out_close(&out, '}');
        (void)buf_add_str(&out, "\n");
    } else {
        (void)buf_add_fmt(&out, "%s: forgotten\n", node);
    }
    bool ok = ctl_write(&out);
    buf_done(&out);
    return ok ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}
