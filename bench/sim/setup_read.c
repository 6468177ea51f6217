/* The command line of orion-sim. */

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

#include "core/baselines.h"
#include "core/routed.h"
#include "core/scenario_words.h"
#include "setup.h"

static const char help[] =
    "orion-sim - a simulated cluster of Raspberry Pis, and the router's own policy\n"
    "\n"
    "usage: orion-sim --scenario NAME|FILE --policy NAME --seeds A-B [options]\n"
    "\n"
    "  --scenario NAME|FILE   what happens; several: NAME,NAME or --scenario twice\n"
    "  --policy NAME          who decides; several: NAME,NAME; \"all\"; the others are compared "
    "with\n"
    "                         the first\n"
    "  --seeds A-B            which runs; figures are their mean (default 1-5)\n"
    "  --load X               offered load, instead of the scenario's\n"
    "  --speed X              the same world X times as fast\n"
    "  --discipline WORD      how a node orders what waits there: ollama (default) or fifo\n"
    "  --trace FILE.csv       arrivals of a scenario that asks for a trace\n"
    "  --workload FILE        machines, sessions and faults from a file; the seed then decides\n"
    "                         only beliefs and a policy's dice\n"
    "  --write-workload FILE  writes the workload of the first seed there, and ends\n"
    "  --option KEY=VALUE     a setting of the router's policy; several times; see README.md\n"
    "  --jobs N               runs at a time (default: one per processor; 0: in this process)\n"
    "  --json, --csv          every run and the means, for programs\n"
    "  --plot FILE.svg        latency curves of all policies\n"
    "  --replay FILE          feeds what a router recorded (orion-router --record) to the policy "
    "and\n"
    "                         compares its decisions\n"
    "  --scenarios DIR        where scenarios are looked up by name\n"
    "  --list                 lists scenarios and policies\n"
    "  --help, --version\n"
    "\n"
    "Ends with 0, with 1 if a replay differs, with 2 if the command or a file is wrong, with 3 if "
    "a\n"
    "run failed.\n"
    "\n"
    "  orion-sim --scenario steady50 --policy late,blend,least-conn --seeds 11-15\n";

static int mistake(const char *what, const char *value)
{
    (void)fprintf(stderr, "orion-sim: %s%s%s; see --help\n", what, value ? ": " : "",
                  value ? value : "");
    return -EINVAL;
}

