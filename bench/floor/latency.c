/*
 * The floor of one request's way: the round trips of client, router and worker, one after another,
 * each on its own connection and blocked where a daemon blocks, with nothing between them.
 *
 *     floor-latency --redis SOCKET [--count N] [--prefix P]       XADD to `done`, no HTTP
 *     floor-latency --ollama URL   [--count N]                    the HTTP exchange alone
 *
 * Prints one line of JSON: microseconds at the 50th and 99th percentile.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http.h"
#include "tool.h"

#define NODE "floor-node"

struct floor {
    struct keys keys;
    redisContext *client, *reader, *intake, *commands, *feed, *worker;
    char node_key[KEY_MAX];
};

static void flush(redisContext *redis)
{
    int written = 0;

    while (!written) {
        if (redisBufferWrite(redis, &written) != REDIS_OK)
            tool_fail("redis", redis->errstr);
    }
}

static void ask_group(redisContext *redis, const char *group, const char *key)
{
    const char *argv[] = {"XREADGROUP", "GROUP", group,     "floor-node", "COUNT", "1",
                          "BLOCK",      "0",     "STREAMS", key,          ">"};

    tool_append(redis, 11, argv);
    flush(redis);
}

/* The one entry of an XREAD or XREADGROUP answer. */
static const redisReply *entry_of(const redisReply *reply)
{
    return reply->element[0]->element[1]->element[0];
}

static void submit(struct floor *floor, const char *id)
{
    char callback[KEY_MAX];
    const char *xadd[] = {"XADD",
                          floor->keys.requests,
                          "*",
                          "request_id",
                          id,
                          "model",
                          "gemma3:1b",
                          "messages",
                          "[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]"};
    const char *xread[] = {"XREAD", "BLOCK", "0", "STREAMS", callback, "0"};

    (void)key_responses(&floor->keys, span_str(id), callback);
    tool_append(floor->client, 9, xadd);
    flush(floor->client);
    tool_append(floor->reader, 6, xread);
    flush(floor->reader);
}

static void route(struct floor *floor, const char *id)
{
    redisReply *reply = tool_reply(floor->intake, NULL);
    struct tool_move move;

    tool_move_args(&move, &floor->keys, "floor-node", entry_of(reply)->element[0]->str, NODE, id,
                   "gemma3:1b", "", 1000);
    tool_append_script(floor->commands, SCRIPT_MOVE, &move.args);
    flush(floor->commands);
    freeReplyObject(reply);
}

static void work(struct floor *floor, const char *id)
{
    redisReply *reply = tool_reply(floor->feed, NULL);
    const char *entry = entry_of(reply)->element[0]->str;
    struct tool_job job;

    tool_start_args(&job, &floor->keys, NODE, entry, id, "gemma3:1b");
    tool_append_script(floor->worker, SCRIPT_START, &job.args);
    freeReplyObject(tool_reply(floor->worker, NULL));
    tool_finish_args(&job, &floor->keys, NODE, entry, id, "gemma3:1b",
                     span_str("{\"message\":{\"role\":\"assistant\",\"content\":\"tok0\"}}"));
    tool_append_script(floor->worker, SCRIPT_FINISH, &job.args);
    flush(floor->worker);
    freeReplyObject(reply);
}

static int64_t one(struct floor *floor, long number)
{
    char id[32];
    int64_t from_us;

    (void)snprintf(id, sizeof id, "floor-%d-%ld", (int)getpid(), number); /* never seen before */
    ask_group(floor->intake, GROUP_ROUTERS, floor->keys.requests);
    ask_group(floor->feed, GROUP_WORKERS, floor->node_key);
    from_us = tool_now_us();
    submit(floor, id);
    route(floor, id);
    work(floor, id);
    freeReplyObject(tool_reply(floor->reader, NULL));
    int64_t took_us = tool_now_us() - from_us;

    freeReplyObject(tool_reply(floor->client, NULL));
    freeReplyObject(tool_reply(floor->commands, NULL));
    freeReplyObject(tool_reply(floor->worker, NULL));
    return took_us;
}

static void prepare(struct floor *floor, const char *path)
{
    char epoch[KEY_MAX];
    const char *routers[] = {"XGROUP",      "CREATE", floor->keys.requests,
                             GROUP_ROUTERS, "0",      "MKSTREAM"};
    const char *workers[] = {"XGROUP", "CREATE", floor->node_key, GROUP_WORKERS, "0", "MKSTREAM"};
    const char *set[] = {"SET", key_epoch(&floor->keys, span_str(NODE), epoch), "1"};
    const char *health[] = {"HSET", floor->keys.health, NODE, "{\"available\":true}"};

    (void)key_node_requests(&floor->keys, span_str(NODE), floor->node_key);
    floor->client = tool_connect(path);
    floor->reader = tool_connect(path);
    floor->intake = tool_connect(path);
    floor->commands = tool_connect(path);
    floor->feed = tool_connect(path);
    floor->worker = tool_connect(path);
    tool_load_scripts(floor->client);
    freeReplyObject(tool_call(floor->client, 6, routers, "BUSYGROUP"));
    freeReplyObject(tool_call(floor->client, 6, workers, "BUSYGROUP"));
    freeReplyObject(tool_call(floor->client, 3, set, NULL));
    freeReplyObject(tool_call(floor->client, 4, health, NULL));
}

static int64_t one_http(CURL *curl, struct http_answer *answer)
{
    int64_t from_us = tool_now_us();

    answer->len = 0;
    if (curl_easy_perform(curl) != CURLE_OK)
        tool_fail("ollama", "no answer");
    return tool_now_us() - from_us;
}

static void measure(const char *ollama, struct floor *floor, int64_t *took_us, long count)
{
    static struct http_answer answer;
    char url[256];
    CURL *curl = NULL;

    (void)snprintf(url, sizeof url, "%s/api/chat", ollama);
    if (ollama[0])
        curl = http_handle(url, &answer);
    for (long i = 0; i < count; i++)
        took_us[i] = curl ? one_http(curl, &answer) : one(floor, i);
    if (curl)
        curl_easy_cleanup(curl);
}

int main(int argc, char **argv)
{
    const char *ollama = tool_option(argc, argv, "ollama", "");
    long count = tool_number(argc, argv, "count", 1000);
    int64_t *took_us = calloc((size_t)count, sizeof *took_us);
    struct floor floor;

    if (!took_us)
        tool_fail("memory", "none");
    keys_init(&floor.keys, tool_option(argc, argv, "prefix", "orion:inference"));
    if (!ollama[0])
        prepare(&floor, tool_option(argc, argv, "redis", NULL));
    measure(ollama, &floor, took_us, count);
    (void)printf("{\"count\":%ld,\"p50_us\":%lld,\"p99_us\":%lld}\n", count,
                 (long long)tool_percentile(took_us, (size_t)count, 50),
                 (long long)tool_percentile(took_us, (size_t)count, 99));
    free(took_us);
    return 0;
}
