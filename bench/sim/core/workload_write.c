#include <errno.h>

#include "sim_time.h"
#include "workload.h"

static void write_machines(FILE *file, const struct scenario *scenario,
                           const struct workload *workload)
{
    for (uint32_t i = 0; i < workload->n_nodes; i++) {
        const struct machine *machine = &workload->machines[i];
        (void)fprintf(file, "node %s %s speed=%.9f disk_mb_s=%.6f ambient_c=%.6f phase=%u\n",
                      scenario->boards[machine->board].name, scenario->kits[machine->kit].name,
                      machine->speed, machine->disk_mb_s, machine->ambient_c,
                      machine->health_phase);
    }
}

static void write_session(FILE *file, const struct workload *workload,
                          const struct session *session)
{
    (void)fprintf(file, "session at_s=%.9f model=%u app=%u\n", sim_s(session->start_ns),
                  session->model, session->app);
    for (uint32_t t = 0; t < session->n_turns; t++) {
        const struct turn *turn = &workload->turns[session->turn + t];
        (void)fprintf(file, "turn prompt=%d answer=%d think_s=%.9f\n", turn->prompt, turn->answer,
                      sim_s(turn->think_ns));
    }
}

int workload_write(FILE *file, const struct scenario *scenario, const struct workload *workload)
{
    (void)fprintf(file, "# scenario %s\nmean_service_s %.9f\n", scenario->name,
                  workload->mean_service_s);
    write_machines(file, scenario, workload);
    for (uint32_t m = 0; m < workload->n_models; m++)
        (void)fprintf(file, "popularity %.12f\n", workload->popularity[m]);
    for (size_t s = 0; s < workload->n_sessions; s++)
        write_session(file, workload, &workload->sessions[s]);
    for (size_t d = 0; d < workload->n_deaths; d++) {
        const struct death *death = &workload->deaths[d];
        (void)fprintf(file, "death node=%u at_s=%.9f until_s=%.9f\n", death->node,
                      sim_s(death->at_ns), sim_s(death->until_ns));
    }
    return ferror(file) ? -EIO : 0;
}
