/*
 * The floor of moving: reads requests and moves each to a node with the product's move.lua, keeping
 * a given number of moves on the way. No window, no fairness, no choice: node after node.
 *
 *     floor-moves --redis SOCKET --nodes N --count N --depth N [--prefix P] [--why TEXT]
 *                 [--events yes]
 *
 * With --events it also writes the `queued` event of each request and reads P:events, so that it
 * sends and parses the same bytes as a router. Prints one line of JSON: moves per second, CPU
 * microseconds per move.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct floor {
    redisContext *redis;
    struct keys keys;
    const char *why;
    char count[16];
    bool events;
    char last_event[40];
    long nodes, next_node, moved;
};

static void ask_entries(struct floor *floor)
{
    const char *argv[] = {"XREADGROUP", "GROUP",   GROUP_ROUTERS,        "floor", "COUNT",
                          floor->count, "STREAMS", floor->keys.requests, ">"};

    tool_append(floor->redis, 9, argv);
}

static void append_queued(struct floor *floor, const char *id, const char *model)
{
    const char *argv[] = {
        "XADD",   floor->keys.events, "MAXLEN", "~",     "10000", "*",      "event",
        "queued", "request_id",       id,       "model", model,   "router", "floor"};

    tool_append(floor->redis, 14, argv);
}

/* The events of the batch before; read when all of its moves have been answered. */
static void read_events(struct floor *floor)
{
    const char *argv[] = {"XREAD",          "COUNT", "1000", "STREAMS", floor->keys.events,
                          floor->last_event};
    redisReply *reply = tool_call(floor->redis, 6, argv, NULL);
    const redisReply *entries = reply->elements ? reply->element[0]->element[1] : NULL;

    if (entries && entries->elements > 0) {
        (void)snprintf(floor->last_event, sizeof floor->last_event, "%s",
                       entries->element[entries->elements - 1]->element[0]->str);
    }
    freeReplyObject(reply);
}

static void append_moves(struct floor *floor, const redisReply *entries)
{
    for (size_t i = 0; entries && i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        struct tool_move move;
        char node[TOOL_NODE_MAX];

        (void)snprintf(node, sizeof node, "node-%ld", floor->next_node++ % floor->nodes);
        tool_move_args(&move, &floor->keys, "floor", entry->element[0]->str, node,
                       tool_field(entry->element[1], "request_id"),
                       tool_field(entry->element[1], "model"), floor->why, 1000000);
        if (floor->events)
            append_queued(floor, tool_field(entry->element[1], "request_id"),
                          tool_field(entry->element[1], "model"));
        tool_append_script(floor->redis, SCRIPT_MOVE, &move.args);
    }
}

/* Reads the answers to n moves. */
static void take_moves(struct floor *floor, size_t n)
{
    while (n-- > 0) {
        if (floor->events)
            freeReplyObject(tool_reply(floor->redis, NULL));
        redisReply *reply = tool_reply(floor->redis, NULL);

        if (reply->elements < 1 || strcmp(reply->element[0]->str, "moved") != 0)
            tool_fail("move", reply->elements ? reply->element[0]->str : "no answer");
        floor->moved++;
        freeReplyObject(reply);
    }
}

/* The moves of one batch and the read of the next one travel together. */
static void run(struct floor *floor, long count)
{
    size_t under_way = 0;

    ask_entries(floor);
    while (floor->moved < count) {
        take_moves(floor, under_way);

        redisReply *reply = tool_reply(floor->redis, NULL);
        const redisReply *entries = reply->elements > 0 ? reply->element[0]->element[1] : NULL;

        under_way = entries ? entries->elements : 0;
        if (under_way == 0 && floor->moved < count)
            tool_fail("requests", "too few");
        if (floor->events)
            read_events(floor);
        append_moves(floor, entries);
        ask_entries(floor);
        freeReplyObject(reply);
        if (floor->moved + (long)under_way >= count) {
            take_moves(floor, under_way);
            under_way = 0;
        }
    }
}

int main(int argc, char **argv)
{
    struct floor floor = {.nodes = tool_number(argc, argv, "nodes", 100)};
    long count = tool_number(argc, argv, "count", 10000);
    const char *created[] = {"XGROUP",      "CREATE", floor.keys.requests,
                             GROUP_ROUTERS, "0",      "MKSTREAM"};
    int64_t from_us, cpu_us, took_us;

    floor.redis = tool_connect(tool_option(argc, argv, "redis", NULL));
    floor.why = tool_option(argc, argv, "why", "");
    floor.events = strcmp(tool_option(argc, argv, "events", "no"), "yes") == 0;
    (void)snprintf(floor.last_event, sizeof floor.last_event, "0");
    keys_init(&floor.keys, tool_option(argc, argv, "prefix", "orion:inference"));
    (void)snprintf(floor.count, sizeof floor.count, "%ld", tool_number(argc, argv, "depth", 64));
    tool_load_scripts(floor.redis);
    freeReplyObject(tool_call(floor.redis, 6, created, "BUSYGROUP"));
    from_us = tool_now_us();
    cpu_us = tool_cpu_us();
    run(&floor, count);
    took_us = tool_now_us() - from_us;
    (void)printf("{\"moves\":%ld,\"seconds\":%.3f,\"per_s\":%.0f,\"cpu_us_per_move\":%.2f}\n",
                 floor.moved, (double)took_us / 1e6, (double)floor.moved / ((double)took_us / 1e6),
                 (double)(tool_cpu_us() - cpu_us) / (double)floor.moved);
    redisFree(floor.redis);
    return 0;
}
