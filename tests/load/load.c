/*
 * The client of the soak and the overload: submits at a steady rate, or as fast as Redis takes it,
 * reads every reply, and looks at each a second time, so that a last entry that is missing and one
 * too many both show. --help says the rest. Prints one line of JSON per second and one at the end.
 *
 * Time spent is Redis' own: the id of the last entry minus the id of the request's.
 */

#include <getopt.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS        10
#define LOOK_MS        40   /* between two looks at one reply */
#define AGAIN_MS       5000 /* from the last entry to the second look */
#define BATCH_MAX      512  /* commands in one pipeline */
#define BATCH_BYTES    ((size_t)4 << 20)
#define LATENCY_MAX_MS 600000
#define CODES_MAX      16
#define CODE_SIZE      32

struct options {
    const char *socket, *prefix, *model, *client, *name;
    double rate;       /* per second; 0: all at once */
    long seconds;      /* with a rate */
    long count;        /* without */
    long prompt_bytes; /* of each prompt */
    long settle_s;     /* how long to wait for the last replies */
    bool stream;
};

struct request {
    int64_t submitted_ms; /* Redis time */
    int64_t look_ms;      /* monotonic: not before */
    uint8_t last_entries; /* seen so far */
    bool is_open;
};

struct code {
    char name[CODE_SIZE];
    long count;
};

struct load {
    struct options options;
    redisContext *redis;
    struct request *requests;
    long *open; /* indices of requests without a last entry, oldest first */
    long total, submitted, open_count, open_next, again_next, refused, twice, broken;
    char *prompt;
    struct code codes[CODES_MAX];
    uint32_t *latency; /* requests by milliseconds, LATENCY_MAX_MS + 1 */
    int64_t start_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "load-client: %s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *ptr = calloc(count ? count : 1, size);

    if (!ptr)
        die("memory", "none left");
    return ptr;
}

static redisReply *take_reply(struct load *load)
{
    void *reply = NULL;

    if (redisGetReply(load->redis, &reply) != REDIS_OK || !reply)
        die("Redis", load->redis->errstr);
    return reply;
}

/* --- submitting ------------------------------------------------------------------------------ */

static size_t add_request(struct load *load, long index)
{
    const struct options *options = &load->options;
    char id[64], key[256], callback[256];

    (void)snprintf(id, sizeof id, "%s-%ld", options->name, index);
    (void)snprintf(key, sizeof key, "%s:requests", options->prefix);
    (void)snprintf(callback, sizeof callback, "%s:responses:%s", options->prefix, id);
    const char *argv[] = {"XADD",          key,          "*",
                          "request_id",    id,           "model",
                          options->model,  "callback",   callback,
                          "prompt",        load->prompt, "client",
                          options->client, "stream",     options->stream ? "1" : "0"};
    int argc = (int)(sizeof argv / sizeof *argv) - (options->stream ? 0 : 2);
    if (redisAppendCommandArgv(load->redis, argc, argv, NULL) != REDIS_OK)
        die("XADD", load->redis->errstr);
    return (size_t)options->prompt_bytes + 256;
}

static void on_submitted(struct load *load, const redisReply *reply, long index)
{
    struct request *request = &load->requests[index];

    if (reply->type != REDIS_REPLY_STRING) {
        if (load->refused++ == 0)
            (void)fprintf(stderr, "load-client: refused: %s\n", reply->str ? reply->str : "?");
        return;
    }
    request->submitted_ms = strtoll(reply->str, NULL, 10);
    request->look_ms = now_ms() + LOOK_MS / 4;
    request->is_open = true;
    load->open[load->open_count++] = index;
}

