/* orion-sim: see README.md and --help. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "output.h"
#include "replay.h"
#include "run.h"
#include "setup.h"

#define STATUS_WRONG  2
#define STATUS_FAILED 3

static void print_report(const struct setup *setup, const struct report *report, bool is_first)
{
    switch (setup->output) {
    case OUTPUT_TABLE:
        output_table(stdout, report);
        break;
    case OUTPUT_JSON:
        output_json(stdout, report, is_first);
        break;
    case OUTPUT_CSV:
        output_csv(stdout, report, is_first);
        break;
    }
    (void)fflush(stdout);
}

static int plot(const struct setup *setup, const struct report *reports)
{
    int rc = output_svg(setup->plot, reports, setup->n_scenarios);

    if (rc == 0)
        return 0;
    (void)fprintf(stderr, "orion-sim: %s: %s\n", setup->plot, strerror(-rc));
    return STATUS_WRONG;
}

static int write_workload(const struct setup *setup, const struct sim_case *sim_case)
{
    FILE *file = fopen(setup->write_workload, "we");
    struct workload workload;
    int rc;

    if (!file) {
        (void)fprintf(stderr, "orion-sim: %s: %s\n", setup->write_workload, strerror(errno));
        return STATUS_WRONG;
    }
    setup_workload(sim_case, (uint64_t)setup->seed_first, &workload);
    rc = workload_write(file, &sim_case->scenario, &workload);
    workload_free(&workload);
    if (fclose(file) == 0 && rc == 0)
        return 0;
    (void)fprintf(stderr, "orion-sim: %s cannot be written\n", setup->write_workload);
    return STATUS_WRONG;
}

int main(int argc, char **argv)
{
    static struct sim_case cases[SETUP_LIST_MAX];
    static struct report reports[SETUP_LIST_MAX];
    static struct setup setup;
    struct err err = {.msg = ""};
    int status = 0;

    if (setup_read(argc, argv, &setup, &status) == SETUP_EXIT)
        return status;
    if (setup.replay)
        return replay_file(setup.replay);
    for (size_t i = 0; i < setup.n_scenarios; i++) {
        if (setup_load(&setup, setup.scenarios[i], &cases[i], &err) < 0) {
            (void)fprintf(stderr, "orion-sim: %s\n", err.msg);
            return STATUS_WRONG;
        }
    }
    if (setup.write_workload)
        return write_workload(&setup, &cases[0]);
    for (size_t i = 0; i < setup.n_scenarios && status == 0; i++) {
        if (!run_case(&setup, &cases[i], &reports[i]))
            status = STATUS_FAILED;
        else
            print_report(&setup, &reports[i], i == 0);
    }
    if (setup.output == OUTPUT_JSON && status == 0)
        (void)puts("]");
    if (setup.plot && status == 0)
        status = plot(&setup, reports);
    for (size_t i = 0; i < setup.n_scenarios; i++) {
        run_free(&reports[i]);
        setup_free(&cases[i]);
    }
    return status;
}
