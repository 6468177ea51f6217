/* options: the input is the --set arguments and variables' values, one a line. Whatever is typed,
 * the outcome is one of the two named ones, faults are single printable lines, and the names of
 * hosts and ids that are derived are valid. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/node_id.h"
#include "common/ollama_host.h"
#include "common/options.h"

#include "worker_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_error(const char *msg, void *arg)
{
    size_t *faults = arg;

    ++*faults;
    assert(msg[0] != '\0');
    for (const char *c = msg; *c; c++)
        assert((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_derived(const char *line)
{
    char url[256], id[NODE_ID_MAX + 1];
    struct err err;

    node_id_from_host(line, id, sizeof id);
    assert(node_id_valid(span_str(id)));
    if (ollama_host_to_url(line, url, sizeof url, &err) == 0)
        assert(ollama_url_check(url, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options_program program = {.name = "orion-worker",
                                      .summary = "x",
                                      .table = worker_settings,
                                      .n = worker_settings_count,
                                      .config_size = sizeof(struct worker_config),
                                      .check = worker_config_check};
    struct options options = {0};
    struct worker_config config;
    size_t faults = 0;
    char text[4096];

    if (size >= sizeof text)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        check_derived(line);
        if (options.n_sets < sizeof options.sets / sizeof options.sets[0])
            options.sets[options.n_sets++] = line;
    }
    size_t n = options_reload(&program, &options, &config, on_error, &faults);
    assert(n == faults);
    if (n == 0)
        assert(worker_config_temp_resume_mc(&config) < config.temp_max_mc);
    return 0;
}
