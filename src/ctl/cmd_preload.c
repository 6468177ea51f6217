#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_follow.h"
#include "ctl_look.h"
#include "json_out.h"
#include "preload_choice.h"
#include "reply_view.h"
#include "text.h"

#define TIMEOUT_MS     600000
#define TIMEOUT_MAX_MS INT64_C(86400000)
#define BLOCK_MS       2000

struct preload {
    struct ctl *ctl;
    struct look *look;
    struct preload_choice choice;
    char node[NODE_ID_MAX + 1], model[MODEL_NAME_MAX + 1];
    char last[64]; /* newest event before the wish */
    int64_t run_ms;
    char error[256]; /* what the node says; "" if the model is in memory */
};

static int print(const struct preload *preload, bool waited)
{
    char text[TEXT_NUMBER_SIZE];
    bool ok = !preload->error[0];
    struct buf out;

    buf_init(&out, 4096);
    if (preload->ctl->json) {
        json_out_open(&out, NULL, '{');
        json_out_str(&out, "node", preload->node);
        json_out_str(&out, "model", preload->model);
        json_out_bool(&out, "loaded", waited && ok);
        json_out_count(&out, "run_ms", waited ? preload->run_ms : -1);
        json_out_str(&out, "error", preload->error);
        json_out_close(&out, '}');
        (void)buf_add_str(&out, "\n");
    } else if (!ok) {
        ctl_tell("%s: %s was not loaded: %s", preload->node, preload->model, preload->error);
    } else if (!waited) {
        (void)buf_add_fmt(&out, "%s: told to load %s\n", preload->node, preload->model);
    } else if (preload->run_ms == 0) {
        (void)buf_add_fmt(&out, "%s: %s is in memory already\n", preload->node, preload->model);
    } else {
        (void)buf_add_fmt(&out, "%s: %s is in memory, loaded in %s\n", preload->node,
                          preload->model, text_duration(preload->run_ms, text));
    }
    bool written = ctl_write(&out);
    buf_done(&out);
    return ok && written ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int read_last(struct preload *preload, struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(preload->ctl->conn, &reply, err, "XREVRANGE", preload->ctl->keys.events,
                            "+", "-", "COUNT", "1", NULL);

    if (rc < 0)
        return rc;
    struct span id = reply_span(reply_at(reply_at(reply, 0), 0));
    (void)span_copy(id.len ? id : span_str("0-0"), preload->last, sizeof preload->last);
    freeReplyObject(reply);
    return 0;
}

static int send_wish(struct preload *preload, struct err *err)
{
    redisReply *reply = NULL;
    const char *unload = preload->choice.unload;
    int rc = conn_ask_texts(preload->ctl->conn, &reply, err, "XADD", preload->ctl->keys.control,
                            "*", "op", "preload", "node", preload->node, FIELD_MODEL,
                            preload->model, unload[0] ? "unload" : NULL, unload, NULL);

    if (reply)
        freeReplyObject(reply);
    return rc;
}

/* Is it the event that ends our wish? */
static bool take_event(struct preload *preload, const struct redisReply *fields)
{
    if (!span_is(view_field(fields, "event"), "preloaded") ||
        !span_is(view_field(fields, "node"), preload->node) ||
        !span_is(view_field(fields, FIELD_MODEL), preload->model))
        return false;
    preload->run_ms = view_number(fields, "run_ms", 0);
    (void)span_copy(view_field(fields, "error"), preload->error, sizeof preload->error);
    return true;
}

static int wait_event(struct preload *preload, int64_t timeout_ms, struct err *err)
{
    int64_t deadline_ms = ctl_now_ms() + timeout_ms;
    bool ended = false;

    while (!ended) {
        struct redisReply *reply;
        const struct redisReply *entries;
        int64_t left_ms = deadline_ms - ctl_now_ms();
        if (left_ms <= 0) {
            return err_set(err, -ETIME, "%s has not loaded %s yet", preload->node, preload->model);
        }
        struct ctl_read read = {.stream = preload->ctl->keys.events,
                                .block_ms = left_ms < BLOCK_MS ? left_ms : BLOCK_MS,
                                .count = 100};
        int rc = ctl_read_stream(preload->ctl, &read, preload->last, &reply, &entries, err);
        if (rc < 0)
            return rc;
        for (size_t i = 0; i < reply_count(entries) && !ended; i++)
            ended = take_event(preload, reply_at(reply_at(entries, i), 1));
        if (reply)
            freeReplyObject(reply);
    }
    return 0;
}

static int choose(struct preload *preload, struct err *err)
{
    struct ctl *ctl = preload->ctl;
    const char *node = cli_value(&ctl->cli, "node");
    int rc = node ? ctl_node_id(node, err) : 0;

    if (rc == 0 && !model_name_canonical(span_str(ctl->cli.args[0]), preload->model))
        rc = err_set(err, -EINVAL, "\"%.60s\" is no model name", ctl->cli.args[0]);
    if (rc == 0)
        rc = look_fleet(preload->look, ctl, err);
    if (rc == 0) {
        rc = preload_choose(look_seen(preload->look), span_str(node), preload->model,
                            &preload->choice, err);
    }
    if (rc == 0)
        (void)span_copy(preload->choice.node->id, preload->node, sizeof preload->node);
    return rc;
}

static int run(struct preload *preload)
{
    int64_t timeout_ms;
    struct err err;
    int rc = cli_duration_ms(&preload->ctl->cli, "timeout",
                             (struct cli_range){1, TIMEOUT_MAX_MS, TIMEOUT_MS}, &timeout_ms, &err);

    if (rc == 0)
        rc = choose(preload, &err);
    if (rc == 0 && preload->choice.is_resident)
        return print(preload, true);
    if (rc == 0)
        rc = read_last(preload, &err);
    if (rc == 0)
        rc = send_wish(preload, &err);
    if (rc == 0 && cli_has(&preload->ctl->cli, "no-wait"))
        return print(preload, false);
    if (rc == 0)
        rc = wait_event(preload, timeout_ms, &err);
    return rc < 0 ? ctl_fail(rc, &err) : print(preload, true);
}

int cmd_preload(struct ctl *ctl)
{
    struct preload preload = {.ctl = ctl, .look = look_new()};
    int status = run(&preload);

    look_free(preload.look);
    return status;
}
