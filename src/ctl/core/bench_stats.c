#include "bench_stats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/err.h"
#include "common/json.h"

#include "json_out.h"
#include "reply_view.h"
#include "table.h"

/* --- samples ---------------------------------------------------------------------------------- */

void samples_add(struct samples *samples, int64_t ms)
{
    if (samples->n < BENCH_REQUESTS_MAX)
        samples->ms[samples->n++] = ms;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

void samples_sort(struct samples *samples)
{
    if (samples->n > 1)
        qsort(samples->ms, samples->n, sizeof samples->ms[0], compare);
}

int64_t samples_at(const struct samples *samples, unsigned per_mille)
{
    if (samples->n == 0)
        return -1;
    size_t rank = (samples->n * per_mille + 999) / 1000; /* from 1 */
    return samples->ms[rank > 0 ? rank - 1 : 0];
}

/* --- counting --------------------------------------------------------------------------------- */

static struct bench_node *node_of(struct bench_stats *stats, struct span id)
{
    for (size_t i = 0; i < stats->n_nodes; i++) {
        if (span_is(id, stats->nodes[i].id))
            return &stats->nodes[i];
    }
    if (stats->n_nodes < BENCH_NODES_MAX) {
        (void)span_copy(id, stats->nodes[stats->n_nodes].id, sizeof stats->nodes[0].id);
        return &stats->nodes[stats->n_nodes++];
    }
    (void)span_copy(span_str("others"), stats->nodes[BENCH_NODES_MAX - 1].id,
                    sizeof stats->nodes[0].id);
    return &stats->nodes[BENCH_NODES_MAX - 1];
}

static void count_code(struct bench_stats *stats, struct span code)
{
    size_t i = 0;

    while (i < stats->n_codes && !span_is(code, stats->codes[i].code))
        i++;
    if (i == BENCH_CODES_MAX)
        i--;
    if (i == stats->n_codes) {
        (void)span_copy(code, stats->codes[i].code, sizeof stats->codes[i].code);
        stats->n_codes++;
    }
    stats->codes[i].n++;
}

void bench_ended(struct bench_stats *stats, const struct redisReply *fields, int64_t first_ms,
                 int64_t total_ms)
{
    struct span response = view_field(fields, "response");
    int64_t tokens = view_tokens(response), ns = 0;

    if (!span_is(view_field(fields, "type"), "done")) {
        stats->failed++;
        count_code(stats, view_field(fields, "code"));
        return;
    }
    struct bench_node *node = node_of(stats, view_field(fields, "node"));
    stats->done++;
    stats->retried += view_number(fields, "attempt", 1) > 1;
    stats->tokens += tokens;
    node->requests++;
    node->tokens += tokens;
    if (tokens > 0 && json_to_i64(json_get(response, "eval_duration"), &ns) && ns > 0)
        node->eval_ns += ns;
    samples_add(&stats->waits, view_number(fields, "queued_ms", 0));
    samples_add(&stats->totals, total_ms);
    if (first_ms >= 0)
        samples_add(&stats->firsts, first_ms);
}

/* --- report ----------------------------------------------------------------------------------- */

static const unsigned ranks[] = {500, 900, 950, 990, 1000};
static const char *const rank_names[] = {"p50", "p90", "p95", "p99", "worst"};
#define RANKS (sizeof ranks / sizeof ranks[0])

struct rows {
    const struct bench_stats *stats;
};

static const struct samples *samples_of(const struct bench_stats *stats, size_t row)
{
    return row == 0 ? &stats->waits : row == 1 ? &stats->firsts : &stats->totals;
}

static void time_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                      void *arg)
{
    static const char *const names[] = {"waited", "first token", "whole answer"};
    const struct rows *rows = arg;
    char text[TEXT_NUMBER_SIZE];

    *ret_style = TEXT_PLAIN;
    if (column == 0) {
        (void)buf_add_str(out, names[row]);
    } else {
        (void)buf_add_str(
            out, text_duration(samples_at(samples_of(rows->stats, row), ranks[column - 1]), text));
    }
}

static double speed(int64_t tokens, int64_t ns)
{
    return ns > 0 ? (double)tokens * 1e9 / (double)ns : 0;
}

static void node_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                      void *arg)
{
    const struct bench_node *node = &((const struct rows *)arg)->stats->nodes[row];

    *ret_style = TEXT_PLAIN;
    if (column == 0)
        (void)text_add(out, span_str(node->id), TEXT_NO_LIMIT);
    if (column == 1)
        (void)buf_add_fmt(out, "%zu", node->requests);
    if (column == 2)
        (void)buf_add_fmt(out, "%" PRId64, node->tokens);
    if (column == 3)
        (void)buf_add_fmt(out, "%.1f", speed(node->tokens, node->eval_ns));
}

static double per_second(int64_t n, int64_t ms)
{
    return ms > 0 ? (double)n * 1000.0 / (double)ms : 0;
}

static void add_head(const struct bench_stats *stats, const struct bench_setup *setup, size_t width,
                     struct buf *ret)
{
    char bytes[2048];
    struct buf fixed, *out = &fixed;
    char text[TEXT_NUMBER_SIZE];

