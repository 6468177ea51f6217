/*
 * One operation of the hot paths, so many times: for counting its instructions, see
 * bench/guard/run.
 *
 *     guard OPERATION COUNT [NODES [MODELS]]
 *     guard time COUNT [NODES [MODELS]]           nanoseconds of a decision
 *
 * entry     an entry of 1 KiB decoded and checked as a router does
 * health    a node's health decoded as a router does
 * reply     an answer of 100 lines read and put together as a worker does
 * decision  a request arrives, gets a node, and leaves it again, in a fleet of NODES (100) Pis that
 *           hold the model; MODELS (64) models installed in all, at most 8 on each
 */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/request.h"

#include "answer.h"
#include "node_health.h"
#include "policy.h"

_Noreturn static void fail(const char *what)
{
    (void)fprintf(stderr, "guard: %s\n", what);
    exit(1);
}

static void *zeroed(size_t bytes)
{
    void *mem = calloc(1, bytes);

    if (!mem)
        fail("no memory");
    return mem;
}

/* --- an entry --------------------------------------------------------------------------------- */

static redisReply *entry_reply(void)
{
    char content[900], resp[2048];
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    memset(content, 'x', sizeof content);
    int messages = 29 + (int)sizeof content + 3;
    int len = snprintf(resp, sizeof resp,
                       "*2\r\n$15\r\n1700000000000-0\r\n*6\r\n$10\r\nrequest_id\r\n$2\r\nr1\r\n"
                       "$5\r\nmodel\r\n$9\r\ngemma3:1b\r\n$8\r\nmessages\r\n$%d\r\n"
                       "[{\"role\":\"user\",\"content\":\"%.*s\"}]\r\n",
                       messages - 2, (int)sizeof content, content);
    if (redisReaderFeed(reader, resp, (size_t)len) != REDIS_OK ||
        redisReaderGetReply(reader, &reply) != REDIS_OK || !reply)
        fail("the entry is no reply");
    redisReaderFree(reader);
    return reply;
}

static void run_entry(long count)
{
    redisReply *reply = entry_reply();
    struct keys keys;
    struct request request;
    struct err err;

    keys_init(&keys, "orion:inference");
    for (long i = 0; i < count; i++) {
        if (request_decode(reply, &keys, REQUEST_FROM_CLIENT, 1 << 20, &request, &err) !=
            REQUEST_OK)
            fail(err.msg);
    }
    freeReplyObject(reply);
}

/* --- health ----------------------------------------------------------------------------------- */

static const char health_json[] =
    "{\"node_id\":\"pi-1\",\"cpu_percent\":12.5,\"ram_percent\":41.2,\"ram_used_mb\":3321,"
    "\"ram_total_mb\":8062,\"temp_c\":51.3,\"models\":[\"gemma3:1b\"],\"available\":true,"
    "\"reason\":\"ok\",\"last_seen\":1700000000,\"installed\":[\"gemma3:1b\",\"qwen2.5:0.5b\","
    "\"llama3.2:3b\"],\"slots\":1,\"in_flight\":0,\"throttled\":false,\"under_voltage\":false,"
    "\"freq_capped\":false,\"memory_pressure\":0.0,\"swap_in_per_s\":0,\"rates\":{\"gemma3:1b\":"
    "{\"load_ms\":2100,\"prompt_tps\":55.1,\"gen_tps\":11.2,\"tokens_out\":120,\"n\":40}},"
    "\"sessions\":[\"a2b3c4d5e6f70812\",\"b2b3c4d5e6f70812\"],"
    "\"board\":\"Raspberry Pi 5 Model B Rev 1.0\",\"boot_id\":\"6fd52a5e-1d1c-4c53-9c2e-0a0f\","
    "\"uptime_s\":86400,\"agent_version\":\"0.1.0\",\"ollama_version\":\"0.32.15\",\"suspect\":[],"
    "\"epoch\":1,\"last_seen_ms\":1700000000000}";