static void submit(struct load *load, long until)
{
    while (load->submitted < until) {
        long first = load->submitted;
        size_t bytes = 0;

        while (load->submitted < until && load->submitted - first < BATCH_MAX &&
               bytes < BATCH_BYTES)
            bytes += add_request(load, load->submitted++);
        for (long i = first; i < load->submitted; i++) {
            redisReply *reply = take_reply(load);
            on_submitted(load, reply, i);
            freeReplyObject(reply);
        }
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static void ask_reply(struct load *load, long index)
{
    if (redisAppendCommand(load->redis, "XRANGE %s:responses:%s-%ld - +", load->options.prefix,
                           load->options.name, index) != REDIS_OK)
        die("XRANGE", load->redis->errstr);
}

static const char *field_of(const redisReply *entry, const char *name)
{
    const redisReply *fields = entry->element[1];

    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1]->str;
    return "";
}

static void count_code(struct load *load, const char *name)
{
    for (size_t i = 0; i < CODES_MAX; i++) {
        struct code *code = &load->codes[i];
        if (code->count == 0)
            (void)snprintf(code->name, sizeof code->name, "%s", name);
        if (strncmp(code->name, name, CODE_SIZE - 1) == 0) {
            code->count++;
            return;
        }
    }
}

/* Counts the last entries of a reply; ret_last is the newest of them. */
static unsigned last_entries(const redisReply *reply, const redisReply **ret_last)
{
    unsigned count = 0;

    if (reply->type != REDIS_REPLY_ARRAY)
        die("XRANGE", reply->str ? reply->str : "an unexpected answer");
    for (size_t i = 0; i < reply->elements; i++) {
        const char *type = field_of(reply->element[i], "type");
        if (strcmp(type, "done") == 0 || strcmp(type, "error") == 0) {
            *ret_last = reply->element[i];
            count++;
        }
    }
    return count;
}

/* True if the request has its last entry. */
static bool on_looked(struct load *load, const redisReply *reply, long index)
{
    struct request *request = &load->requests[index];
    const redisReply *last = NULL;
    unsigned count = last_entries(reply, &last);

    request->last_entries = (uint8_t)(count > 255 ? 255 : count);
    if (count == 0) {
        request->look_ms = now_ms() + LOOK_MS;
        return false;
    }
    int64_t took_ms = strtoll(last->element[0]->str, NULL, 10) - request->submitted_ms;
    took_ms = took_ms < 0 ? 0 : took_ms > LATENCY_MAX_MS ? LATENCY_MAX_MS : took_ms;
    load->latency[took_ms]++;
    count_code(load, strcmp(field_of(last, "type"), "done") == 0 ? "done" : field_of(last, "code"));
    request->is_open = false;
    request->look_ms = now_ms() + AGAIN_MS;
    return true;
}

/* Takes out of `open` what is not open any more. */
static void close_ranks(struct load *load)
{
    long kept = 0, next = 0;

    for (long i = 0; i < load->open_count; i++) {
        if (load->requests[load->open[i]].is_open)
            load->open[kept++] = load->open[i];
        if (i + 1 == load->open_next)
            next = kept;
    }
    load->open_next = next;
    load->open_count = kept;
}

/* One pass over a part of the open requests: a big backlog is looked through in turns. */
static void look(struct load *load)
{
    long asked[BATCH_MAX], asked_count = 0;
    int64_t now = now_ms();

    for (; load->open_next < load->open_count && asked_count < BATCH_MAX; load->open_next++) {
        long index = load->open[load->open_next];
        if (load->requests[index].look_ms > now)
            continue;
        ask_reply(load, index);
        asked[asked_count++] = index;
    }
    bool any = false;
    for (long i = 0; i < asked_count; i++) {
        redisReply *reply = take_reply(load);
        any = on_looked(load, reply, asked[i]) || any;
        freeReplyObject(reply);
    }
    if (any)
        close_ranks(load);
    if (load->open_next >= load->open_count)
        load->open_next = 0; /* round again, and not only through those that are new */
}

/* The second look, in order of submission; one that is still open holds up those behind it. */
static void look_again(struct load *load)
{
    long first = load->again_next, asked = first;
    int64_t now = now_ms();

    for (; asked < load->submitted && asked - first < BATCH_MAX; asked++) {
        const struct request *request = &load->requests[asked];
        if (request->is_open || (request->last_entries > 0 && request->look_ms > now))
            break;
        ask_reply(load, asked);
    }
    for (long i = first; i < asked; i++) {
        redisReply *reply = take_reply(load);
        const redisReply *last = NULL;
        unsigned count = last_entries(reply, &last);
        if (load->requests[i].last_entries > 0 && count > 1)
            load->twice++;
        if (load->requests[i].last_entries > 0 && count == 0)
            load->broken++; /* gone before its time to live was over */
        freeReplyObject(reply);
    }
    load->again_next = asked;
}

/* --- telling ---------------------------------------------------------------------------------- */

static long percentile_ms(const struct load *load, long ended, double part)
{
    long seen = 0;

    for (long i = 0; i <= LATENCY_MAX_MS; i++) {
        seen += load->latency[i];
        if (seen > 0 && (double)seen >= part * (double)ended)
            return i;
    }
    return 0;
}

static void tell(const struct load *load, bool is_end)
{
    long accepted = load->submitted - load->refused, ended = accepted - load->open_count;

    (void)printf("{\"end\":%s,\"ms\":%" PRId64 ",\"submitted\":%ld,\"refused\":%ld,\"ended\":%ld,"
                 "\"open\":%ld,\"twice\":%ld,\"vanished\":%ld,\"checked\":%ld",
                 is_end ? "true" : "false", now_ms() - load->start_ms, load->submitted,
                 load->refused, ended, load->open_count, load->twice, load->broken,
                 load->again_next);
    if (is_end) {
        (void)printf(",\"p50_ms\":%ld,\"p99_ms\":%ld,\"max_ms\":%ld,\"codes\":{",
                     percentile_ms(load, ended, 0.5), percentile_ms(load, ended, 0.99),
                     percentile_ms(load, ended, 1.0));
        for (size_t i = 0; i < CODES_MAX && load->codes[i].count > 0; i++)
            (void)printf("%s\"%s\":%ld", i ? "," : "", load->codes[i].name, load->codes[i].count);
        (void)printf("}");
    }
    (void)printf("}\n");
    (void)fflush(stdout);
}

/* --- the run ---------------------------------------------------------------------------------- */

static void sleep_until(int64_t ms)
{
    struct timespec until = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ;
}

static void run(struct load *load)
{
    int64_t end_ms = load->options.seconds * 1000, told_ms = 0, settle_ms = 0;

    load->start_ms = now_ms();
    for (int64_t tick_ms = load->start_ms;; tick_ms += TICK_MS) {
        int64_t since_ms = now_ms() - load->start_ms;
        long due = load->options.rate > 0 ? (long)(load->options.rate * (double)since_ms / 1000)
                                          : load->total;
        submit(load, since_ms >= end_ms || due > load->total ? load->total : due);
        look(load);
        look_again(load);
        since_ms = now_ms() - load->start_ms;
        if (since_ms - told_ms >= 1000) {
            told_ms = since_ms;
            tell(load, false);
        }
        if (load->submitted == load->total && settle_ms == 0)
            settle_ms = since_ms + load->options.settle_s * 1000;
        if (load->submitted == load->total &&
            ((load->open_count == 0 && load->again_next == load->total) ||
             since_ms > settle_ms + (load->open_count == 0 ? 2 * AGAIN_MS : 0)))
            return;
        sleep_until(tick_ms + TICK_MS);
        if (now_ms() > tick_ms + 10 * TICK_MS)
            tick_ms = now_ms(); /* fell behind: `due` makes up for what was not sent */
    }
}

static void usage(FILE *out)
{
    (void)fprintf(out, "Usage: load-client --redis SOCKET (--rate N --seconds S | --count N)\n"
                       "Submits requests, reads every reply, tells what came of them.\n\n"
                       "  --redis SOCKET     unix socket of the server\n"
                       "  --prefix P         orion:inference\n"
                       "  --rate N           requests per second, for --seconds S\n"
                       "  --count N          that many as fast as Redis takes them\n"
                       "  --bytes N          of each prompt (32)\n"
                       "  --model M          gemma3:1b\n"
                       "  --client C         the field `client` (load)\n"
                       "  --name N           request ids are N-0, N-1 ... (load)\n"
                       "  --stream           ask for pieces\n"
                       "  --settle S         longest wait for the last replies (60)\n"
                       "Exit code 0 if every accepted request has exactly one last entry.\n");
}

static long number(const char *text, const char *option)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < 0)
        die(option, "wants a number");
    return value;
}

