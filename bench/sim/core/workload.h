#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

/*
 * What a scenario and a seed make: the very machines, the very sessions, the very faults of one
 * run. Every policy gets the same. A session is the same whatever the policy does: its model, its
 * lengths and its pauses come from dice of its own.
 *
 * What the router believes about speeds is here too: true rates with a lognormal error of 0.15
 * (prefill), 0.10 (decode) and 0.20 (load time), drawn once per node and model.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/span.h"

#include "scenario.h"

struct err;

struct machine {
    uint32_t board, kit;
    double speed, disk_mb_s; /* with their spread */
    double ram_gb, min_clock, ambient_c;
    double nominal_speed; /* of the board: what everybody may know */
    uint32_t kv;
    uint32_t health_phase; /* whole seconds */
};

struct turn {
    int32_t prompt, answer; /* tokens */
    int64_t think_ns;       /* before the next turn */
};

struct session {
    int64_t start_ns;
    uint32_t model, app, turn, n_turns; /* turn: index of its first one */
};

struct death {
    uint32_t node;
    int64_t at_ns, until_ns;
};

/* Owned arrays; workload_free(). */
struct workload {
    uint32_t n_nodes, n_models;
    struct machine *machines;
    double *popularity; /* by model */
    struct session *sessions;
    struct turn *turns;
    struct death *deaths;
    size_t n_sessions, n_turns, n_deaths;
    size_t cap_sessions, cap_turns, cap_deaths;
    double mean_service_s;                     /* of a request: warm, history cached, speed 1 */
    double requests_per_s;                     /* offered, on average */
    double *prefill_tps, *decode_tps, *load_s; /* believed: [node * n_models + model] */
    bool *fits;                                /* does the model fit into that node? */
};

/* One row of a trace. */
struct trace_row {
    int64_t at_ns; /* since the first row */
    int32_t input, output;
};

struct trace {
    struct trace_row *rows; /* owned */
    size_t n, capacity;
};

/* `trace` is borrowed; NULL if the scenario has none. */
void workload_make(const struct scenario *scenario, uint64_t seed, const struct trace *trace,
                   struct workload *ret);
void workload_free(struct workload *workload);

/* What one request would cost on a machine of speed 1 if all but `tokens` of its prompt were
 * cached. */
double workload_service_s(const struct scenario_model *model, double tokens, double answer);

/* Used when a workload is read from a file too: beliefs and fits from machines and models. */
void workload_beliefs(const struct scenario *scenario, uint64_t seed, struct workload *workload);

/* --- recorded workloads -----------------------------------------------------------------------
 *
 * One statement per line, `#` begins a comment; models, boards and kits are those of the scenario.
 *
 *     mean_service_s SECONDS
 *     node BOARD KIT speed= disk_mb_s= ambient_c= phase=       speed and disk as they are
 *     popularity SHARE                                         in order of the models
 *     session at_s= model= app=                                model: from 0
 *     turn prompt= answer= think_s=                            of the session above
 *     death node= at_s= until_s=                               node: from 0
 */

#define WORKLOAD_BYTES_MAX    ((size_t)256 << 20)
#define WORKLOAD_SESSIONS_MAX 10000000

/* Returns 0, or -EINVAL with "FILE:LINE: ..."; *ret is then empty. */
int workload_parse(struct span text, const char *file, const struct scenario *scenario,
                   uint64_t seed, struct workload *ret, struct err *err);

/* Writes a workload as workload_parse() reads it. 0, or a negative errno value. */
int workload_write(FILE *file, const struct scenario *scenario, const struct workload *workload);

/* --- traces: CSV with the columns TIMESTAMP, ContextTokens, GeneratedTokens ---------------------
 */

#define TRACE_BYTES_MAX ((size_t)256 << 20)
#define TRACE_ROWS_MAX  5000000

/* Rows in order of time. Returns 0, or -EINVAL with "FILE:LINE: ..."; *ret is then empty. */
int trace_parse(struct span text, const char *file, struct trace *ret, struct err *err);
void trace_free(struct trace *trace);

#endif
