#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define MINUTE_MS 60000

const char *tool_option(int argc, char **argv, const char *name, const char *fallback)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    }
    if (!fallback) {
        (void)fprintf(stderr, "%s: --%s is missing\n", argv[0], name);
        exit(2);
    }
    return fallback;
}

long tool_number(int argc, char **argv, const char *name, long fallback)
{
    const char *text = tool_option(argc, argv, name, "");

    return text[0] ? strtol(text, NULL, 10) : fallback;
}

void tool_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "benchmark: %s: %s\n", what, why ? why : "no reason given");
    exit(1);
}

redisContext *tool_connect(const char *path)
{
    redisContext *redis = redisConnectUnix(path);

    if (!redis || redis->err)
        tool_fail(path, redis ? redis->errstr : "no memory");
    return redis;
}

void tool_append(redisContext *redis, int argc, const char **argv)
{
    if (redisAppendCommandArgv(redis, argc, argv, NULL) != REDIS_OK)
        tool_fail(argv[0], redis->errstr);
}

redisReply *tool_reply(redisContext *redis, const char *allow)
{
    void *reply = NULL;
    redisReply *answer;

    if (redisGetReply(redis, &reply) != REDIS_OK || !reply)
        tool_fail("redis", redis->errstr);
    answer = reply;
    if (answer->type == REDIS_REPLY_ERROR &&
        (!allow || strncmp(answer->str, allow, strlen(allow)) != 0))
        tool_fail("redis", answer->str);
    return answer;
}

redisReply *tool_call(redisContext *redis, int argc, const char **argv, const char *allow)
{
    tool_append(redis, argc, argv);
    return tool_reply(redis, allow);
}

void tool_load_scripts(redisContext *redis)
{
    for (enum script script = 0; script < SCRIPT_COUNT; script++) {
        const char *argv[] = {"SCRIPT", "LOAD", script_source(script)};

        freeReplyObject(tool_call(redis, 3, argv, NULL));
    }
}

void tool_append_script(redisContext *redis, enum script script, const struct script_args *args)
{
    const char *argv[SCRIPT_ARGS_MAX + 3] = {"EVALSHA", script_sha(script)};
    size_t len[SCRIPT_ARGS_MAX + 3] = {7, 40};
    char keys[24];

    len[2] = (size_t)snprintf(keys, sizeof keys, "%zu", args->n_keys);
    argv[2] = keys;
    memcpy(&argv[3], args->argv, args->n * sizeof *argv);
    memcpy(&len[3], args->len, args->n * sizeof *len);
    if (redisAppendCommandArgv(redis, (int)args->n + 3, argv, len) != REDIS_OK)
        tool_fail(script_name(script), redis->errstr);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t tool_now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t tool_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t tool_cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static int compare_i64(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

int64_t tool_percentile(int64_t *values, size_t n, double percentile)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, compare_i64);
    return values[(size_t)(percentile / 100.0 * (double)(n - 1) + 0.5)];
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* Any time in the near future will do. */
static int64_t deadline_ms(void)
{
    return tool_wall_us() / 1000 + MINUTE_MS * 30;
}

void tool_move_args(struct tool_move *move, const struct keys *keys, const char *router,
                    const char *entry_id, const char *node, const char *request_id,
                    const char *model, const char *why, int64_t credit)
{
    struct script_args *args = &move->args;

    script_args_init(args);
    script_key(args, keys->requests);
    script_key(args, key_node_requests(keys, span_str(node), move->node_key));
    script_key(args, key_job(keys, span_str(request_id), move->job));
    script_key(args, key_responses(keys, span_str(request_id), move->callback));
    script_key(args, keys->events);
    script_key(args, keys->drained);
    script_key(args, keys->health);
    script_arg(args, GROUP_ROUTERS);
    script_arg(args, router);
    script_arg(args, entry_id);
    script_arg(args, node);
    script_arg_i64(args, credit);
    script_arg(args, request_id);
    script_arg_i64(args, 1);
    script_arg_i64(args, tool_wall_us() / 1000);
    script_arg_i64(args, deadline_ms());
    script_arg(args, "");
    script_arg(args, "0");
    script_arg_i64(args, 3600000);
    script_arg(args, why);
    script_arg(args, "0");
    script_arg(args, model);
    script_arg(args, "");
}

static void job_keys(struct tool_job *job, const struct keys *keys, const char *node,
                     const char *request_id)
{
    script_args_init(&job->args);
    script_key(&job->args, key_node_requests(keys, span_str(node), job->node_key));
    script_key(&job->args, key_epoch(keys, span_str(node), job->epoch));
    script_key(&job->args, key_job(keys, span_str(request_id), job->job));
    script_key(&job->args, key_responses(keys, span_str(request_id), job->callback));
    script_key(&job->args, keys->events);
}

static void job_gate(struct tool_job *job, const char *node, const char *entry_id,
                     const char *request_id)
{
    script_arg(&job->args, GROUP_WORKERS);
    script_arg(&job->args, node);
    script_arg(&job->args, "1"); /* epoch */
    script_arg(&job->args, entry_id);
    script_arg(&job->args, request_id);
    script_arg_i64(&job->args, 1);
}

void tool_start_args(struct tool_job *job, const struct keys *keys, const char *node,
                     const char *entry_id, const char *request_id, const char *model)
{
    job_keys(job, keys, node, request_id);
    job_gate(job, node, entry_id, request_id);
    script_arg_i64(&job->args, tool_wall_us() / 1000);
    script_arg_i64(&job->args, deadline_ms());
    script_arg(&job->args, "");
    script_arg(&job->args, model);
    script_arg(&job->args, "0");
}

void tool_finish_args(struct tool_job *job, const struct keys *keys, const char *node,
                      const char *entry_id, const char *request_id, const char *model,
                      struct span response)
{
    static const char *const tail[] = {"node", "", "model", "", "queued_ms", "0", "run_ms", "0"};

    job_keys(job, keys, node, request_id);
    script_key(&job->args, keys->dead);
    job_gate(job, node, entry_id, request_id);
    script_arg(&job->args, "done");
    script_arg(&job->args, model);
    script_arg(&job->args, "");
    script_arg(&job->args, "");
    script_arg(&job->args, "0");
    script_arg(&job->args, "type");
    script_arg(&job->args, "done");
    script_arg(&job->args, FIELD_REQUEST_ID);
    script_arg(&job->args, request_id);
    script_arg(&job->args, FIELD_ATTEMPT);
    script_arg(&job->args, "1");
    script_arg(&job->args, "response");
    script_arg_span(&job->args, response);
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++)
        script_arg(&job->args, i == 1 ? node : i == 3 ? model : tail[i]);
}

const char *tool_field(const redisReply *pairs, const char *name)
{
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        if (strcmp(pairs->element[i]->str, name) == 0)
            return pairs->element[i + 1]->str;
    }
    return "";
}