/* --- --list ----------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

static void list_scenario(const struct setup *setup, const char *name)
{
    struct err err = {.msg = ""};
    static struct sim_case sim_case;
    struct setup with = *setup;

    with.workload = NULL;
    if (setup_load(&with, name, &sim_case, &err) < 0 && !sim_case.scenario.has_trace)
        (void)printf("  %-14s (%s)\n", name, err.msg);
    else
        (void)printf("  %-14s %s\n", name, sim_case.scenario.about);
    setup_free(&sim_case);
}

static int list(const struct setup *setup)
{
    DIR *dir = opendir(setup->scenario_dir);
    char *names[256];
    size_t n = 0;
    const struct dirent *entry;

    if (!dir)
        return mistake("cannot open the scenario directory", setup->scenario_dir);
    while ((entry = readdir(dir)) != NULL && n < sizeof names / sizeof names[0]) {
        /* What has a dot is no scenario: catalogues, backups. */
        if (!strchr(entry->d_name, '.'))
            names[n++] = strdup(entry->d_name);
    }
    (void)closedir(dir);
    qsort(names, n, sizeof names[0], by_name);
    (void)printf("scenarios in %s:\n", setup->scenario_dir);
    for (size_t i = 0; i < n; i++) {
        list_scenario(setup, names[i]);
        free(names[i]);
    }
    (void)puts("policies:");
    for (size_t i = 0; policies[i]; i++)
        (void)printf("  %-14s %s\n", policies[i]->name, policies[i]->summary);
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static int add_scenarios(struct setup *setup, char *text)
{
    char *rest = NULL;

    for (char *name = strtok_r(text, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (setup->n_scenarios == SETUP_LIST_MAX)
            return mistake("too many scenarios", NULL);
        setup->scenarios[setup->n_scenarios++] = name;
    }
    return 0;
}

static int add_policy(struct setup *setup, const struct sim_policy *kind, const char *name)
{
    if (!kind)
        return mistake("there is no policy of that name (--list shows all)", name);
    if (setup->n_policies == SETUP_LIST_MAX)
        return mistake("too many policies", NULL);
    setup->policies[setup->n_policies++] = kind;
    return 0;
}

static int add_policies(struct setup *setup, char *text)
{
    char *rest = NULL;
    int rc = 0;

    if (strcmp(text, "all") == 0) {
        for (size_t i = 0; policies[i] && rc == 0; i++)
            rc = add_policy(setup, policies[i], NULL);
        return rc;
    }
    for (char *name = strtok_r(text, ",", &rest); name && rc == 0;
         name = strtok_r(NULL, ",", &rest))
        rc = add_policy(setup, policy_find(name), name);
    return rc;
}

static int set_seeds(struct setup *setup, const char *text)
{
    const char *dash = strchr(text, '-');
    struct span first = {text, dash ? (size_t)(dash - text) : strlen(text)};
    struct span last = dash ? span_str(dash + 1) : first;

    if (!span_to_i64(first, &setup->seed_first) || !span_to_i64(last, &setup->seed_last) ||
        setup->seed_first > setup->seed_last ||
        setup->seed_last - setup->seed_first >= SETUP_SEEDS_MAX)
        return mistake("--seeds wants A-B, as 11-15", text);
    return 0;
}

static int set_load(struct setup *setup, const char *text)
{
    if (!words_to_number(span_str(text), &setup->load) || setup->load <= 0 || setup->load > 10)
        return mistake("--load wants a number above 0 and up to 10, as 0.5", text);
    return 0;
}

static int set_speed(struct setup *setup, const char *text)
{
    if (!words_to_number(span_str(text), &setup->speed) || setup->speed < 0.01 ||
        setup->speed > 1000)
        return mistake("--speed wants a number from 0.01 to 1000, as 20", text);
    return 0;
}

static int set_jobs(struct setup *setup, const char *text)
{
    if (!span_to_i64(span_str(text), &setup->jobs) || setup->jobs > SETUP_JOBS_MAX)
        return mistake("--jobs wants a number from 0 to 256", text);
    return 0;
}

static int set_discipline(struct setup *setup, const char *text)
{
    if (strcmp(text, "ollama") == 0)
        setup->discipline = DISCIPLINE_OLLAMA;
    else if (strcmp(text, "fifo") == 0)
        setup->discipline = DISCIPLINE_FIFO;
    else
        return mistake("--discipline is ollama or fifo, not", text);
    return 0;
}

/* Several options become one string, KEY=VALUE separated by newlines. */
static int add_option(struct setup *setup, const char *text)
{
    const char *before = setup->options ? setup->options : "";
    size_t cap = strlen(before) + strlen(text) + 2;
    const char *wrong = NULL;
    char *all = malloc(cap);

    if (!all)
        return mistake("no memory", NULL);
    (void)snprintf(all, cap, "%s%s\n", before, text);
    free(setup->options);
    setup->options = all;
    if (!routed_options_check(all, &wrong))
        return mistake("--option wants a KEY=VALUE of README.md, not", text);
    return 0;
}

/* --- the line --------------------------------------------------------------------------------- */

enum setup_option {
    OPT_SCENARIO = 1,
    OPT_POLICY,
    OPT_SEEDS,
    OPT_LOAD,
    OPT_SPEED,
    OPT_DISCIPLINE,
    OPT_TRACE,
    OPT_WORKLOAD,
    OPT_WRITE_WORKLOAD,
    OPT_OPTION,
    OPT_JOBS,
    OPT_JSON,
    OPT_CSV,
    OPT_PLOT,
    OPT_REPLAY,
    OPT_SCENARIOS,
    OPT_LIST,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option_row {
    const char *name;
    bool has_value;
    enum setup_option value;
} rows[] = {
    {"speed", true, OPT_SPEED},
    {"write-workload", true, OPT_WRITE_WORKLOAD},
    {"scenario", true, OPT_SCENARIO},
    {"policy", true, OPT_POLICY},
    {"seeds", true, OPT_SEEDS},
    {"load", true, OPT_LOAD},
    {"discipline", true, OPT_DISCIPLINE},
    {"trace", true, OPT_TRACE},
    {"workload", true, OPT_WORKLOAD},
    {"option", true, OPT_OPTION},
    {"jobs", true, OPT_JOBS},
    {"json", false, OPT_JSON},
    {"csv", false, OPT_CSV},
    {"plot", true, OPT_PLOT},
    {"replay", true, OPT_REPLAY},
    {"scenarios", true, OPT_SCENARIOS},
    {"list", false, OPT_LIST},
    {"help", false, OPT_HELP},
    {"version", false, OPT_VERSION},
};
#define ROWS (sizeof rows / sizeof rows[0])

static int apply(struct setup *setup, enum setup_option option, char *value, bool *ret_list)
{
    switch (option) {
    case OPT_SCENARIO:
        return add_scenarios(setup, value);
    case OPT_POLICY:
        return add_policies(setup, value);
    case OPT_SEEDS:
        return set_seeds(setup, value);
    case OPT_LOAD:
        return set_load(setup, value);
    case OPT_SPEED:
        return set_speed(setup, value);
    case OPT_DISCIPLINE:
        return set_discipline(setup, value);
    case OPT_OPTION:
        return add_option(setup, value);
    case OPT_JOBS:
        return set_jobs(setup, value);
    case OPT_TRACE:
        setup->trace = value;
        break;
    case OPT_WORKLOAD:
        setup->workload = value;
        break;
    case OPT_WRITE_WORKLOAD:
        setup->write_workload = value;
        break;
    case OPT_JSON:
        setup->output = OUTPUT_JSON;
        break;
    case OPT_CSV:
        setup->output = OUTPUT_CSV;
        break;
    case OPT_PLOT:
        setup->plot = value;
        break;
    case OPT_REPLAY:
        setup->replay = value;
        break;
    case OPT_SCENARIOS:
        setup->scenario_dir = value;
        break;
    case OPT_LIST:
        *ret_list = true;
        break;
    case OPT_HELP:
    case OPT_VERSION:
        break;
    }
    return 0;
}

static void fill_options(struct option *options)
{
    for (size_t i = 0; i < ROWS; i++) {
        options[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].has_value ? required_argument : no_argument,
            .val = (int)rows[i].value,
        };
    }
    options[ROWS] = (struct option){0};
}

/* Returns 0, 1 if there is nothing more to do, or -EINVAL. */
static int read_line(int argc, char **argv, struct setup *setup)
{
    struct option options[ROWS + 1];
    bool wants_list = false;
    int c;

    fill_options(options);
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?')
            return mistake("not an option, or without its value", argv[optind - 1]);
        if (c == (int)OPT_HELP || c == (int)OPT_VERSION) {
            (void)fputs(c == (int)OPT_HELP ? help : "orion-sim " ORION_VERSION "\n", stdout);
            return 1;
        }
        int rc = apply(setup, (enum setup_option)c, optarg, &wants_list);
        if (rc < 0)
            return rc;
    }
    if (optind < argc)
        return mistake("what is this", argv[optind]);
    if (wants_list) {
        int rc = list(setup);
        return rc < 0 ? rc : 1;
    }
    return 0;
}

static int check(const struct setup *setup)
{
    if (setup->replay)
        return 0;
    if (setup->n_scenarios == 0)
        return mistake("--scenario is missing", NULL);
    if (setup->n_policies == 0 && !setup->write_workload)
        return mistake("--policy is missing", NULL);
    if (setup->workload && setup->n_scenarios > 1)
        return mistake("--workload wants one scenario", NULL);
    return 0;
}

enum setup_outcome setup_read(int argc, char **argv, struct setup *ret, int *ret_status)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    *ret = (struct setup){
        .seed_first = 1,
        .seed_last = 5,
        .scenario_dir = SIM_SCENARIO_DIR,
        .jobs = processors > 0 && processors < SETUP_JOBS_MAX ? processors : 1,
    };
    int rc = read_line(argc, argv, ret);

    if (rc == 0)
        rc = check(ret);
    *ret_status = rc < 0 ? 2 : 0;
    return rc == 0 ? SETUP_RUN : SETUP_EXIT;
}
