/* orion-worker: runs requests on this node's Ollama and tells the fleet how the node is. */

#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/options.h"

#include "worker.h"
#include "worker_config.h"

struct program {
    struct options_program meta;
    struct options options;
    struct worker *worker;
};

static void on_fault(const char *msg, void *arg)
{
    (void)arg;
    log_err("event=bad_setting why=\"%s\"", msg);
}

static void on_reload(void *arg)
{
    struct program *program = arg;
    struct worker_config config;

    memset(&config, 0, sizeof config);
    if (options_reload(&program->meta, &program->options, &config, on_fault, NULL) > 0) {
        log_err("event=reload_refused why=\"the settings are faulty; nothing was changed\"");
        return;
    }
    log_info("event=reload");
    worker_reload(program->worker, &config);
}

int main(int argc, char **argv)
{
    static struct program program;
    static struct worker_config config;
    struct err err;
    int status = 0;

    program.meta = (struct options_program){
        .name = "orion-worker",
        .summary = "Runs requests on this node's Ollama and publishes the node's health.",
        .table = worker_settings,
        .n = worker_settings_count,
        .config_size = sizeof config,
        .check = worker_config_check,
    };
    if (options_start(&program.meta, argc, argv, &program.options, &config, &status) ==
        OPTIONS_EXIT)
        return status;
    if (worker_new(&config, on_reload, &program, &program.worker, &err) < 0) {
        log_err("event=start_failed why=\"%s\"", err.msg);
        return 2;
    }
    status = worker_run(program.worker);
    worker_free(program.worker);
    return status;
}