static void run_health(long count)
{
    struct node_health health;
    struct err err;

    for (long i = 0; i < count; i++) {
        if (node_health_decode(span_str(health_json), span_str("pi-1"), &health, &err) < 0)
            fail(err.msg);
    }
}

/* --- a reply ---------------------------------------------------------------------------------- */

#define REPLY_LINES 100

static void run_reply(long count)
{
    static const char chunk[] =
        "{\"model\":\"gemma3:1b\",\"created_at\":\"2026-11-24T20:15:30.1Z\","
        "\"message\":{\"role\":\"assistant\",\"content\":\" word\"},"
        "\"done\":false}";
    static const char last[] =
        "{\"model\":\"gemma3:1b\",\"created_at\":\"2026-11-24T20:15:31.1Z\",\"message\":{\"role\":"
        "\"assistant\",\"content\":\"\"},\"done_reason\":\"stop\",\"done\":true,"
        "\"total_duration\":1200000000,\"load_duration\":200000000,\"prompt_eval_count\":26,"
        "\"prompt_eval_duration\":500000000,\"eval_count\":100,\"eval_duration\":500000000}";

    for (long i = 0; i < count; i++) {
        struct answer answer;
        struct buf out;

        answer_init(&answer, BODY_CHAT, 1 << 20);
        buf_init(&out, 1 << 20);
        for (int n = 0; n < REPLY_LINES; n++)
            (void)answer_add_line(&answer, span_str(chunk));
        if (answer_add_line(&answer, span_str(last)) != ANSWER_FINAL ||
            !answer_compose(&answer, &out))
            fail("the answer is not whole");
        buf_done(&out);
        answer_done(&answer);
    }
}

/* --- a decision ------------------------------------------------------------------------------- */

#define MODELS_MAX   100
#define INSTALLED    8
#define SESSIONS     65536
#define TIMED_ROUNDS 20

struct fleet {
    struct names names;
    struct window window;
    struct policy *policy;
    uint32_t models[MODELS_MAX], models_n;
    int64_t now_ms;
};

static void add_node(struct fleet *fleet, uint32_t node)
{
    const uint32_t installed_n = fleet->models_n < INSTALLED ? fleet->models_n : INSTALLED;
    struct policy_installed installed[INSTALLED];
    const struct policy_heard heard = {
        .id_hash = node + 1,
        .measured_ms = fleet->now_ms,
        .temp_mc = 50000,
        .ram_permille = 300,
        .throttled = 0,
        .under_voltage = 0,
        .freq_capped = 0,
        .ram_bytes = INT64_C(8000000000),
        .board = POLICY_BOARD_PI5,
        .slots = 1,
        .credit = 1,
        .sessions_max = 4,
        .loading = POLICY_NONE,
        .installed = installed,
        .installed_n = installed_n,
    };

    for (uint32_t i = 0; i < installed_n; i++) {
        installed[i] = (struct policy_installed){
            .model = fleet->models[i == 0 ? 0 : (node + i) % (fleet->models_n - 1) + 1],
            .is_resident = i == 0,
            .bytes = INT64_C(1000000000),
            .n = 100,
            .prompt_tps_milli = 20000,
            .gen_tps_milli = 5000,
            .load_ms = 10000,
            .tokens_out_milli = 100000,
        };
    }
    (void)policy_heard(fleet->policy, node, &heard, fleet->now_ms);
    policy_verdict(fleet->policy, node, POLICY_MAY_WORK, false, fleet->now_ms);
}

