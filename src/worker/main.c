/* orion-worker: runs requests on this node's Ollama and tells the fleet how the node is. */

#include "common/err.h"
#include "common/log.h"
#include "common/options.h"

#include "worker.h"
#include "worker_config.h"

int main(int argc, char **argv)
{
    const struct options_program program = {
        .name = "orion-worker",
        .summary = "Runs requests on this node's Ollama and publishes the node's health.",
        .table = worker_settings,
        .n = worker_settings_count,
        .config_size = sizeof(struct worker_config),
        .check = worker_config_check,
    };
    struct options options = {.config_path = NULL};
    struct worker_config config;
    struct worker *worker;
    struct err err;
    int status;

    if (options_start(&program, argc, argv, &options, &config, &status) == OPTIONS_EXIT)
        return status;
    if (worker_new(&program, &options, &config, &worker, &err) < 0) {
        log_err("event=start_failed why=\"%s\"", err.msg);
        return 2;
    }
    status = worker_run(worker);
    worker_free(worker);
    return status;
}
