/*
 * Clients: so many requests at once, each on a connection of its own, until so many are answered.
 *
 *     bench-client --redis SOCKET [--concurrency N] [--count N] [--model M] [--stream yes]
 *                  [--session yes] [--spread-ms N] [--prefix P]
 *
 * Prints one line of JSON: requests per second; microseconds from XADD to the terminal entry and to
 * the first chunk; and, for streams, how late each chunk was: from the moment that Ollama wrote on
 * it (`created_at`, same machine) until the client had it. `first_us` is that of the first chunk.
 * The clients begin evenly over --spread-ms (default: a millisecond for each), so that Redis can
 * take their connections.
 */

#include <event2/event.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "redis_events.h"
#include "tool.h"

struct samples {
    int64_t *values;
    size_t n, cap;
};

struct load {
    struct event_base *base;
    const char *path;
    struct keys keys;
    const char *model;
    const char *stream;
    long count, started, ended, errors;
    int64_t from_us;
    struct samples whole, first, late;
};

struct client {
    struct load *load;
    redisAsyncContext *redis;
    struct event *begin;
    char id[64], callback[KEY_MAX], last[40];
    int64_t from_us;
    bool has_chunk;
};

static void sample(struct samples *samples, int64_t value)
{
    if (samples->n == samples->cap) {
        samples->cap = samples->cap ? samples->cap * 2 : 4096;
        samples->values = realloc(samples->values, samples->cap * sizeof *samples->values);
        if (!samples->values)
            tool_fail("memory", "none");
    }
    samples->values[samples->n++] = value;
}

/* Microseconds since 1970 of "created_at":"2026-11-24T20:15:30.123456789Z"; 0 if there is none. */
static int64_t created_us(const char *json)
{
    const char *at = strstr(json, "\"created_at\":\"");
    struct tm tm = {.tm_isdst = 0};
    double seconds;

    if (!at || sscanf(at + 14, "%d-%d-%dT%d:%d:%lf", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                      &tm.tm_hour, &tm.tm_min, &seconds) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000 + (int64_t)(seconds * 1e6);
}

static void begin(struct client *client);
static void read_on(struct client *client);

static void take_chunk(struct client *client, const redisReply *pairs, int64_t wall_us)
{
    int64_t created = created_us(tool_field(pairs, "response"));
    int64_t late_us = wall_us - created;

    if (created > 0)
        sample(&client->load->late, late_us);
    if (!client->has_chunk && created > 0)
        sample(&client->load->first, late_us);
    client->has_chunk = true;
}

static void take_end(struct client *client, const redisReply *pairs)
{
    struct load *load = client->load;

    sample(&load->whole, tool_now_us() - client->from_us);
    load->ended++;
    if (strcmp(tool_field(pairs, "type"), "error") == 0) {
        if (load->errors++ == 0)
            (void)fprintf(stderr, "client: %s\n", tool_field(pairs, "error"));
    }
    if (load->ended == load->count) {
        (void)event_base_loopbreak(load->base);
    } else if (load->started < load->count) {
        begin(client);
    }
}

static void on_entries(redisAsyncContext *redis, void *answer, void *arg)
{
    int64_t wall_us = tool_wall_us(); /* before it is looked at, as in the floor */
    const redisReply *reply = answer;
    struct client *client = arg;
    bool is_over = false;

    (void)redis;
    if (!reply || reply->type == REDIS_REPLY_ERROR)
        tool_fail("client", reply ? reply->str : "connection lost");
    const redisReply *entries = reply->elements ? reply->element[0]->element[1] : NULL;

    for (size_t i = 0; entries && i < entries->elements; i++) {
        const redisReply *pairs = entries->element[i]->element[1];
        const char *type = tool_field(pairs, "type");

        (void)snprintf(client->last, sizeof client->last, "%s",
                       entries->element[i]->element[0]->str);
        if (strcmp(type, "chunk") == 0) {
            take_chunk(client, pairs, wall_us);
        } else if (strcmp(type, "done") == 0 || strcmp(type, "error") == 0) {
            is_over = true;
            take_end(client, pairs);
        }
    }
    if (!is_over)
        read_on(client);
}

static void read_on(struct client *client)
{
    (void)redisAsyncCommand(client->redis, on_entries, client, "XREAD BLOCK 0 STREAMS %s %s",
                            client->callback, client->last);
}

static void begin(struct client *client)
{
    struct load *load = client->load;

    (void)snprintf(client->id, sizeof client->id, "c%d-%ld", (int)getpid(), load->started++);
    (void)key_responses(&load->keys, span_str(client->id), client->callback);
    (void)snprintf(client->last, sizeof client->last, "0");
    client->has_chunk = false;
    client->from_us = tool_now_us();
    (void)redisAsyncCommand(client->redis, NULL, NULL,
                            "XADD %s * request_id %s model %s stream %s client %s messages %s",
                            load->keys.requests, client->id, load->model, load->stream, "bench",
                            "[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]");
    read_on(client);
}

static void on_begin(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;

    (void)fd;
    (void)what;
    client->redis = redisAsyncConnectUnix(client->load->path);
    if (!client->redis || client->redis->err)
        tool_fail("client", client->redis ? client->redis->errstr : "no memory");
    if (!redis_events_attach(client->redis, client->load->base)) /* a third of hiredis' own calls */
        tool_fail("client", "no memory");
    begin(client);
}

static void print_samples(const char *name, struct samples *samples)
{
    (void)printf(",\"%s\":{\"n\":%zu,\"p50_us\":%lld,\"p90_us\":%lld,\"p99_us\":%lld}", name,
                 samples->n, (long long)tool_percentile(samples->values, samples->n, 50),
                 (long long)tool_percentile(samples->values, samples->n, 90),
                 (long long)tool_percentile(samples->values, samples->n, 99));
}

static void start(struct load *load, struct client *clients, long n, long spread_ms)
{
    for (long i = 0; i < n; i++) {
        struct timeval tv = {.tv_sec = spread_ms * i / n / 1000,
                             .tv_usec = (spread_ms * i / n % 1000) * 1000};

        clients[i].load = load;
        clients[i].begin = evtimer_new(load->base, on_begin, &clients[i]);
        (void)evtimer_add(clients[i].begin, &tv);
    }
}

int main(int argc, char **argv)
{
    struct load load = {.base = event_base_new()};
    long n = tool_number(argc, argv, "concurrency", 1);
    struct client *clients = calloc((size_t)n, sizeof *clients);
    double seconds;

    load.count = tool_number(argc, argv, "count", 100);
    load.model = tool_option(argc, argv, "model", "gemma3:1b");
    load.stream = strcmp(tool_option(argc, argv, "stream", "no"), "yes") == 0 ? "1" : "0";
    keys_init(&load.keys, tool_option(argc, argv, "prefix", "orion:inference"));
    if (!clients || !load.base || load.count < n)
        tool_fail("--count", "must be at least --concurrency");
    load.from_us = tool_now_us();
    load.path = tool_option(argc, argv, "redis", NULL);
    start(&load, clients, n, tool_number(argc, argv, "spread-ms", n));
    (void)event_base_dispatch(load.base);
    seconds = (double)(tool_now_us() - load.from_us) / 1e6;
    (void)printf("{\"requests\":%ld,\"errors\":%ld,\"seconds\":%.3f,\"per_s\":%.1f", load.ended,
                 load.errors, seconds, (double)load.ended / seconds);
    print_samples("whole", &load.whole);
    print_samples("first", &load.first);
    print_samples("late", &load.late);
    (void)printf("}\n");
    return load.errors > 0;
}
