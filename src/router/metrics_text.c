#include "metrics_text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

#include "base.h"
#include "router_state.h"
#include "service.h"

/* --- lines ------------------------------------------------------------------------------------ */

static void family(struct buf *out, enum metric metric)
{
    const struct metric_row *row = &metric_rows[metric];

    (void)buf_add_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                      row->type);
}

/* A label's value, escaped as the format asks. */
static void add_label(struct buf *out, char before, const char *name, struct span value)
{
    (void)buf_add_fmt(out, "%c%s=\"", before, name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        if (c == '\\' || c == '"')
            (void)buf_add(out, "\\", 1);
        (void)buf_add_str(out, c == '\n' ? "\\n" : (char[]){c, '\0'});
    }
    (void)buf_add(out, "\"", 1);
}

static void add_count(struct buf *out, uint64_t value)
{
    (void)buf_add_fmt(out, " %llu\n", (unsigned long long)value);
}

/* One series without labels. */
static void one(struct buf *out, enum metric metric, double value)
{
    family(out, metric);
    (void)buf_add_fmt(out, "%s %.15g\n", metric_rows[metric].name, value);
}

static void labelled(struct buf *out, enum metric metric, const char *label, struct span value)
{
    (void)buf_add_str(out, metric_rows[metric].name);
    add_label(out, '{', label, value);
}

static void one_of(struct buf *out, enum metric metric, const char *label, struct span text,
                   double value)
{
    labelled(out, metric, label, text);
    (void)buf_add_fmt(out, "} %.15g\n", value);
}

/* What is not known has no series. */
static void known(struct buf *out, enum metric metric, bool is_known, double value)
{
    if (is_known) {
        one(out, metric, value);
    } else {
        family(out, metric);
    }
}

/* --- by model --------------------------------------------------------------------------------- */

static struct span model_name(const struct metrics *metrics, size_t i)
{
    return span_str(i == METRICS_OTHER ? METRICS_OTHER_WORD : metrics->models[i].name);
}

/* The models that have a place, then METRICS_OTHER. */
static size_t next_model(const struct metrics *metrics, size_t i)
{
    return i + 1 < metrics->models_n || i == METRICS_OTHER ? i + 1 : METRICS_OTHER;
}

static size_t first_model(const struct metrics *metrics)
{
    return metrics->models_n > 0 ? 0 : METRICS_OTHER;
}

static void requests(struct buf *out, const struct metrics *metrics)
{
    family(out, METRIC_REQUESTS);
    for (size_t i = first_model(metrics); i <= METRICS_OTHER; i = next_model(metrics, i)) {
        for (size_t outcome = 0; outcome < METRICS_OUTCOMES_MAX; outcome++) {
            labelled(out, METRIC_REQUESTS, "model", model_name(metrics, i));
            add_label(out, ',', "outcome", span_str(metrics_outcome_name(outcome)));
            (void)buf_add(out, "}", 1);
            add_count(out, metrics->models[i].outcomes[outcome]);
        }
    }
}

static void histogram(struct buf *out, enum metric metric, struct span model,
                      const struct metric_histogram *of)
{
    const char *name = metric_rows[metric].name;
    uint64_t cumulative = 0;

    for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
        cumulative = i < METRICS_BUCKETS ? cumulative + of->buckets[i] : of->count;
        (void)buf_add_fmt(out, "%s_bucket", name);
        add_label(out, '{', "model", model);
        if (i < METRICS_BUCKETS) {
            (void)buf_add_fmt(out, ",le=\"%g\"}", (double)metrics_bounds_ms[i] / 1000);
        } else {
            (void)buf_add_str(out, ",le=\"+Inf\"}");
        }
        add_count(out, cumulative);
    }
    (void)buf_add_fmt(out, "%s_sum", name);
    add_label(out, '{', "model", model);
    (void)buf_add_fmt(out, "} %.15g\n%s_count", (double)of->sum_ms / 1000, name);
    add_label(out, '{', "model", model);
    (void)buf_add(out, "}", 1);
    add_count(out, of->count);
}

