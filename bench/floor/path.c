/*
 * The floor of the whole way under load: the commands of client, router and worker and the exchange
 * with Ollama, in lockstep batches of --slots requests, pipelined, with no logic. Several of these
 * run side by side to keep Redis and Ollama busy at the same time.
 *
 *     floor-path --redis SOCKET --ollama URL [--slots N] [--count N] [--prefix P]
 *
 * Prints one line of JSON: requests per second.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "tool.h"

#define NODE      "floor-node"
#define SLOTS_MAX 256

struct slot {
    char id[64], entry[32];
    CURL *curl;
    struct http_answer answer;
};

struct floor {
    redisContext *redis;
    struct keys keys;
    char node_key[KEY_MAX], batch[16];
    CURLM *multi;
    struct slot *slots;
    long n;
};

static void take(struct floor *floor, long n)
{
    while (n-- > 0)
        freeReplyObject(tool_reply(floor->redis, NULL));
}

static void submit(struct floor *floor, long batch)
{
    for (long i = 0; i < floor->n; i++) {
        struct slot *slot = &floor->slots[i];
        const char *xadd[] = {"XADD",
                              floor->keys.requests,
                              "*",
                              "request_id",
                              slot->id,
                              "model",
                              "gemma3:1b",
                              "messages",
                              "[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]"};

        (void)snprintf(slot->id, sizeof slot->id, "f%ld-%ld", batch, i);
        tool_append(floor->redis, 9, xadd);
    }
    take(floor, floor->n);
}

/* Reads a batch from a stream; the entries' ids and request ids go to the slots. */
static void read_group(struct floor *floor, const char *group, const char *key)
{
    const char *argv[] = {"XREADGROUP", "GROUP",   group, "floor", "COUNT",
                          floor->batch, "STREAMS", key,   ">"};
    redisReply *reply = tool_call(floor->redis, 9, argv, NULL);
    const redisReply *entries = reply->elements ? reply->element[0]->element[1] : NULL;

    if (!entries || (long)entries->elements != floor->n)
        tool_fail(key, "not the whole batch");
    for (long i = 0; i < floor->n; i++) {
        (void)snprintf(floor->slots[i].entry, sizeof floor->slots[i].entry, "%s",
                       entries->element[i]->element[0]->str);
        (void)snprintf(floor->slots[i].id, sizeof floor->slots[i].id, "%s",
                       tool_field(entries->element[i]->element[1], "request_id"));
    }
    freeReplyObject(reply);
}

static void move(struct floor *floor)
{
    for (long i = 0; i < floor->n; i++) {
        struct tool_move move;

        tool_move_args(&move, &floor->keys, "floor", floor->slots[i].entry, NODE,
                       floor->slots[i].id, "gemma3:1b", "", 1000000);
        tool_append_script(floor->redis, SCRIPT_MOVE, &move.args);
    }
    take(floor, floor->n);
}

static void start(struct floor *floor)
{
    for (long i = 0; i < floor->n; i++) {
        struct tool_job job;

        tool_start_args(&job, &floor->keys, NODE, floor->slots[i].entry, floor->slots[i].id,
                        "gemma3:1b");
        /* the consumer's name is the floor's, not the node's */
        job.args.argv[job.args.n_keys + 1] = "floor";
        job.args.len[job.args.n_keys + 1] = 5;
        tool_append_script(floor->redis, SCRIPT_START, &job.args);
    }
    take(floor, floor->n);
}

static void ask_ollama(struct floor *floor)
{
    int running = 1;

    for (long i = 0; i < floor->n; i++) {
        floor->slots[i].answer.len = 0;
        (void)curl_multi_add_handle(floor->multi, floor->slots[i].curl);
    }
    while (running > 0) {
        (void)curl_multi_perform(floor->multi, &running);
        if (running > 0)
            (void)curl_multi_poll(floor->multi, NULL, 0, 1000, NULL);
    }
    for (long i = 0; i < floor->n; i++) {
        if (floor->slots[i].answer.len == 0)
            tool_fail("ollama", "no answer");
        (void)curl_multi_remove_handle(floor->multi, floor->slots[i].curl);
    }
}

