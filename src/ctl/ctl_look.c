#include "ctl_look.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl.h"
#include "ctl_scripts.h"

enum { LOOK_QUEUE = 0, LOOK_HEALTH, LOOK_DRAINED, LOOK_ROUTERS, LOOK_COUNT };

struct replies {
    redisReply *at[LOOK_COUNT];
};

struct look {
    struct replies replies; /* what `seen` borrows from */
    struct fleet_seen seen;
};

struct look *look_new(void)
{
    return xcalloc(1, sizeof(struct look));
}

static void replies_free(struct replies *replies)
{
    for (int i = 0; i < LOOK_COUNT; i++) {
        if (replies->at[i])
            freeReplyObject(replies->at[i]);
        replies->at[i] = NULL;
    }
}

void look_free(struct look *look)
{
    if (!look)
        return;
    replies_free(&look->replies);
    free(look);
}

const struct fleet_seen *look_seen(const struct look *look)
{
    return &look->seen;
}

static int ask_all(struct ctl *ctl, struct replies *replies, struct err *err)
{
    int rc = ctl_script_queue(ctl, &replies->at[LOOK_QUEUE], err);

    if (rc == 0) {
        rc = conn_ask_texts(ctl->conn, &replies->at[LOOK_HEALTH], err, "HGETALL", ctl->keys.health,
                            NULL);
    }
    if (rc == 0) {
        rc = conn_ask_texts(ctl->conn, &replies->at[LOOK_DRAINED], err, "SMEMBERS",
                            ctl->keys.drained, NULL);
    }
    if (rc == 0) {
        rc = conn_ask_texts(ctl->conn, &replies->at[LOOK_ROUTERS], err, "HGETALL",
                            ctl->keys.routers, NULL);
    }
    return rc;
}

/* The lengths of the nodes' streams, one command each, all sent before the first answer is read. */
static int ask_lengths(struct ctl *ctl, struct fleet_seen *seen, struct err *err)
{
    char key[KEY_MAX];
    struct conn_args args;
    int rc = 0;

    for (size_t i = 0; i < seen->n_nodes && rc == 0; i++) {
        if (!node_id_valid(seen->nodes[i].id))
            continue;
        conn_args(&args, "XLEN");
        conn_arg(&args, key_node_requests(&ctl->keys, seen->nodes[i].id, key));
        rc = conn_send(ctl->conn, &args, err);
    }
    for (size_t i = 0; i < seen->n_nodes && rc == 0; i++) {
        redisReply *reply = NULL;
        if (!node_id_valid(seen->nodes[i].id))
            continue;
        rc = conn_answer(ctl->conn, &reply, err);
        if (rc == 0 && !reply_i64(reply, &seen->nodes[i].length))
            seen->nodes[i].length = -1;
        if (reply)
            freeReplyObject(reply);
    }
    return rc;
}

int look_fleet(struct look *look, struct ctl *ctl, struct err *err)
{
    const struct seen_limits limits = {ctl->config.node_late_ms, ctl->config.node_lost_ms,
                                       ctl->config.temp_max_mc, ctl->config.ram_max_pct};
    struct replies replies = {{NULL}};
    int64_t redis_ms = 0;
    int rc = ask_all(ctl, &replies, err);

    if (rc < 0) {
        replies_free(&replies);
        return rc;
    }
    replies_free(&look->replies);
    look->replies = replies;
    (void)reply_i64(reply_at(replies.at[LOOK_QUEUE], 0), &redis_ms);
    seen_begin(&look->seen, redis_ms);
    seen_health(&look->seen, replies.at[LOOK_HEALTH]);
    seen_drained(&look->seen, replies.at[LOOK_DRAINED]);
    seen_routers(&look->seen, replies.at[LOOK_ROUTERS], &limits);
    seen_queue(&look->seen, replies.at[LOOK_QUEUE]);
    rc = ask_lengths(ctl, &look->seen, err);
    seen_end(&look->seen, &limits);
    return rc;
}