static void make_fleet(struct fleet *fleet, uint32_t nodes)
{
    const struct window_sizes window = {4096, 0};
    const struct policy_sizes sizes = {nodes, nodes * INSTALLED, SESSIONS};
    const uint32_t names = 8192;
    struct policy_settings settings;
    struct policy_decision decision;

    fleet->now_ms = 1000000;
    names_init(&fleet->names, zeroed(names_bytes(names)), names);
    window_init(&fleet->window, zeroed(window_bytes(window, names)), window, &fleet->names, 1);
    for (uint32_t i = 0; i < fleet->models_n; i++) {
        char name[32];

        (void)snprintf(name, sizeof name, "model%u:1b", (unsigned)i);
        fleet->models[i] = names_hold(&fleet->names, span_str(name));
    }
    policy_settings_default(&settings);
    settings.placement = false;
    fleet->policy = policy_init(zeroed(policy_bytes(sizes, &fleet->window)), sizes, &fleet->window,
                                &settings, 1, fleet->now_ms);
    for (uint32_t i = 0; i < nodes; i++)
        add_node(fleet, i);
    while (policy_next(fleet->policy, fleet->now_ms, &decision))
        continue;
}

static void one_request(struct fleet *fleet, long number)
{
    struct policy_report report = {
        .model = fleet->models[0], .is_done = true, .run_ms = 1000, .prompt_tokens = 100};
    struct policy_decision decision;
    char id[32];

    fleet->now_ms += 1;
    (void)snprintf(id, sizeof id, "r%ld", number);
    const struct window_entry entry = {
        .id = {(uint64_t)fleet->now_ms, 0},
        .request_id = span_str(id),
        .model = span_str("model0:1b"),
        .session_hash = (uint64_t)number * 2654435761U + 1,
        .priority = REQUEST_NORMAL,
        .submitted_ms = fleet->now_ms,
        .deadline_ms = fleet->now_ms + 60000,
        .attempt = 1,
        .bytes = 1024,
        .prompt_tokens = 100,
    };
    struct window_added added = window_add(&fleet->window, &entry, fleet->now_ms, fleet->now_ms, 0);

    policy_arrived(fleet->policy, added.index, fleet->now_ms);
    if (!policy_next(fleet->policy, fleet->now_ms, &decision) || decision.act != POLICY_MOVE)
        fail("no node was chosen");
    window_take(&fleet->window, decision.request);
    window_remove(&fleet->window, decision.request);
    report.session = entry.session_hash;
    policy_left(fleet->policy, decision.node, &report, fleet->now_ms);
}

static void run_decision(long count, uint32_t nodes, uint32_t models)
{
    static struct fleet fleet;

    fleet.models_n = models;
    make_fleet(&fleet, nodes);
    for (long i = 0; i < count; i++)
        one_request(&fleet, i);
}

static int64_t clock_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Nanoseconds of the same, in the round in which the machine did least besides. */
static void time_decision(long count, uint32_t nodes, uint32_t models)
{
    static struct fleet fleet;
    int64_t least_ns = INT64_MAX;

    fleet.models_n = models;
    make_fleet(&fleet, nodes);
    for (long round = 0, number = 0; round < TIMED_ROUNDS; round++) {
        int64_t begin_ns = clock_ns();
        for (long i = 0; i < count; i++)
            one_request(&fleet, number++);
        int64_t took_ns = clock_ns() - begin_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    (void)printf("%lld\n", (long long)(least_ns / count));
}

int main(int argc, char **argv)
{
    long count = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    long nodes = argc > 3 ? strtol(argv[3], NULL, 10) : 100;
    long models = argc > 4 ? strtol(argv[4], NULL, 10) : 64;

    if (count < 1 || nodes < 1 || nodes > 65536 || models < 1 || models > MODELS_MAX) {
        (void)fprintf(stderr,
                      "usage: guard entry|health|reply|decision|time COUNT [NODES [MODELS]]\n");
        return 2;
    }
    if (strcmp(argv[1], "entry") == 0) {
        run_entry(count);
    } else if (strcmp(argv[1], "health") == 0) {
        run_health(count);
    } else if (strcmp(argv[1], "reply") == 0) {
        run_reply(count);
    } else if (strcmp(argv[1], "decision") == 0) {
        run_decision(count, (uint32_t)nodes, (uint32_t)models);
    } else if (strcmp(argv[1], "time") == 0) {
        time_decision(count, (uint32_t)nodes, (uint32_t)models);
    } else {
        fail("no such operation");
    }
    return 0;
}