static void finish(struct floor *floor)
{
    for (long i = 0; i < floor->n; i++) {
        struct slot *slot = &floor->slots[i];
        struct tool_job job;

        tool_finish_args(&job, &floor->keys, NODE, slot->entry, slot->id, "gemma3:1b",
                         (struct span){slot->answer.bytes, slot->answer.len});
        job.args.argv[job.args.n_keys + 1] = "floor";
        job.args.len[job.args.n_keys + 1] = 5;
        tool_append_script(floor->redis, SCRIPT_FINISH, &job.args);
    }
    take(floor, floor->n);
}

static void read_replies(struct floor *floor)
{
    for (long i = 0; i < floor->n; i++) {
        char callback[KEY_MAX];
        const char *argv[] = {"XREAD", "STREAMS", callback, "0"};

        (void)key_responses(&floor->keys, span_str(floor->slots[i].id), callback);
        tool_append(floor->redis, 4, argv);
    }
    for (long i = 0; i < floor->n; i++) {
        redisReply *reply = tool_reply(floor->redis, NULL);

        if (reply->elements == 0)
            tool_fail("reply", "missing");
        freeReplyObject(reply);
    }
}

static void prepare(struct floor *floor, int argc, char **argv)
{
    char epoch[KEY_MAX], url[256];
    const char *routers[] = {"XGROUP",      "CREATE", floor->keys.requests,
                             GROUP_ROUTERS, "0",      "MKSTREAM"};
    const char *workers[] = {"XGROUP", "CREATE", floor->node_key, GROUP_WORKERS, "0", "MKSTREAM"};
    const char *set[] = {"SET", epoch, "1"};
    const char *health[] = {"HSET", floor->keys.health, NODE, "{\"available\":true}"};

    keys_init(&floor->keys, tool_option(argc, argv, "prefix", "orion:inference"));
    (void)key_epoch(&floor->keys, span_str(NODE), epoch);
    (void)key_node_requests(&floor->keys, span_str(NODE), floor->node_key);
    floor->redis = tool_connect(tool_option(argc, argv, "redis", NULL));
    tool_load_scripts(floor->redis);
    freeReplyObject(tool_call(floor->redis, 6, routers, "BUSYGROUP"));
    freeReplyObject(tool_call(floor->redis, 6, workers, "BUSYGROUP"));
    freeReplyObject(tool_call(floor->redis, 3, set, NULL));
    freeReplyObject(tool_call(floor->redis, 4, health, NULL));
    (void)snprintf(url, sizeof url, "%s/api/chat", tool_option(argc, argv, "ollama", NULL));
    (void)snprintf(floor->batch, sizeof floor->batch, "%ld", floor->n);
    floor->multi = curl_multi_init();
    for (long i = 0; i < floor->n; i++)
        floor->slots[i].curl = http_handle(url, &floor->slots[i].answer);
}

int main(int argc, char **argv)
{
    struct floor floor = {.n = tool_number(argc, argv, "slots", 64)};
    long count = tool_number(argc, argv, "count", 6400), done = 0;
    int64_t from_us;

    if (floor.n < 1 || floor.n > SLOTS_MAX)
        tool_fail("--slots", "1 to 256");
    floor.slots = calloc((size_t)floor.n, sizeof *floor.slots);
    if (!floor.slots)
        tool_fail("memory", "none");
    prepare(&floor, argc, argv);
    from_us = tool_now_us();
    for (long batch = 0; done < count; batch++, done += floor.n) {
        submit(&floor, batch);
        read_group(&floor, GROUP_ROUTERS, floor.keys.requests);
        move(&floor);
        read_group(&floor, GROUP_WORKERS, floor.node_key);
        start(&floor);
        ask_ollama(&floor);
        finish(&floor);
        read_replies(&floor);
    }
    (void)printf("{\"requests\":%ld,\"per_s\":%.1f}\n", done,
                 (double)done / ((double)(tool_now_us() - from_us) / 1e6));
    free(floor.slots);
    return 0;
}
