/* orionctl: parses, loads the settings, and calls the command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/options.h"

#include "ctl.h"
#include "signals.h"
#include "text.h"

#define HELP_MAX_BYTES ((size_t)64 * 1024)
#define SET_MAX_BYTES  1200

static const struct options_program program = {
    .name = "orionctl",
    .summary = "Looks at an orion cluster, asks it and steers it.",
    .config_size = sizeof(struct ctl_config),
};

/* Our options went in as --set KEY=VALUE; nobody has typed that. */
static void on_fault(const char *msg, void *arg)
{
    const char *colon = strncmp(msg, "--set ", 6) == 0 ? strstr(msg, ": ") : NULL;

    (void)arg;
    ctl_tell("%s", colon ? colon + 2 : msg);
}

/* The global options that are settings, as --set would give them. */
static size_t settings_of(const struct cli *cli, char sets[][SET_MAX_BYTES], const char **argv)
{
    static const struct {
        const char *option, *key;
    } map[] = {{"redis", "redis"}, {"password-file", "redis_password_file"}, {"prefix", "prefix"}};
    size_t n = 0;

    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        const char *value = cli_value(cli, map[i].option);
        if (!value)
            continue;
        (void)snprintf(sets[n], SET_MAX_BYTES, "%s=%s", map[i].key, value);
        argv[n] = sets[n];
        n++;
    }
    return n;
}

static int load_settings(struct ctl *ctl)
{
    struct options_program with_table = program;
    struct options options = {.config_path = cli_value(&ctl->cli, "config")};
    static char sets[3][SET_MAX_BYTES];
    struct err err;

    with_table.table = ctl_settings;
    with_table.n = ctl_settings_count;
    if (!options.config_path && access(CTL_CONFIG_PATH, F_OK) == 0)
        options.config_path = CTL_CONFIG_PATH;
    options.n_sets = settings_of(&ctl->cli, sets, options.sets);
    if (options_reload(&with_table, &options, &ctl->config, on_fault, NULL) > 0)
        return CLI_EXIT_USAGE;
    int rc = daemon_redis_url(ctl->config.redis, ctl->config.redis_password_file, &ctl->url, &err);
    if (rc < 0) {
        ctl_tell("%s", err.msg);
        return CLI_EXIT_USAGE;
    }
    keys_init(&ctl->keys, ctl->config.prefix);
    return CLI_EXIT_OK;
}

static int look_at_terminal(struct ctl *ctl)
{
    const char *when = cli_value(&ctl->cli, "color"), *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    size_t rows;

    ctl->is_tty = isatty(STDOUT_FILENO);
    ctl->err_is_tty = isatty(STDERR_FILENO);
    ctl->cols = TEXT_NO_LIMIT;
    if (ctl->is_tty)
        ctl_terminal_size(&rows, &ctl->cols);
    ctl->json = cli_has(&ctl->cli, "json");
    if (!when || strcmp(when, "auto") == 0) {
        ctl->color = ctl->is_tty && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
    } else if (strcmp(when, "always") == 0 || strcmp(when, "never") == 0) {
        ctl->color = when[0] == 'a';
    } else {
        ctl_tell("--color is auto, always or never");
        return CLI_EXIT_USAGE;
    }
    return CLI_EXIT_OK;
}

static int print_help(const struct cli *cli)
{
    const struct cli_command *command = cli->command;
    struct buf out;
    int words, status = CLI_EXIT_OK;

    if (command->id == CLI_HELP && cli->n_args > 0) {
        command = cli_find(cli->args[0], cli->n_args > 1 ? cli->args[1] : NULL, &words);
        if (!command) {
            ctl_tell("unknown command \"%s\"; see orionctl --help", cli->args[0]);
            return CLI_EXIT_USAGE;
        }
    }
    buf_init(&out, HELP_MAX_BYTES);
    if (command->id == CLI_HELP) {
        cli_help(&out);
    } else {
        cli_help_command(command, &out);
    }
    if (!ctl_write(&out))
        status = CLI_EXIT_FAILED;
    buf_done(&out);
    return status;
}

static int run(struct ctl *ctl)
{
    static int (*const commands[CLI_COUNT])(struct ctl *) = {
        [CLI_STATUS] = cmd_status,         [CLI_TOP] = cmd_top,
        [CLI_SUBMIT] = cmd_submit,         [CLI_WAIT] = cmd_wait,
        [CLI_CANCEL] = cmd_cancel,         [CLI_EXPLAIN] = cmd_explain,
        [CLI_EVENTS] = cmd_events,         [CLI_DRAIN] = cmd_drain,
        [CLI_UNDRAIN] = cmd_undrain,       [CLI_FORGET] = cmd_forget,
        [CLI_DEAD_LIST] = cmd_dead_list,   [CLI_DEAD_SHOW] = cmd_dead_show,
        [CLI_DEAD_RETRY] = cmd_dead_retry, [CLI_DEAD_PURGE] = cmd_dead_purge,
        [CLI_PRELOAD] = cmd_preload,       [CLI_BENCH] = cmd_bench,
        [CLI_DOCTOR] = cmd_doctor,
    };
    int status = look_at_terminal(ctl);

    if (status == CLI_EXIT_OK)
        status = load_settings(ctl);
    if (status != CLI_EXIT_OK)
        return status;
    ctl->conn = conn_new(&ctl->url);
    status = commands[ctl->cli.command->id](ctl);
    conn_free(ctl->conn);
    return status;
}

int main(int argc, char **argv)
{
    static struct ctl ctl; /* large, and zero */
    struct err err;

    signals_init();
    if (cli_parse(argc, argv, &ctl.cli, &err) < 0) {
        ctl_tell("%s; see orionctl %s%s--help", err.msg,
                 ctl.cli.command ? ctl.cli.command->name : "", ctl.cli.command ? " " : "");
        return CLI_EXIT_USAGE;
    }
    if (ctl.cli.wants_version) {
        printf("orionctl %s\n", ORION_VERSION);
        return fflush(stdout) == 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
    }
    if (ctl.cli.wants_help || ctl.cli.command->id == CLI_HELP)
        return print_help(&ctl.cli);
    return run(&ctl);
}
