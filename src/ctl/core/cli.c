#include "cli.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/setting_rows.h"
#include "common/span.h"

#define SHOWN_MAX 40 /* bytes of an argument that an error quotes */

static const char *const no_value = "";

/* --- the tables ------------------------------------------------------------------------------- */

static bool name_is(const char *name, const char *first, const char *second)
{
    size_t len = strlen(first);

    if (strncmp(name, first, len) != 0)
        return false;
    if (!second)
        return name[len] == '\0';
    return name[len] == ' ' && strcmp(name + len + 1, second) == 0;
}

static const struct cli_command *find_called(const char *first, const char *second)
{
    for (size_t i = 0; i < CLI_COUNT; i++) {
        if (name_is(cli_commands[i].name, first, second))
            return &cli_commands[i];
    }
    return NULL;
}

const struct cli_command *cli_find(const char *first, const char *second, int *ret_words)
{
    const struct cli_command *of_two = second ? find_called(first, second) : NULL;

    *ret_words = of_two ? 2 : 1;
    return of_two ? of_two : find_called(first, NULL);
}

static size_t option_index(const struct cli_option *table, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return i;
    }
    return n;
}

static size_t letter_index(const struct cli_option *table, size_t n, char letter)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].letter != 0 && table[i].letter == letter)
            return i;
    }
    return n;
}

/* --- parsing ---------------------------------------------------------------------------------- */

struct parse {
    int argc, at;
    char *const *argv;
    struct cli *cli;
};

/* What somebody typed, fit for a message. */
static const char *shown(const char *text, char buf[static SHOWN_MAX + 1])
{
    (void)span_copy(span_str(text), buf, SHOWN_MAX + 1);
    for (char *c = buf; *c; c++) {
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
    }
    return buf;
}

/* Finds argv[at] in a table. *ret_value is what stands behind '=' or the letter, NULL if nothing.
 */
static size_t find_option(const struct cli_option *table, size_t n, const char *argument,
                          const char **ret_value)
{
    size_t i;

    *ret_value = NULL;
    if (argument[1] == '-') {
        size_t len = strcspn(argument + 2, "=");
        i = option_index(table, n, argument + 2, len);
        if (argument[2 + len] == '=')
            *ret_value = argument + 2 + len + 1;
    } else {
        i = letter_index(table, n, argument[1]);
        if (argument[2] != '\0')
            *ret_value = argument + 2;
    }
    return i;
}

static int take_from(struct parse *parse, const struct cli_option *table, size_t n,
                     const char **values, bool *ret_found, struct err *err)
{
    const char *argument = parse->argv[parse->at], *value;
    char text[SHOWN_MAX + 1];
    size_t i = find_option(table, n, argument, &value);

    *ret_found = i < n;
    if (i == n)
        return 0;
    if (!table[i].value && value)
        return err_set(err, -EINVAL, "--%s takes no value", table[i].name);
    if (table[i].value && !value) {
        if (parse->at + 1 >= parse->argc) {
            return err_set(err, -EINVAL, "--%s needs a value: --%s %s", table[i].name,
                           table[i].name, table[i].value);
        }
        value = parse->argv[++parse->at];
    }
    if (values[i] && table[i].value)
        return err_set(err, -EINVAL, "--%s is given twice (%s)", table[i].name, shown(value, text));
    values[i] = table[i].value ? value : no_value;
    return 0;
}

static int take_option(struct parse *parse, struct err *err)
{
    struct cli *cli = parse->cli;
    const char *argument = parse->argv[parse->at];
    char text[SHOWN_MAX + 1];
    bool found = false;
    int rc = 0;

    if (cli->command) {
        rc = take_from(parse, cli->command->options, cli->command->n_options, cli->values, &found,
                       err);
    }
    if (rc == 0 && !found)
        rc = take_from(parse, cli_globals, cli_globals_count, cli->globals, &found, err);
    if (rc < 0 || found)
        return rc;
    if (!cli->command) {
        return err_set(err, -EINVAL, "unknown option \"%s\" (options of a command stand behind it)",
                       shown(argument, text));
    }
    return err_set(err, -EINVAL, "%s has no option \"%s\"", cli->command->name,
                   shown(argument, text));
}

