#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

/* Reads a reply until its last entry and prints it: what submit and wait have in common. */

#include <stdbool.h>
#include <stdint.h>

#include "ctl.h"

struct follow {
    struct ctl *ctl;
    const char *request_id;
    const char *callback;  /* the stream to read */
    bool stream;           /* print pieces as they come */
    bool progress;         /* tell `status` entries on stderr */
    bool quiet;            /* nothing on stderr but errors */
    bool cancel_on_signal; /* Ctrl-C cancels the request; otherwise it stops waiting */
    int64_t timeout_ms;    /* -1: as long as it takes */
};

/* Returns the exit code. */
int ctl_follow(const struct follow *follow);

/* XADD P:control cancel. 0 or an error of conn.h. */
int ctl_send_cancel(struct ctl *ctl, const char *request_id, struct err *err);

struct ctl_read {
    const char *stream;
    int64_t block_ms; /* waits at most that long; 0: not at all */
    int64_t count;    /* entries at most */
};

/* XREAD of one stream behind `last` (updated). 0 with *ret_reply, NULL if nothing came;
 * *ret_entries are its entries, NULL if none. */
int ctl_read_stream(struct ctl *ctl, const struct ctl_read *read, char last[static 64],
                    struct redisReply **ret_reply, const struct redisReply **ret_entries,
                    struct err *err);

#endif