    text_fixed(out, bytes, sizeof bytes);
    (void)text_add(out, span_str(setup->model), 255);
    if (setup->per_minute > 0) {
        (void)buf_add_fmt(out, ", %" PRId64 " per minute", setup->per_minute);
    } else {
        (void)buf_add_fmt(out, ", %" PRId64 " at once", setup->concurrency);
    }
    (void)buf_add_fmt(out, "%s: %zu of %" PRId64 " requests in %s: %zu done, ",
                      setup->interrupted ? ", interrupted" : "", stats->submitted, setup->requests,
                      text_duration(setup->elapsed_ms, text), stats->done);
    (void)buf_add_fmt(out, "%zu failed", stats->failed);
    for (size_t i = 0; i < stats->n_codes; i++) {
        (void)buf_add_str(out, i ? ", " : " (");
        (void)text_add(out, span_str(stats->codes[i].code), 32);
        (void)buf_add_fmt(out, " %zu%s", stats->codes[i].n, i + 1 == stats->n_codes ? ")" : "");
    }
    if (stats->retried > 0)
        (void)buf_add_fmt(out, ", %zu after a retry", stats->retried);
    text_wrap(ret, buf_span(out), 0, 2, width);
    (void)buf_add_fmt(ret, "\n%.1f answers per minute, %.1f tok/s in all\n",
                      60 * per_second((int64_t)stats->done, setup->elapsed_ms),
                      per_second(stats->tokens, setup->elapsed_ms));
}

static void sort_all(struct bench_stats *stats)
{
    samples_sort(&stats->waits);
    samples_sort(&stats->firsts);
    samples_sort(&stats->totals);
}

void bench_text(struct bench_stats *stats, const struct bench_setup *setup, size_t width,
                bool color, struct buf *out)
{
    static const struct table_column times[] = {{.title = ""},
                                                {.title = "p50", .right = true},
                                                {.title = "p90", .right = true},
                                                {.title = "p95", .right = true},
                                                {.title = "p99", .right = true},
                                                {.title = "WORST", .right = true}};
    static const struct table_column nodes[] = {{.title = "NODE", .least = 8},
                                                {.title = "REQUESTS", .right = true},
                                                {.title = "TOKENS", .right = true},
                                                {.title = "TOK/S", .right = true}};
    struct rows rows = {stats};
    struct table table = {
        .columns = times, .n_columns = 6, .n_rows = 3, .cell = time_cell, .arg = &rows};

    sort_all(stats);
    add_head(stats, setup, width, out);
    if (stats->done == 0)
        return;
    (void)buf_add_str(out, "\n");
    table_print(&table, out, 0, width, color);
    (void)buf_add_str(out, "\n");
    table = (struct table){.columns = nodes,
                           .n_columns = 4,
                           .n_rows = stats->n_nodes,
                           .cell = node_cell,
                           .arg = &rows};
    table_print(&table, out, 0, width, color);
}

static void add_samples(struct buf *out, const char *name, const struct samples *samples)
{
    json_out_open(out, name, '{');
    json_out_i64(out, "n", (int64_t)samples->n);
    for (size_t i = 0; i < RANKS; i++)
        json_out_count(out, rank_names[i], samples_at(samples, ranks[i]));
    json_out_close(out, '}');
}

void bench_json(struct bench_stats *stats, const struct bench_setup *setup, struct buf *out)
{
    sort_all(stats);
    json_out_open(out, NULL, '{');
    json_out_str(out, "model", setup->model);
    json_out_i64(out, "requests", setup->requests);
    json_out_i64(out, "submitted", (int64_t)stats->submitted);
    json_out_i64(out, "done", (int64_t)stats->done);
    json_out_i64(out, "failed", (int64_t)stats->failed);
    json_out_i64(out, "retried", (int64_t)stats->retried);
    json_out_bool(out, "interrupted", setup->interrupted);
    json_out_i64(out, "elapsed_ms", setup->elapsed_ms);
    json_out_i64(out, "tokens", stats->tokens);
    add_samples(out, "wait_ms", &stats->waits);
    add_samples(out, "first_token_ms", &stats->firsts);
    add_samples(out, "total_ms", &stats->totals);
    json_out_open(out, "nodes", '[');
    for (size_t i = 0; i < stats->n_nodes; i++) {
        json_out_open(out, NULL, '{');
        json_out_str(out, "node", stats->nodes[i].id);
        json_out_i64(out, "requests", (int64_t)stats->nodes[i].requests);
        json_out_i64(out, "tokens", stats->nodes[i].tokens);
        json_out_decimal(out, "tokens_per_s",
                         speed(stats->nodes[i].tokens, stats->nodes[i].eval_ns));
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_open(out, "errors", '[');
    for (size_t i = 0; i < stats->n_codes; i++) {
        json_out_open(out, NULL, '{');
        json_out_str(out, "code", stats->codes[i].code);
        json_out_i64(out, "n", (int64_t)stats->codes[i].n);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    json_out_close(out, '}');
    (void)buf_add_str(out, "\n");
}