static void durations(struct buf *out, const struct metrics *metrics)
{
    static const struct {
        enum metric metric;
        size_t offset;
    } all[] = {
        {METRIC_REQUEST_SECONDS, offsetof(struct metric_model, request)},
        {METRIC_FIRST_TOKEN_SECONDS, offsetof(struct metric_model, first_token)},
        {METRIC_QUEUE_SECONDS, offsetof(struct metric_model, queue)},
        {METRIC_RUN_SECONDS, offsetof(struct metric_model, run)},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        family(out, all[i].metric);
        for (size_t m = first_model(metrics); m <= METRICS_OTHER; m = next_model(metrics, m)) {
            const char *at = (const char *)&metrics->models[m] + all[i].offset;
            struct metric_histogram copy;

            memcpy(&copy, at, sizeof copy);
            histogram(out, all[i].metric, model_name(metrics, m), &copy);
        }
    }
}

static void tokens(struct buf *out, const struct metrics *metrics)
{
    family(out, METRIC_TOKENS);
    for (size_t i = first_model(metrics); i <= METRICS_OTHER; i = next_model(metrics, i)) {
        const struct metric_model *model = &metrics->models[i];

        labelled(out, METRIC_TOKENS, "model", model_name(metrics, i));
        (void)buf_add_fmt(out, ",kind=\"prompt\"} %llu\n",
                          (unsigned long long)model->prompt_tokens);
        labelled(out, METRIC_TOKENS, "model", model_name(metrics, i));
        (void)buf_add_fmt(out, ",kind=\"output\"} %llu\n", (unsigned long long)model->tokens);
    }
    family(out, METRIC_COLD_STARTS);
    for (size_t i = first_model(metrics); i <= METRICS_OTHER; i = next_model(metrics, i)) {
        one_of(out, METRIC_COLD_STARTS, "model", model_name(metrics, i),
               (double)metrics->models[i].cold_starts);
    }
    family(out, METRIC_CACHE_HITS);
    for (size_t i = first_model(metrics); i <= METRICS_OTHER; i = next_model(metrics, i)) {
        one_of(out, METRIC_CACHE_HITS, "model", model_name(metrics, i),
               (double)metrics->models[i].cache_hits);
    }
}

/* --- what this router did --------------------------------------------------------------------- */

static void words(struct buf *out, enum metric metric, const char *label,
                  const struct metric_words *of)
{
    family(out, metric);
    for (size_t i = 0; i < METRICS_WORDS_MAX && of->words[i].text[0]; i++)
        one_of(out, metric, label, span_str(of->words[i].text), (double)of->words[i].n);
}

static void work(struct buf *out, const struct metrics *metrics)
{
    one(out, METRIC_REQUESTS_RECEIVED, (double)metrics->received);
    requests(out, metrics);
    durations(out, metrics);
    tokens(out, metrics);
    one(out, METRIC_MOVES, (double)metrics->moves);
    words(out, METRIC_MOVES_REFUSED, "why", &metrics->moves_refused);
    words(out, METRIC_DECISIONS, "reason", &metrics->decisions);
    one(out, METRIC_RETRIES, (double)metrics->retries);
    words(out, METRIC_TAKEBACKS, "why", &metrics->takebacks);
    one(out, METRIC_DUPLICATES, (double)metrics->duplicates);
    known(out, METRIC_DEAD_LETTERS, metrics->dead_letters >= 0, (double)metrics->dead_letters);
}

/* --- the queue -------------------------------------------------------------------------------- */

static double oldest_seconds(const struct router *router)
{
    uint32_t index = window_oldest(&router->window);
    int64_t age_ms = 0;

    if (index != WINDOW_NONE) {
        age_ms =
            router_redis_ms(router) - router->window.requests[index].submitted_ms; /* read only */
    }
    return age_ms > 0 ? (double)age_ms / 1000 : 0;
}

static void queue(struct buf *out, const struct router *router)
{
    static const char *const classes[REQUEST_PRIORITY_COUNT] = {
        [REQUEST_HIGH] = "high",
        [REQUEST_NORMAL] = "normal",
        [REQUEST_LOW] = "low",
    };
    const struct window *window = &router->window;

    family(out, METRIC_QUEUE_REQUESTS);
    for (int i = 0; i < REQUEST_PRIORITY_COUNT; i++) {
        one_of(out, METRIC_QUEUE_REQUESTS, "priority", span_str(classes[i]),
               window_class_count(window, (enum request_priority)i));
    }
    one(out, METRIC_QUEUE_PARKED, window_parked_count(window));
    one(out, METRIC_QUEUE_STREAM_LENGTH, (double)router->queue_length);
    one(out, METRIC_QUEUE_OLDEST_SECONDS, oldest_seconds(router));
}