static int take_command(struct parse *parse, struct err *err)
{
    const char *first = parse->argv[parse->at];
    const char *second = parse->at + 1 < parse->argc ? parse->argv[parse->at + 1] : NULL;
    char text[SHOWN_MAX + 1];
    int words;

    parse->cli->command = cli_find(first, second, &words);
    if (parse->cli->command) {
        parse->at += words - 1;
        return 0;
    }
    if (strcmp(first, "dead") == 0)
        return err_set(err, -EINVAL, "dead needs one of list, show, retry, purge behind it");
    return err_set(err, -EINVAL, "unknown command \"%s\"", shown(first, text));
}

static int take_argument(struct parse *parse, struct err *err)
{
    struct cli *cli = parse->cli;

    if (cli->n_args == CLI_ARGS_MAX)
        return err_set(err, -EINVAL, "more than %d arguments", CLI_ARGS_MAX);
    cli->args[cli->n_args++] = parse->argv[parse->at];
    return 0;
}

static int take_all(struct parse *parse, struct err *err)
{
    bool options_ended = false;
    int rc = 0;

    for (parse->at = 1; parse->at < parse->argc && rc == 0; parse->at++) {
        const char *argument = parse->argv[parse->at];
        if (!options_ended && strcmp(argument, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && argument[0] == '-' && argument[1] != '\0') {
            rc = take_option(parse, err);
        } else {
            rc = parse->cli->command ? take_argument(parse, err) : take_command(parse, err);
        }
    }
    return rc;
}

int cli_parse(int argc, char *const *argv, struct cli *ret, struct err *err)
{
    struct parse parse = {.argc = argc, .argv = argv, .cli = ret};
    const struct cli_command *command;

    *ret = (struct cli){0};
    int rc = take_all(&parse, err);
    if (rc < 0)
        return rc;
    ret->wants_help = cli_has(ret, "help");
    ret->wants_version = cli_has(ret, "version");
    if (!ret->command && !ret->wants_help && !ret->wants_version)
        return err_set(err, -EINVAL, "no command");
    if (!ret->command)
        ret->command = &cli_commands[CLI_HELP];
    command = ret->command;
    if (ret->wants_help || ret->wants_version)
        return 0;
    if (ret->n_args < command->min_args)
        return err_set(err, -EINVAL, "%s needs %s", command->name, command->usage);
    if (ret->n_args > command->max_args) {
        char text[SHOWN_MAX + 1];
        return err_set(err, -EINVAL, "%s: unexpected argument \"%s\"", command->name,
                       shown(ret->args[command->max_args], text));
    }
    return 0;
}

/* --- values ----------------------------------------------------------------------------------- */

const char *cli_value(const struct cli *cli, const char *name)
{
    size_t n = cli->command ? cli->command->n_options : 0;
    size_t i = n ? option_index(cli->command->options, n, name, strlen(name)) : 0;

    if (i < n)
        return cli->values[i];
    i = option_index(cli_globals, cli_globals_count, name, strlen(name));
    assert(i < cli_globals_count);
    return cli->globals[i];
}

bool cli_has(const struct cli *cli, const char *name)
{
    return cli_value(cli, name) != NULL;
}

static int value_parse(const struct cli *cli, struct setting row, struct cli_range range,
                       int64_t *ret, struct err *err)
{
    const char *text = cli_value(cli, row.key);
    int64_t value = 0;
    struct err why;

    row.min = range.min;
    row.max = range.max;
    if (!text) {
        *ret = range.otherwise;
        return 0;
    }
    int rc = settings_set(&row, 1, &value, row.key, span_str(text), &why);
    if (rc < 0)
        return err_set(err, -EINVAL, "--%s", why.msg);
    *ret = value;
    return 0;
}

int cli_number(const struct cli *cli, const char *name, struct cli_range range, int64_t *ret,
               struct err *err)
{
    struct setting row = {.key = name, .type = SETTING_NUMBER, .default_text = "0"};

    return value_parse(cli, row, range, ret, err);
}

int cli_duration_ms(const struct cli *cli, const char *name, struct cli_range range, int64_t *ret,
                    struct err *err)
{
    struct setting row = {.key = name, .type = SETTING_DURATION, .default_text = "0s"};

    return value_parse(cli, row, range, ret, err);
}
