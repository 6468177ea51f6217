/* Any arguments, one a line, to either daemon: it runs, or it exits with 0 or 2. */

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/options.h"

#include "router_config.h"
#include "worker_config.h"

#define ARGUMENTS_MAX 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is printed does not matter here. Returns where standard output and error went before. */
static void silence(int saved[2])
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)fflush(stdout);
    saved[0] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    saved[1] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    (void)dup2(nowhere, STDOUT_FILENO);
    (void)dup2(nowhere, STDERR_FILENO);
    (void)close(nowhere);
}

static void speak(const int saved[2])
{
    (void)fflush(stdout);
    (void)dup2(saved[0], STDOUT_FILENO);
    (void)dup2(saved[1], STDERR_FILENO);
    (void)close(saved[0]);
    (void)close(saved[1]);
}

static void start(const struct options_program *program, int argc, char **argv)
{
    union {
        struct router_config router;
        struct worker_config worker;
    } config;
    struct options options = {0};
    int saved[2], status = -1;

    silence(saved);
    int rc = options_start(program, argc, argv, &options, &config, &status);
    speak(saved);
    assert(rc == OPTIONS_EXIT ? status == 0 || status == 2 : rc == OPTIONS_RUN && status == 0);
    assert(options.n_sets <= sizeof options.sets / sizeof options.sets[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "orion";
    const struct options_program router = {.name = "orion-router",
                                           .summary = "x",
                                           .table = router_settings,
                                           .n = router_settings_count,
                                           .config_size = sizeof(struct router_config),
                                           .check = router_config_check};
    const struct options_program worker = {.name = "orion-worker",
                                           .summary = "x",
                                           .table = worker_settings,
                                           .n = worker_settings_count,
                                           .config_size = sizeof(struct worker_config),
                                           .check = worker_config_check};
    char text[4096], *argv[ARGUMENTS_MAX + 1] = {name}, *rest = NULL;
    int argc = 1;

    if (size < 1 || size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (strstr(text, "--config")) { /* a file to read: none that could block */
        for (char *c = text; *c; c++)
            *c = *c == '/' ? '|' : *c;
    }
    for (char *line = strtok_r(text, "\n", &rest); line && argc < ARGUMENTS_MAX;
         line = strtok_r(NULL, "\n", &rest))
        argv[argc++] = line;
    start(&router, argc, argv);
    start(&worker, argc, argv);
    return 0;
}
