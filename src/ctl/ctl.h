#ifndef CTL_CTL_H
#define CTL_CTL_H

/*
 * What every command works with: the parsed command line, the settings, the connection and where
 * output goes. One per process, made by main().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/redis_url.h"

#include "cli.h"
#include "conn.h"
#include "ctl_config.h"

struct buf;
struct err;

struct ctl {
    struct cli cli;
    struct ctl_config config;
    struct redis_url url;
    struct keys keys;
    struct conn *conn;
    bool json;       /* --json */
    bool color;      /* may stdout be coloured? */
    bool is_tty;     /* is stdout a terminal? */
    bool err_is_tty; /* is stderr one? */
    size_t cols;     /* width of stdout; TEXT_NO_LIMIT if it is no terminal */
};

/* A command: returns an enum cli_exit, after it has told the user why if it is not 0. */
int cmd_status(struct ctl *ctl);
int cmd_top(struct ctl *ctl);
int cmd_submit(struct ctl *ctl);
int cmd_wait(struct ctl *ctl);
int cmd_cancel(struct ctl *ctl);
int cmd_explain(struct ctl *ctl);
int cmd_events(struct ctl *ctl);
int cmd_drain(struct ctl *ctl);
int cmd_undrain(struct ctl *ctl);
int cmd_forget(struct ctl *ctl);
int cmd_dead_list(struct ctl *ctl);
int cmd_dead_show(struct ctl *ctl);
int cmd_dead_retry(struct ctl *ctl);
int cmd_dead_purge(struct ctl *ctl);
int cmd_preload(struct ctl *ctl);
int cmd_bench(struct ctl *ctl);
int cmd_doctor(struct ctl *ctl);

/* Says on stderr what went wrong ("orionctl: ...") and returns the exit code that belongs to rc:
 * CLI_EXIT_REDIS for what conn.h returns, CLI_EXIT_INTERRUPTED (quietly) for -EINTR, CLI_EXIT_USAGE
 * for -EINVAL, CLI_EXIT_NOT_FOUND for -ENOENT, CLI_EXIT_TIMEOUT for -ETIME. */
int ctl_fail(int rc, const struct err *err);

/* One line on stderr, cleaned of what a terminal would act on. */
void ctl_tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes to stdout and empties `out`. False if nobody reads any more, or `out` has failed (then a
 * line on stderr says so). */
bool ctl_write(struct buf *out);

/* The size of the terminal at stdout; 24 x 80 if it has none. */
void ctl_terminal_size(size_t *ret_rows, size_t *ret_cols);

/* Pauses, or -EINTR with *err. */
int ctl_pause(int64_t ms, struct err *err);

/* Is `id` a request id, a node id? If not, -EINVAL with *err. */
int ctl_request_id(const char *id, struct err *err);
int ctl_node_id(const char *id, struct err *err);

#endif
