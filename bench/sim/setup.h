#ifndef SIM_SETUP_H
#define SIM_SETUP_H

/* The command line, and the files that it names. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#include "engine.h"

struct err;

#define SETUP_LIST_MAX  32    /* scenarios; policies */
#define SETUP_SEEDS_MAX 10000 /* of one command */
#define SETUP_JOBS_MAX  256

enum setup_output { OUTPUT_TABLE = 0, OUTPUT_JSON, OUTPUT_CSV };

struct setup {
    const char *scenarios[SETUP_LIST_MAX]; /* names or paths */
    const struct sim_policy *policies[SETUP_LIST_MAX];
    size_t n_scenarios, n_policies;
    int64_t seed_first, seed_last;
    double load;  /* 0: as the scenario says */
    double speed; /* 1: real time */
    enum discipline discipline;
    enum setup_output output;
    const char *scenario_dir, *trace, *workload, *write_workload, *plot, *replay;
    char *options; /* owned; lives as long as the program */
    int64_t jobs;
};

enum setup_outcome { SETUP_RUN = 0, SETUP_EXIT };

/* Reads the command line; prints help, lists and mistakes itself. SETUP_EXIT: end with *ret_status.
 * What *ret points to are argv's strings and, for `options`, memory that lives as long as the
 * process. */
enum setup_outcome setup_read(int argc, char **argv, struct setup *ret, int *ret_status);

/* A scenario and what belongs to it. setup_free_case() frees it. */
struct sim_case {
    struct scenario scenario;
    struct trace trace;
    struct buf workload_text;
    const char *workload_file; /* NULL: the seed makes the workload */
};

/* Returns 0, or a negative errno value with *err. */
int setup_load(const struct setup *setup, const char *name, struct sim_case *ret, struct err *err);
void setup_free(struct sim_case *sim_case);

/* The workload of a seed; what cannot be read ends the process with a message. */
void setup_workload(const struct sim_case *sim_case, uint64_t seed, struct workload *ret);

#endif