static void parse(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"redis", 1, NULL, 'r'},   {"prefix", 1, NULL, 'p'}, {"rate", 1, NULL, 'R'},
        {"seconds", 1, NULL, 's'}, {"count", 1, NULL, 'c'},  {"bytes", 1, NULL, 'b'},
        {"model", 1, NULL, 'm'},   {"client", 1, NULL, 'C'}, {"name", 1, NULL, 'n'},
        {"settle", 1, NULL, 'S'},  {"stream", 0, NULL, 't'}, {"help", 0, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.prefix = "orion:inference",
                                .model = "gemma3:1b",
                                .client = "load",
                                .name = "load",
                                .prompt_bytes = 32,
                                .settle_s = 60};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'r':
            options->socket = optarg;
            break;
        case 'p':
            options->prefix = optarg;
            break;
        case 'R':
            options->rate = (double)number(optarg, "--rate");
            break;
        case 's':
            options->seconds = number(optarg, "--seconds");
            break;
        case 'c':
            options->count = number(optarg, "--count");
            break;
        case 'b':
            options->prompt_bytes = number(optarg, "--bytes");
            break;
        case 'm':
            options->model = optarg;
            break;
        case 'C':
            options->client = optarg;
            break;
        case 'n':
            options->name = optarg;
            break;
        case 'S':
            options->settle_s = number(optarg, "--settle");
            break;
        case 't':
            options->stream = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (!options->socket || (options->rate > 0) == (options->count > 0)) {
        usage(stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct load load = {0};

    parse(&load.options, argc, argv);
    load.total = load.options.count > 0 ? load.options.count
                                        : (long)(load.options.rate * (double)load.options.seconds);
    load.redis = redisConnectUnix(load.options.socket);
    if (!load.redis || load.redis->err)
        die(load.options.socket, load.redis ? load.redis->errstr : "no memory");
    load.requests = allocate((size_t)load.total, sizeof *load.requests);
    load.open = allocate((size_t)load.total, sizeof *load.open);
    load.latency = allocate(LATENCY_MAX_MS + 1, sizeof *load.latency);
    load.prompt = allocate((size_t)load.options.prompt_bytes + 1, 1);
    memset(load.prompt, 'x', (size_t)load.options.prompt_bytes);
    run(&load);
    tell(&load, true);
    bool whole = load.open_count == 0 && load.twice == 0 && load.broken == 0;
    redisFree(load.redis);
    free(load.requests);
    free(load.open);
    free(load.latency);
    free(load.prompt);
    return whole ? 0 : 1;
}
