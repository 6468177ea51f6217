#ifndef CTL_CLI_H
#define CTL_CLI_H

/*
 * The command line of orionctl: every command with its options and help as one table, and the
 * parser that is made from it. Pure; what is parsed is borrowed from argv.
 *
 *     orionctl [GLOBAL OPTION]... COMMAND [OPTION | ARGUMENT]...
 *
 * A global option may stand on either side of the command. `--name=value` and `--name value` mean
 * the same; `--` ends the options; a lone `-` is an argument.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum cli_id {
    CLI_STATUS = 0,
    CLI_TOP,
    CLI_SUBMIT,
    CLI_WAIT,
    CLI_CANCEL,
    CLI_EXPLAIN,
    CLI_EVENTS,
    CLI_DRAIN,
    CLI_UNDRAIN,
    CLI_FORGET,
    CLI_DEAD_LIST,
    CLI_DEAD_SHOW,
    CLI_DEAD_RETRY,
    CLI_DEAD_PURGE,
    CLI_PRELOAD,
    CLI_BENCH,
    CLI_DOCTOR,
    CLI_HELP,
    CLI_COUNT
};

/* What a process ends with; the last lines of --help say the same. */
enum cli_exit {
    CLI_EXIT_OK = 0,
    CLI_EXIT_FAILED = 1,        /* it was done, and the answer is no */
    CLI_EXIT_USAGE = 2,         /* bad option, argument, file or setting */
    CLI_EXIT_REDIS = 3,         /* Redis cannot be reached, or refuses us */
    CLI_EXIT_NOT_FOUND = 4,     /* no such request, node or dead letter */
    CLI_EXIT_TIMEOUT = 5,       /* --timeout has passed */
    CLI_EXIT_INTERRUPTED = 130, /* Ctrl-C */
};

struct cli_option {
    const char *name;  /* without the dashes */
    char letter;       /* short form, 0 if there is none */
    const char *value; /* what --help calls its value; NULL: it takes none */
    const char *help;
};

#define CLI_OPTIONS_MAX 20 /* rows of one command, and of the global ones */
#define CLI_ARGS_MAX    64 /* arguments of a command */

struct cli_command {
    enum cli_id id;
    const char *name; /* one word, or two: "dead list" */
    const char *usage;
    const char *summary; /* one line, for the list */
    const char *details; /* paragraphs, separated by an empty line; "" if there are none */
    const char *exits;   /* what its exit codes mean beyond the usual; "" */
    const struct cli_option *options;
    size_t n_options;
    size_t min_args, max_args;
};

extern const struct cli_command cli_commands[CLI_COUNT];
extern const struct cli_option cli_globals[];
extern const size_t cli_globals_count;

struct cli {
    const struct cli_command *command; /* never NULL after cli_parse() has returned 0 */
    bool wants_help, wants_version;
    const char *values[CLI_OPTIONS_MAX]; /* of the command's options; "" for a flag that is given */
    const char *globals[CLI_OPTIONS_MAX];
    const char *args[CLI_ARGS_MAX];
    size_t n_args;
};

/* Parses argv[1] to argv[argc - 1]. Returns 0, or -EINVAL with *err. With wants_help or
 * wants_version the number of arguments is not checked, and `command` may be that of CLI_HELP. */
int cli_parse(int argc, char *const *argv, struct cli *ret, struct err *err);

/* The value of an option of this command or of a global one; NULL if it was not given. `name` is in
 * one of the tables (asserted). */
const char *cli_value(const struct cli *cli, const char *name);
bool cli_has(const struct cli *cli, const char *name);

/* What a number may be, and what it is if it was not given (which may lie outside). */
struct cli_range {
    int64_t min, max, otherwise;
};

/* The value as a whole number, or as a duration ("15s") in milliseconds, within the range. Returns
 * 0, or -EINVAL with *err. */
int cli_number(const struct cli *cli, const char *name, struct cli_range range, int64_t *ret,
               struct err *err);
int cli_duration_ms(const struct cli *cli, const char *name, struct cli_range range, int64_t *ret,
                    struct err *err);

/* The command called so, of one word or two; NULL if there is none. *ret_words is how many. */
const struct cli_command *cli_find(const char *first, const char *second, int *ret_words);

/* --help of the whole program, and of one command. At most 80 columns. */
void cli_help(struct buf *out);
void cli_help_command(const struct cli_command *command, struct buf *out);

#endif
