#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

/*
 * What the benchmark programs share: a blocking Redis connection, calls of the project's own
 * scripts, clocks, percentiles. A benchmark that cannot go on says why and ends with 1: every
 * function here does that itself and returns only on success.
 *
 * The floor programs do the input and output of a daemon and nothing else: no checks, no window, no
 * policy, no retries. The scripts are the product's (common/scripts.h), never a copy.
 */

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/scripts.h"

#define TOOL_NODE_MAX 64

/* The value of `--name VALUE`; `fallback` if it is not given; ends with 2 if that is NULL. */
const char *tool_option(int argc, char **argv, const char *name, const char *fallback);
long tool_number(int argc, char **argv, const char *name, long fallback);

_Noreturn void tool_fail(const char *what, const char *why);

/* Connects to a unix socket. */
redisContext *tool_connect(const char *path);

/* Loads every script into the server. */
void tool_load_scripts(redisContext *redis);

/* Appends EVALSHA of a script to the connection's output. */
void tool_append_script(redisContext *redis, enum script script, const struct script_args *args);

/* Appends a command of texts; sends what was appended; reads the next reply (freed by the caller).
 * An error reply ends the program unless it begins with `allow` (NULL: none). */
void tool_append(redisContext *redis, int argc, const char **argv);
redisReply *tool_reply(redisContext *redis, const char *allow);
redisReply *tool_call(redisContext *redis, int argc, const char **argv, const char *allow);

int64_t tool_now_us(void);  /* monotonic */
int64_t tool_wall_us(void); /* since 1970 */
int64_t tool_cpu_us(void);  /* user and system time of this process */

/* Sorts n values and returns the given percentile (0 to 100); 0 if there are none. */
int64_t tool_percentile(int64_t *values, size_t n, double percentile);

/* Fills the arguments of move.lua as the router does for a first attempt. */
struct tool_move {
    struct script_args args;
    char node_key[KEY_MAX], job[KEY_MAX], callback[KEY_MAX];
};
void tool_move_args(struct tool_move *move, const struct keys *keys, const char *router,
                    const char *entry_id, const char *node, const char *request_id,
                    const char *model, const char *why, int64_t credit);

/* The same for start.lua and finish.lua. */
struct tool_job {
    struct script_args args;
    char node_key[KEY_MAX], epoch[KEY_MAX], job[KEY_MAX], callback[KEY_MAX];
};
void tool_start_args(struct tool_job *job, const struct keys *keys, const char *node,
                     const char *entry_id, const char *request_id, const char *model);
void tool_finish_args(struct tool_job *job, const struct keys *keys, const char *node,
                      const char *entry_id, const char *request_id, const char *model,
                      struct span response);

/* A field's value in an entry's array of names and values, or "". */
const char *tool_field(const redisReply *pairs, const char *name);

#endif