static uint32_t nodes_with(const struct fleet *fleet, uint32_t model)
{
    uint32_t n = 0, cursor = 0, index;

    while ((index = fleet_each(fleet, &cursor)) != FLEET_NONE) {
        const struct node *node = fleet_at(fleet, index);
        n += node->state == NODE_UP && !node->drained && node_has_model(node, model);
    }
    return n;
}

static void models(struct buf *out, const struct router *router)
{
    const struct metrics *metrics = &router->metrics;
    uint32_t indexes[METRICS_MODELS_MAX], waiting = 0;

    family(out, METRIC_MODEL_WAITING);
    for (size_t i = 0; i < metrics->models_n; i++) {
        struct span name = span_str(metrics->models[i].name);
        uint32_t n = 0;

        indexes[i] = names_find(&router->names, name);
        if (indexes[i] != NAME_NONE)
            n = window_model_count(&router->window, indexes[i]);
        waiting += n;
        one_of(out, METRIC_MODEL_WAITING, "model", name, n);
    }
    one_of(out, METRIC_MODEL_WAITING, "model", span_str(METRICS_OTHER_WORD),
           window_state_count(&router->window, WINDOW_WAITING) - waiting);
    family(out, METRIC_MODEL_NODES);
    for (size_t i = 0; i < metrics->models_n; i++) {
        one_of(out, METRIC_MODEL_NODES, "model", span_str(metrics->models[i].name),
               indexes[i] == NAME_NONE ? 0 : nodes_with(&router->fleet, indexes[i]));
    }
}

/* --- the fleet -------------------------------------------------------------------------------- */

/* One metric of a node: false if it is not known. */
typedef bool node_value(const struct router *router, const struct node *node, double *ret);

static bool scaled(int32_t value, double by, double *ret)
{
    *ret = value * by;
    return value != HEALTH_UNKNOWN;
}

static bool counter(int64_t value, double *ret)
{
    *ret = (double)value;
    return value >= 0;
}

static bool node_up(const struct router *router, const struct node *node, double *ret)
{
    (void)router;
    *ret = node->state == NODE_UP && !node->drained && !node->is_hot;
    return true;
}

static bool node_silent(const struct router *router, const struct node *node, double *ret)
{
    int64_t ms = router_redis_ms(router) - node->health.last_seen_ms;

    *ret = ms > 0 ? (double)ms / 1000 : 0;
    return true;
}

#define NODE_VALUE(name, expression)                                                               \
    static bool name(const struct router *router, const struct node *node, double *ret)            \
    {                                                                                              \
        (void)router;                                                                              \
        return expression;                                                                         \
    }
NODE_VALUE(node_temperature, scaled(node->health.temp_mc, 0.001, ret))
NODE_VALUE(node_hot, (*ret = service_node_is_hot(node), true))
NODE_VALUE(node_throttled, scaled(node->health.throttled, 1, ret))
NODE_VALUE(node_under_voltage, scaled(node->health.under_voltage, 1, ret))
NODE_VALUE(node_freq_capped, scaled(node->health.freq_capped, 1, ret))
NODE_VALUE(node_cpu, scaled(node->health.cpu_permille, 0.001, ret))
NODE_VALUE(node_memory, scaled(node->health.ram_permille, 0.001, ret))
NODE_VALUE(node_slots, scaled(node->health.slots, 1, ret))
NODE_VALUE(node_in_flight, (*ret = node->in_flight, true))
NODE_VALUE(node_resident, (*ret = node->resident.n, true))
NODE_VALUE(node_speed, (*ret = node->figures.gen_mtps / 1000.0, node->figures.gen_mtps >= 0))
NODE_VALUE(node_swaps, counter(node->figures.swaps, ret))
NODE_VALUE(node_preloads, counter(node->figures.preloads, ret))
NODE_VALUE(node_refused_ends, counter(node->figures.refused_ends, ret))

static void node_states(struct buf *out, const struct fleet *fleet)
{
    uint32_t counts[NODE_STATE_COUNT] = {0}, cursor = 0, index;

    while ((index = fleet_each(fleet, &cursor)) != FLEET_NONE)
        counts[fleet_at(fleet, index)->state]++;
    family(out, METRIC_NODES);
    for (int i = 0; i < NODE_STATE_COUNT; i++) {
        one_of(out, METRIC_NODES, "state", span_str(node_state_name((enum node_state)i)),
               counts[i]);
    }
}

