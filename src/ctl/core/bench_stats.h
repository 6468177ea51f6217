#ifndef CTL_BENCH_STATS_H
#define CTL_BENCH_STATS_H

/* What `orionctl bench` has measured, and its report. Pure; the caller gives the memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/node_id.h"
#include "common/span.h"

#define BENCH_REQUESTS_MAX 100000
#define BENCH_NODES_MAX    64 /* told apart; the others are one row */
#define BENCH_CODES_MAX    16

/* Milliseconds, one per request that was answered. */
struct samples {
    int64_t *ms; /* BENCH_REQUESTS_MAX of them; borrowed */
    size_t n;
};

void samples_add(struct samples *samples, int64_t ms); /* nothing if it is full */
void samples_sort(struct samples *samples);

/* The smallest value that at least `per_mille` of 1000 are not above (nearest rank), of sorted
 * samples; -1 if there are none. 1000 is the largest. */
int64_t samples_at(const struct samples *samples, unsigned per_mille);

struct bench_node {
    char id[NODE_ID_MAX + 1];
    size_t requests;
    int64_t tokens, eval_ns;
};

struct bench_code {
    char code[32];
    size_t n;
};

struct bench_stats {
    struct samples waits, firsts, totals;
    struct bench_node nodes[BENCH_NODES_MAX];
    struct bench_code codes[BENCH_CODES_MAX]; /* of requests that failed */
    size_t n_nodes, n_codes;
    size_t submitted, done, failed, retried; /* retried: done in a second or later attempt */
    int64_t tokens;
};

struct redisReply;

/* A request has its last entry: `fields`. first_ms and total_ms since it was submitted, by Redis'
 * clock; first_ms is -1 if it had no piece. */
void bench_ended(struct bench_stats *stats, const struct redisReply *fields, int64_t first_ms,
                 int64_t total_ms);

/* What was asked, for the report. */
struct bench_setup {
    const char *model;
    int64_t requests, concurrency, per_minute; /* per_minute 0: concurrency counts */
    int64_t elapsed_ms;
    bool interrupted;
};

/* Sort the samples, and print. */
void bench_text(struct bench_stats *stats, const struct bench_setup *setup, size_t width,
                bool color, struct buf *out);
void bench_json(struct bench_stats *stats, const struct bench_setup *setup, struct buf *out);

#endif
