/* orion-router: options, settings, start, exit code. */

#include "common/options.h"

#include "router.h"
#include "router_config.h"

int main(int argc, char **argv)
{
    const struct options_program program = {
        .name = "orion-router",
        .summary = "moves inference requests to the Raspberry Pi that will answer them soonest",
        .table = router_settings,
        .n = router_settings_count,
        .config_size = sizeof(struct router_config),
        .record_help = "write everything that is decided, and why, to FILE, which must not exist "
                       "(orion-sim --replay FILE)",
        .check = router_config_check,
    };
    struct options options = {.config_path = NULL};
    struct router_config config;
    int status;

    if (options_start(&program, argc, argv, &options, &config, &status) == OPTIONS_EXIT)
        return status;

    struct router *router = router_new(&program, &options, &config);
    if (!router)
        return 2;
    status = router_run(router);
    router_free(router);
    return status;
}
