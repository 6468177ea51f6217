/*
 * A fleet that is not there: publishes the health of N nodes and takes away whatever is moved to
 * them, as workers would that answer in no time and write no replies.
 *
 *     bench-fleet --redis SOCKET --nodes N [--models M,M] [--each K] [--slots N] [--interval-ms N]
 *                 [--drain-ms N] [--prefix P]
 *
 * Each node's beat comes once per interval, evenly spread. With --drain-ms 0 nothing is taken away.
 * `--each K`: a node has K of the models (all, without it), the first of them in memory. Prints
 * "ready" when every node has been published once; ends on SIGTERM.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define MODELS_MAX 128
#define HEALTH_MAX 8192
#define STEP_MS    20

struct fleet {
    redisContext *redis;
    struct keys keys;
    long nodes, slots, interval_ms, drain_ms, each;
    char *models[MODELS_MAX];
    long n_models;
};

static size_t list_models(const struct fleet *fleet, long node, long n, char *out, size_t cap)
{
    const long stride = fleet->n_models / fleet->each; /* ten nodes with ten each have a hundred */
    size_t len = 0;

    for (long i = 0; i < n; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s\"%s\"", i ? "," : "",
                                fleet->models[(node + i * stride) % fleet->n_models]);
    return len;
}

/* What a worker of this version publishes: about the bytes of a real node. */
static void append_beat(struct fleet *fleet, long node)
{
    char name[TOOL_NODE_MAX], json[HEALTH_MAX], resident[512], installed[4096];
    int64_t now_ms = tool_wall_us() / 1000;
    const char *argv[] = {"HSET", fleet->keys.health, name, json};

    (void)snprintf(name, sizeof name, "node-%ld", node);
    (void)list_models(fleet, node, 1, resident, sizeof resident);
    (void)list_models(fleet, node, fleet->each, installed, sizeof installed);
    (void)snprintf(
        json, sizeof json,
        "{\"node_id\":\"%s\",\"cpu_percent\":12.5,\"ram_percent\":41.2,\"ram_used_mb\":3321,"
        "\"ram_total_mb\":8062,\"temp_c\":51.3,\"models\":[%s],\"available\":true,\"reason\":"
        "\"ok\","
        "\"installed\":[%s],\"slots\":%ld,\"in_flight\":0,\"throttled\":false,"
        "\"under_voltage\":false,\"freq_capped\":false,\"memory_pressure\":0.0,\"swap_in_per_s\":0,"
        "\"rates\":{%s:{\"load_ms\":2100,\"prompt_tps\":55.1,\"gen_tps\":11.2,\"tokens_out\":120,"
        "\"n\":40}},\"sessions\":[\"a2b3c4d5e6f70812\",\"b2b3c4d5e6f70812\"],"
        "\"board\":\"Raspberry Pi 5 Model B Rev 1.0\",\"boot_id\":\"%s\",\"uptime_s\":86400,"
        "\"agent_version\":\"0.1.0\",\"ollama_version\":\"0.32.15\",\"epoch\":1,"
        "\"last_seen\":%lld,\"last_seen_ms\":%lld}",
        name, resident, installed, fleet->slots, resident, "6fd52a5e-1d1c-4c53-9c2e-0a0f6cf0a001",
        (long long)(now_ms / 1000), (long long)now_ms);
    tool_append(fleet->redis, 4, argv);
}

static void append_drain(struct fleet *fleet, long node)
{
    char name[TOOL_NODE_MAX], key[KEY_MAX];
    const char *argv[] = {"XTRIM", key, "MAXLEN", "0"};

    (void)snprintf(name, sizeof name, "node-%ld", node);
    (void)key_node_requests(&fleet->keys, span_str(name), key);
    tool_append(fleet->redis, 4, argv);
}

static void take(struct fleet *fleet, long n)
{
    while (n-- > 0)
        freeReplyObject(tool_reply(fleet->redis, NULL));
}

static void publish(struct fleet *fleet, long from, long to)
{
    for (long i = from; i < to; i++)
        append_beat(fleet, i % fleet->nodes);
    take(fleet, to - from);
}

static void drain(struct fleet *fleet)
{
    for (long i = 0; i < fleet->nodes; i++)
        append_drain(fleet, i);
    take(fleet, fleet->nodes);
}

static void run(struct fleet *fleet)
{
    int64_t start_us = tool_now_us(), drain_us = start_us;
    long beats = 0;

    for (;;) {
        int64_t now_us = tool_now_us();
        long due = (long)((now_us - start_us) / 1000 * fleet->nodes / fleet->interval_ms);

        publish(fleet, beats, due);
        beats = due;
        if (fleet->drain_ms > 0 && now_us >= drain_us) {
            drain(fleet);
            drain_us = now_us + fleet->drain_ms * 1000;
        }
        (void)poll(NULL, 0,
                   fleet->drain_ms > 0 && fleet->drain_ms < STEP_MS ? (int)fleet->drain_ms
                                                                    : STEP_MS);
    }
}

int main(int argc, char **argv)
{
    struct fleet fleet = {.nodes = tool_number(argc, argv, "nodes", 100),
                          .slots = tool_number(argc, argv, "slots", 1),
                          .interval_ms = tool_number(argc, argv, "interval-ms", 5000),
                          .drain_ms = tool_number(argc, argv, "drain-ms", 0)};
    char *list = strdup(tool_option(argc, argv, "models", "gemma3:1b")), *rest = NULL;

    for (char *name = strtok_r(list, ",", &rest); name && fleet.n_models < MODELS_MAX;
         name = strtok_r(NULL, ",", &rest))
        fleet.models[fleet.n_models++] = name;
    if (fleet.nodes < 1 || fleet.interval_ms < 1 || fleet.n_models < 1)
        tool_fail("--nodes, --interval-ms, --models", "too few");
    fleet.each = tool_number(argc, argv, "each", fleet.n_models);
    fleet.redis = tool_connect(tool_option(argc, argv, "redis", NULL));
    keys_init(&fleet.keys, tool_option(argc, argv, "prefix", "orion:inference"));
    for (long i = 0; i < fleet.nodes; i += 100)
        publish(&fleet, i, i + 100 < fleet.nodes ? i + 100 : fleet.nodes);
    (void)printf("ready\n");
    (void)fflush(stdout);
    run(&fleet);
    free(list);
    return 0;
}
