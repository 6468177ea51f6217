#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/file.h"

#include "core/baselines.h"
#include "core/scenario_words.h"

/* Texts of included files; they stay until the scenario is parsed. */
struct includes {
    char dir[256];
    struct buf texts[64];
    size_t n;
};

static int read_include(void *arg, struct span name, struct span *ret_text, struct err *err)
{
    struct includes *includes = arg;
    char path[512];

    if (includes->n == sizeof includes->texts / sizeof includes->texts[0])
        return err_set(err, -E2BIG, "more than %zu files are included",
                       sizeof includes->texts / sizeof includes->texts[0]);
    (void)snprintf(path, sizeof path, "%s/%.*s", includes->dir, SPAN_ARG(name));

    struct buf *text = &includes->texts[includes->n++];
    buf_init(text, SCENARIO_BYTES_MAX);
    int rc = file_read(path, text, err);
    *ret_text = buf_span(text);
    return rc;
}

/* A name without a slash is a file of the scenario directory, unless there is a file of that name
 * here. */
static void find_scenario(const struct setup *setup, const char *name, char *path, size_t cap)
{
    FILE *file = strchr(name, '/') ? NULL : fopen(name, "re");

    if (file) {
        (void)fclose(file);
        (void)snprintf(path, cap, "./%s", name);
    } else if (strchr(name, '/')) {
        (void)snprintf(path, cap, "%s", name);
    } else {
        (void)snprintf(path, cap, "%s/%s", setup->scenario_dir, name);
    }
}

static int load_scenario(const struct setup *setup, const char *name, struct scenario *ret,
                         struct err *err)
{
    struct includes includes = {.n = 0};
    const struct scenario_includes with = {.read = read_include, .arg = &includes};
    struct buf text;
    char path[400];
    int rc;

    find_scenario(setup, name, path, sizeof path);
    const char *slash = strrchr(path, '/');
    (void)span_copy((struct span){path, slash ? (size_t)(slash - path) : 0}, includes.dir,
                    sizeof includes.dir);
    buf_init(&text, SCENARIO_BYTES_MAX);
    rc = file_read(path, &text, err);
    if (rc == -ENOENT)
        (void)err_set(err, rc, "there is no scenario \"%.60s\" (no file %.150s); see --list", name,
                      path);
    if (rc == 0)
        rc = scenario_parse(buf_span(&text), path, &with, ret, err);
    for (size_t i = 0; i < includes.n; i++)
        buf_done(&includes.texts[i]);
    buf_done(&text);
    return rc;
}

static int load_trace(const struct setup *setup, struct sim_case *ret, struct err *err)
{
    struct buf text;
    int rc;

    if (!ret->scenario.has_trace)
        return 0;
    if (!setup->trace)
        return err_set(err, -EINVAL,
                       "scenario %s takes its arrivals from a trace: name it with "
                       "--trace FILE.csv",
                       ret->scenario.name);
    buf_init(&text, TRACE_BYTES_MAX);
    rc = file_read(setup->trace, &text, err);
    if (rc == 0)
        rc = trace_parse(buf_span(&text), setup->trace, &ret->trace, err);
    buf_done(&text);
    return rc;
}

/* Parsed once here to see whether it can be; each run parses it again for itself. */
static int load_workload(const struct setup *setup, struct sim_case *ret, struct err *err)
{
    struct workload workload;
    int rc;

    if (!setup->workload)
        return 0;
    ret->workload_file = setup->workload;
    rc = file_read(setup->workload, &ret->workload_text, err);
    if (rc == 0)
        rc = workload_parse(buf_span(&ret->workload_text), setup->workload, &ret->scenario, 1,
                            &workload, err);
    if (rc == 0)
        workload_free(&workload);
    return rc;
}

int setup_load(const struct setup *setup, const char *name, struct sim_case *ret, struct err *err)
{
    *ret = (struct sim_case){.workload_file = NULL};
    buf_init(&ret->workload_text, WORKLOAD_BYTES_MAX);
    int rc = load_scenario(setup, name, &ret->scenario, err);

    if (rc == 0 && setup->load > 0)
        ret->scenario.load = setup->load;
    if (rc == 0 && setup->speed > 0)
        scenario_speed(&ret->scenario, setup->speed);
    if (rc == 0)
        rc = setup->workload ? load_workload(setup, ret, err) : load_trace(setup, ret, err);
    return rc;
}

void setup_free(struct sim_case *sim_case)
{
    trace_free(&sim_case->trace);
    buf_done(&sim_case->workload_text);
}

void setup_workload(const struct sim_case *sim_case, uint64_t seed, struct workload *ret)
{
    struct err err = {.msg = ""};

    if (!sim_case->workload_file) {
        workload_make(&sim_case->scenario, seed, sim_case->trace.n > 0 ? &sim_case->trace : NULL,
                      ret);
    } else if (workload_parse(buf_span(&sim_case->workload_text), sim_case->workload_file,
                              &sim_case->scenario, seed, ret, &err) < 0) {
        (void)fprintf(stderr, "orion-sim: %s\n", err.msg);
        exit(2);
    }
}