static void nodes(struct buf *out, const struct router *router)
{
    static const struct {
        enum metric metric;
        node_value *value;
    } rows[] = {
        {METRIC_NODE_UP, node_up},
        {METRIC_NODE_SILENT_SECONDS, node_silent},
        {METRIC_NODE_TEMPERATURE, node_temperature},
        {METRIC_NODE_HOT, node_hot},
        {METRIC_NODE_THROTTLED, node_throttled},
        {METRIC_NODE_UNDER_VOLTAGE, node_under_voltage},
        {METRIC_NODE_FREQ_CAPPED, node_freq_capped},
        {METRIC_NODE_CPU, node_cpu},
        {METRIC_NODE_MEMORY, node_memory},
        {METRIC_NODE_SLOTS, node_slots},
        {METRIC_NODE_IN_FLIGHT, node_in_flight},
        {METRIC_NODE_RESIDENT, node_resident},
        {METRIC_NODE_TOKENS_PER_SECOND, node_speed},
        {METRIC_NODE_SWAPS, node_swaps},
        {METRIC_NODE_PRELOADS, node_preloads},
        {METRIC_NODE_REFUSED_ENDS, node_refused_ends},
    };

    node_states(out, &router->fleet);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t cursor = 0, index;
        double value;

        family(out, rows[i].metric);
        for (int n = 0; n < METRICS_NODES_MAX; n++) {
            index = fleet_each(&router->fleet, &cursor);
            if (index == FLEET_NONE)
                break;

            const struct node *node = fleet_at(&router->fleet, index);
            if (rows[i].value(router, node, &value))
                one_of(out, rows[i].metric, "node", span_str(node->id), value);
        }
    }
}

/* --- Redis and this process ------------------------------------------------------------------- */

static void redis(struct buf *out, const struct router *router)
{
    const struct metrics *metrics = &router->metrics;

    known(out, METRIC_ROUTERS, metrics->routers >= 0, (double)metrics->routers);
    one(out, METRIC_REDIS_UP, router->redis_ok);
    known(out, METRIC_REDIS_DURABLE, metrics->durable >= 0, metrics->durable);
    one(out, METRIC_REDIS_RECONNECTS, (double)metrics->reconnects);
    words(out, METRIC_REDIS_ERRORS, "what", &metrics->redis_errors);
    known(out, METRIC_REDIS_ROUND_TRIP, metrics->round_trip_us >= 0,
          (double)metrics->round_trip_us / 1e6);
}

static double open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -3; /* ".", ".." and the directory itself */

    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n;
}

static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    char line[128] = "", *second = NULL;

    if (!file)
        return 0;
    if (fgets(line, sizeof line, file))
        second = strchr(line, ' '); /* pages in all, pages resident, ... */
    (void)fclose(file);
    return second ? (double)strtoll(second, NULL, 10) * (double)sysconf(_SC_PAGESIZE) : 0;
}

static double seconds(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void process(struct buf *out, const struct router *router)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    family(out, METRIC_BUILD_INFO);
    labelled(out, METRIC_BUILD_INFO, "version", span_str(ORION_VERSION));
    add_label(out, ',', "router", span_str(router->id));
    (void)buf_add_str(out, "} 1\n");
    one(out, METRIC_PROCESS_START, (double)router->started_s);
    one(out, METRIC_PROCESS_CPU, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    one(out, METRIC_PROCESS_MEMORY, resident_bytes());
    one(out, METRIC_PROCESS_FDS, open_fds());
    one(out, METRIC_PROCESS_MAX_FDS, (double)limit.rlim_cur);
}

void metrics_text(const struct router *router, struct buf *out)
{
    work(out, &router->metrics);
    queue(out, router);
    models(out, router);
    nodes(out, router);
    redis(out, router);
    process(out, router);
}

/* --- ready? ----------------------------------------------------------------------------------- */

bool readiness_text(const struct router *router, struct buf *out)
{
    bool ready = router->redis_ok && !router->stopping;
    char text[SERVICE_TEXT_MAX];

    (void)buf_add_fmt(out, "{\"ready\":%s,\"reasons\":[", ready ? "true" : "false");
    if (router->stopping) {
        (void)buf_add_str(out, "\"stopping\"");
    } else if (!router->redis_ok) {
        service_redis_text(router, text, sizeof text);
        (void)buf_add_json_str(out, span_str(text));
    }
    service_fleet_text(&router->fleet,
                       window_count(&router->window) + window_parked_count(&router->window), text,
                       sizeof text);
    (void)buf_add_str(out, "],\"fleet\":");
    (void)buf_add_json_str(out, span_str(text));
    (void)buf_add_str(out, "}\n");
    return ready;
}
