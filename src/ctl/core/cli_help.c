#include <string.h>

#include "common/buf.h"
#include "common/span.h"

#include "cli.h"
#include "text.h"

#define COLUMNS     80
#define HELP_INDENT 28 /* column at which the explanation of an option begins */

static void add_paragraphs(struct buf *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t len = end ? (size_t)(end - text) : strlen(text);
        text_wrap(out, (struct span){text, len}, 0, 0, COLUMNS);
        (void)buf_add_str(out, "\n\n");
        text += len;
        text += strspn(text, "\n");
    }
}

static void add_row(struct buf *out, const char *left, const char *right)
{
    size_t len = strlen(left);

    (void)buf_add_str(out, left);
    if (len + 2 > HELP_INDENT) {
        (void)buf_add_str(out, "\n");
        len = 0;
    }
    text_pad(out, HELP_INDENT - len);
    text_wrap(out, span_str(right), HELP_INDENT, HELP_INDENT, COLUMNS);
    (void)buf_add_str(out, "\n");
}

static void add_options(struct buf *out, const struct cli_option *table, size_t n)
{
    char bytes[128];

    for (size_t i = 0; i < n; i++) {
        struct buf left;
        char letter[] = {'-', table[i].letter, ',', ' ', '\0'};

        text_fixed(&left, bytes, sizeof bytes);
        (void)buf_add_fmt(&left, "  %s--%s%s%s", table[i].letter ? letter : "    ", table[i].name,
                          table[i].value ? " " : "", table[i].value ? table[i].value : "");
        add_row(out, text_fixed_str(&left), table[i].help);
    }
}

static void add_exits(struct buf *out)
{
    (void)buf_add_str(out, "Exit codes:\n"
                           "  0  done, and the answer is yes\n"
                           "  1  done, and the answer is no: a request failed, something is wrong\n"
                           "  2  bad option, argument, file or setting\n"
                           "  3  Redis cannot be reached, or refuses us\n"
                           "  4  no such request, node or dead letter\n"
                           "  5  --timeout has passed\n"
                           "  130  interrupted by Ctrl-C\n");
}

void cli_help(struct buf *out)
{
    (void)buf_add_str(out, "Usage: orionctl [OPTION]... COMMAND [OPTION | ARGUMENT]...\n\n"
                           "Looks at an orion cluster, asks it and steers it.\n\nCommands:\n");
    for (size_t i = 0; i < CLI_COUNT; i++) {
        const struct cli_command *command = &cli_commands[i];
        char bytes[64];
        struct buf left;

        text_fixed(&left, bytes, sizeof bytes);
        (void)buf_add_fmt(&left, "  %s %s", command->name, command->usage);
        add_row(out, text_fixed_str(&left), command->summary);
    }
    (void)buf_add_str(out, "\n`orionctl help COMMAND` tells the rest.\n\nOptions of every "
                           "command:\n");
    add_options(out, cli_globals, cli_globals_count);
    (void)buf_add_str(out, "\n");
    add_paragraphs(out, "Where a setting comes from, the later winning over the earlier: its "
                        "default, the file, the environment, the command line. In the environment "
                        "REDIS_URL sets redis and ORION_<KEY> sets any key of the file "
                        "(ORION_PREFIX, ORION_REDIS_PASSWORD_FILE). A password never comes from "
                        "the command line or the URL.");
    add_exits(out);
}

void cli_help_command(const struct cli_command *command, struct buf *out)
{
    (void)buf_add_fmt(out, "Usage: orionctl %s%s%s%s\n\n", command->name,
                      command->n_options ? " [OPTION]..." : "", command->usage[0] ? " " : "",
                      command->usage);
    (void)buf_add_fmt(out, "orionctl %s: %s.\n\n", command->name, command->summary);
    add_paragraphs(out, command->details);
    if (command->n_options) {
        (void)buf_add_str(out, "Options:\n");
        add_options(out, command->options, command->n_options);
        (void)buf_add_str(out, "\n");
    }
    (void)buf_add_str(out, "Options of every command: --redis URL, --password-file FILE,\n"
                           "--prefix PREFIX, --config FILE, --json, --color WHEN, --help: see\n"
                           "orionctl --help.\n");
    if (command->exits[0]) {
        (void)buf_add_str(out, "\n");
        (void)buf_add_str(out, "Exit codes: ");
        text_wrap(out, span_str(command->exits), 12, 12, COLUMNS);
        (void)buf_add_str(out, ".\n");
    }
}
