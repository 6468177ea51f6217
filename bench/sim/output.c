#include "output.h"

#include <stdlib.h>
#include <string.h>

#include "core/grow.h"

static void mean_of(const struct report *report, size_t policy, struct result *ret)
{
    const struct outcome *outcomes;
    size_t n = run_of_policy(report, policy, &outcomes);
    struct result *results = grow_new(n, sizeof *results);

    for (size_t i = 0; i < n; i++)
        results[i] = outcomes[i].result;
    result_mean(results, n, ret);
    free(results);
}

/* --- table ------------------------------------------------------------------------------------ */

static void print_head(FILE *file, const struct report *report, const struct result *first)
{
    const struct scenario *scenario = &report->sim_case->scenario;

    (void)fprintf(file, "%s: %s\n", scenario->name, scenario->about);
    (void)fprintf(file, "  %u nodes, %u models, load %.2f, seeds %lld-%lld, discipline %s%s\n",
                  scenario->n_nodes, scenario->n_models, scenario->load,
                  (long long)report->setup->seed_first, (long long)report->setup->seed_last,
                  report->setup->discipline == DISCIPLINE_FIFO ? "fifo" : "ollama",
                  report->sim_case->workload_file ? ", recorded workload" : "");
    (void)fprintf(file, "  bound: %.1f / %.1f / %.1f s, first token %.1f / %.1f / %.1f s\n\n",
                  first->bound50_s, first->bound90_s, first->bound99_s, first->bound_first50_s,
                  first->bound_first90_s, first->bound_first99_s);
    (void)fprintf(file, "%-15s %26s %17s %22s %23s\n", "", "---- latency, s ----",
                  "- x the bound -", "--- first token, s ---", "- times that of -");
    (void)fprintf(file,
                  "%-15s %8s %8s %8s %5s %5s %5s %7s %7s %7s %5s %5s %5s %6s %6s %5s %6s %6s\n",
                  "policy", "P50", "P90", "P99", "P50", "P90", "P99", "P50", "P90", "P99", "P50",
                  "P90", "P99", "cold%", "loads", "pre", "hot/n", "late");
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_row(FILE *file, const struct sim_policy *kind, const struct result *mean,
                      const struct result *first)
{
    (void)fprintf(file,
                  "%-15s %8.1f %8.1f %8.1f %5.2f %5.2f %5.2f %7.1f %7.1f %7.1f %5.2f %5.2f %5.2f "
                  "%6.2f %6.0f %5.0f %6.0f %6.1f\n",
                  kind->name, mean->p50_s, mean->p90_s, mean->p99_s,
                  ratio(mean->p50_s, mean->bound50_s), ratio(mean->p90_s, mean->bound90_s),
                  ratio(mean->p99_s, mean->bound99_s), mean->first50_s, mean->first90_s,
                  mean->first99_s, ratio(mean->p50_s, first->p50_s),
                  ratio(mean->p90_s, first->p90_s), ratio(mean->p99_s, first->p99_s),
                  mean->cold_pct, mean->loads, mean->preloads, mean->hot_s, mean->unfinished);
}

void output_table(FILE *file, const struct report *report)
{
    struct result first, mean;

    mean_of(report, 0, &first);
    print_head(file, report, &first);
    for (size_t p = 0; p < report->setup->n_policies; p++) {
        mean_of(report, p, &mean);
        print_row(file, report->setup->policies[p], &mean, &first);
    }
    (void)fprintf(
        file,
        "\ntimes that of: the policy's figure over %s's. cold%%: answers that waited for a "
        "load.\nhot/n: seconds at or above 80 C, per node. late: not answered at the end.\n\n",
        report->setup->policies[0]->name);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void print_figures(FILE *file, const struct result *result)
{
    for (size_t i = 0; i < result_fields_n; i++)
        (void)fprintf(file, ", \"%s\": %.6g", result_fields[i].name, result_get(result, i));
}

void output_json(FILE *file, const struct report *report, bool is_first)
{
    const struct scenario *scenario = &report->sim_case->scenario;
    struct result mean;

    (void)fprintf(
        file,
        "%s{\"scenario\": \"%s\", \"about\": \"%s\", \"load\": %g, \"discipline\": \"%s\", "
        "\"seeds\": [%lld, %lld],\n \"runs\": [",
        is_first ? "[" : ",\n ", scenario->name, scenario->about, scenario->load,
        report->setup->discipline == DISCIPLINE_FIFO ? "fifo" : "ollama",
        (long long)report->setup->seed_first, (long long)report->setup->seed_last);
    for (size_t i = 0; i < report->n; i++) {
        const struct outcome *outcome = &report->outcomes[i];
        (void)fprintf(file, "%s\n  {\"policy\": \"%s\", \"seed\": %llu, \"hash\": \"%016llx\"",
                      i > 0 ? "," : "", outcome->kind->name, (unsigned long long)outcome->seed,
                      (unsigned long long)outcome->hash);
        print_figures(file, &outcome->result);
        (void)fputs("}", file);
    }
    (void)fputs("],\n \"means\": [", file);
    for (size_t p = 0; p < report->setup->n_policies; p++) {
        mean_of(report, p, &mean);
        (void)fprintf(file, "%s\n  {\"policy\": \"%s\"", p > 0 ? "," : "",
                      report->setup->policies[p]->name);
        print_figures(file, &mean);
        (void)fputs("}", file);
    }
    (void)fputs("]}", file);
}

/* --- CSV -------------------------------------------------------------------------------------- */

void output_csv(FILE *file, const struct report *report, bool is_first)
{
    if (is_first) {
        (void)fputs("scenario,load,discipline,policy,seed,hash", file);
        for (size_t i = 0; i < result_fields_n; i++)
            (void)fprintf(file, ",%s", result_fields[i].name);
        (void)fputs("\n", file);
    }
    for (size_t i = 0; i < report->n; i++) {
        const struct outcome *outcome = &report->outcomes[i];
        (void)fprintf(file, "%s,%g,%s,%s,%llu,%016llx", report->sim_case->scenario.name,
                      report->sim_case->scenario.load,
                      report->setup->discipline == DISCIPLINE_FIFO ? "fifo" : "ollama",
                      outcome->kind->name, (unsigned long long)outcome->seed,
                      (unsigned long long)outcome->hash);
        for (size_t k = 0; k < result_fields_n; k++)
            (void)fprintf(file, ",%.6g", result_get(&outcome->result, k));
        (void)fputs("\n", file);
    }
}
