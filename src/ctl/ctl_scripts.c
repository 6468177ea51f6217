#include "ctl_scripts.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "common/reply.h"
#include "common/scripts.h"

#include "ctl.h"
#include "script_sources.h"

/* Made by cmake/embed_lua.cmake. */
extern const struct script_source ctl_script_sources[];

static struct span source(const char *name)
{
    const struct script_source *row = ctl_script_sources;

    while (row->name && strcmp(row->name, name) != 0)
        row++;
    assert(row->name);
    return (struct span){row->text, row->len};
}

static void begin(struct conn_args *args, struct span text, int64_t n_keys)
{
    conn_args(args, "EVAL");
    conn_arg_span(args, text);
    conn_arg_i64(args, n_keys);
}

int ctl_script_queue(struct ctl *ctl, struct redisReply **ret_reply, struct err *err)
{
    struct conn_args args;

    begin(&args, source("queue"), 1);
    conn_arg(&args, ctl->keys.requests);
    conn_arg_i64(&args, SCRIPT_LOOK_ENTRIES);
    conn_arg_i64(&args, SCRIPT_LOOK_BYTES);
    return conn_ask(ctl->conn, &args, 0, ret_reply, err);
}

int ctl_script_find(struct ctl *ctl, const char *request_id, struct redisReply **ret_reply,
                    bool *ret_is_cut, struct err *err)
{
    struct conn_args args;

    begin(&args, source("find"), 1);
    conn_arg(&args, ctl->keys.requests);
    conn_arg(&args, GROUP_ROUTERS);
    conn_arg(&args, request_id);
    conn_arg_i64(&args, SCRIPT_LOOK_ENTRIES);
    conn_arg_i64(&args, SCRIPT_LOOK_BYTES);
    int rc = conn_ask(ctl->conn, &args, 0, ret_reply, err);
    *ret_is_cut = rc == 0 && reply_count(*ret_reply) == 1;
    if (*ret_is_cut) {
        freeReplyObject(*ret_reply);
        *ret_reply = NULL;
    }
    return rc;
}

int ctl_script_retry_dead(struct ctl *ctl, const char *entry_id, const char *new_request_id,
                          struct redisReply **ret_reply, struct err *err)
{
    char job[KEY_MAX];
    struct conn_args args;

    begin(&args, source("retry_dead"), 3);
    conn_arg(&args, ctl->keys.dead);
    conn_arg(&args, ctl->keys.requests);
    conn_arg(&args, key_job(&ctl->keys, span_str(new_request_id), job));
    conn_arg(&args, entry_id);
    conn_arg(&args, new_request_id);
    return conn_ask(ctl->conn, &args, 0, ret_reply, err);
}

int ctl_script_forget(struct ctl *ctl, const char *node, int64_t silent_ms,
                      struct redisReply **ret_reply, struct err *err)
{
    char epoch[KEY_MAX], stream[KEY_MAX];
    struct conn_args args;

    begin(&args, span_str(script_source(SCRIPT_FORGET)), 3);
    conn_arg(&args, ctl->keys.health);
    conn_arg(&args, key_epoch(&ctl->keys, span_str(node), epoch));
    conn_arg(&args, key_node_requests(&ctl->keys, span_str(node), stream));
    conn_arg(&args, node);
    conn_arg_i64(&args, silent_ms);
    return conn_ask(ctl->conn, &args, 0, ret_reply, err);
}
