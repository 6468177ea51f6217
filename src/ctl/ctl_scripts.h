#ifndef CTL_SCRIPTS_H
#define CTL_SCRIPTS_H

/*
 * The scripts that orionctl runs inside Redis: src/ctl/lua/NAME.lua, whose heads are their manual
 * pages, and `forget` of the routers. Each returns 0 with *ret_reply (free it with
 * freeReplyObject()), or an error of conn.h.
 */

#include <stdbool.h>
#include <stdint.h>

struct ctl;
struct err;
struct redisReply;

/* What is looked at on the origin stream: enough for any queue of a healthy cluster, and nothing
 * that would keep Redis busy for long. */
#define SCRIPT_LOOK_ENTRIES 2000
#define SCRIPT_LOOK_BYTES   (16 << 20)

int ctl_script_queue(struct ctl *ctl, struct redisReply **ret_reply, struct err *err);
/* *ret_is_cut: it is not among the first that wait, *ret_reply is NULL, and nobody knows of the
 * others. */
int ctl_script_find(struct ctl *ctl, const char *request_id, struct redisReply **ret_reply,
                    bool *ret_is_cut, struct err *err);
int ctl_script_retry_dead(struct ctl *ctl, const char *entry_id, const char *new_request_id,
                          struct redisReply **ret_reply, struct err *err);
int ctl_script_forget(struct ctl *ctl, const char *node, int64_t silent_ms,
                      struct redisReply **ret_reply, struct err *err);

#endif
