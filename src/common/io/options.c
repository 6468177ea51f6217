#include "common/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/file.h"
#include "common/ollama_host.h"

#include "options_print.h"

#define SETS_MAX (sizeof((struct options *)0)->sets / sizeof(const char *))

/* Where settings go to and faults are told. */
struct load {
    const struct options_program *program;
    const char *config_path;
    void *config;
    void (*on_error)(const char *msg, void *arg);
    void *arg;
    size_t faults;
};

static void __attribute__((format(printf, 2, 3))) fault(struct load *load, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    for (char *c = msg; *c; c++) { /* what somebody typed must not forge or break a line */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    }
    load->faults++;
    load->on_error(msg, load->arg);
}

/* --- file ------------------------------------------------------------------------------------- */

static void on_line_fault(unsigned line, const char *msg, void *arg)
{
    struct load *load = arg;

    fault(load, "%s:%u: %s", load->config_path, line, msg);
}

static void load_file(struct load *load)
{
    struct buf text;
    struct err err;

    buf_init(&text, OPTIONS_FILE_MAX_BYTES);
    if (file_read(load->config_path, &text, &err) < 0) {
        fault(load, "%s", err.msg);
    } else {
        (void)settings_parse(load->program->table, load->program->n, load->config, buf_span(&text),
                             on_line_fault, load);
    }
    buf_done(&text);
}

/* --- environment ------------------------------------------------------------------------------ */

/* The value of ORION_<KEY>, NULL if not set or empty; name has room for it. */
static const char *own_variable(const char *key, char *name, size_t cap)
{
    int len = snprintf(name, cap, "ORION_%s", key);

    assert(len > 0 && (size_t)len < cap);
    for (char *c = name; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

static void set_from(struct load *load, const char *variable, const char *key, const char *value)
{
    struct err err;

    if (settings_set(load->program->table, load->program->n, load->config, key, span_str(value),
                     &err) < 0)
        fault(load, "environment %s: %s", variable, err.msg);
}

/* Variables that are not ours but that everybody knows. */
static void set_from_known(struct load *load, const char *key)
{
    const char *redis = getenv("REDIS_URL"), *ollama = getenv("OLLAMA_HOST");
    char url[256];
    struct err err;

    if (strcmp(key, "redis") == 0 && redis && redis[0])
        set_from(load, "REDIS_URL", key, redis);
    if (strcmp(key, "ollama") == 0 && ollama && ollama[0]) {
        if (ollama_host_to_url(ollama, url, sizeof url, &err) < 0) {
            fault(load, "environment OLLAMA_HOST: %s", err.msg);
        } else {
            set_from(load, "OLLAMA_HOST", key, url);
        }
    }
}

static void load_environment(struct load *load)
{
    for (size_t i = 0; i < load->program->n; i++) {
        const char *key = load->program->table[i].key;
        char name[64];
        const char *value = own_variable(key, name, sizeof name);
        if (value) {
            set_from(load, name, key, value);
        } else {
            set_from_known(load, key);
        }
    }
}

/* --- --set ------------------------------------------------------------------------------------ */

/* The part of KEY=VALUE that a message may repeat: a text, or the value of an unknown key, may hold
 * a password. */
static struct span quotable(const struct load *load, const char *argument, const char *equals)
{
    struct span key = {argument, (size_t)(equals - argument)};

    for (size_t i = 0; i < load->program->n; i++) {
        const struct setting *row = &load->program->table[i];
        if (span_is(key, row->key) && row->type != SETTING_TEXT)
            return span_str(argument);
    }
    for (size_t i = 0; i < key.len; i++) {
        if (!isalnum((unsigned char)key.ptr[i]) && key.ptr[i] != '_' && key.ptr[i] != '-')
            return span_str("...");
    }
    return key;
}

static void load_set(struct load *load, const char *argument)
{
    const char *equals = strchr(argument, '=');
    char key[64];
    struct err err;

    if (!equals) {
        fault(load, "--set: expected KEY=VALUE, for example log_level=debug");
        return;
    }
    (void)span_copy((struct span){argument, (size_t)(equals - argument)}, key, sizeof key);
    if (settings_set(load->program->table, load->program->n, load->config, key,
                     span_str(equals + 1), &err) < 0)
        fault(load, "--set %.*s: %s", SPAN_ARG(quotable(load, argument, equals)), err.msg);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void on_check_fault(const char *msg, void *arg)
{
    struct load *load = arg;

    fault(load, "%s%s%s", load->config_path ? load->config_path : "", load->config_path ? ": " : "",
          msg);
}

size_t options_reload(const struct options_program *program, const struct options *options,
                      void *config, void (*on_error)(const char *msg, void *arg), void *arg)
{
    struct load load = {.program = program,
                        .config_path = options->config_path,
                        .config = config,
                        .on_error = on_error,
                        .arg = arg};

    memset(config, 0, program->config_size);
    settings_defaults(program->table, program->n, config);
    if (load.config_path)
        load_file(&load);
    load_environment(&load);
    for (size_t i = 0; i < options->n_sets; i++)
        load_set(&load, options->sets[i]);
    if (program->check)
        program->check(config, on_check_fault, &load);
    return load.faults;
}

/* --- command line ----------------------------------------------------------------------------- */

struct command_line {
    struct options options;
    bool wants_help, wants_version, wants_check;
};

/* Repeats the argument up to a '=': behind it could be a password. */
static int bad_usage(const struct options_program *program, const char *what, const char *argument)
{
    struct span shown = {argument, strcspn(argument, "=")};

    (void)fprintf(stderr, "%s: %s \"%.*s\"; see %s --help\n", program->name, what, SPAN_ARG(shown),
                  program->name);
    return -EINVAL;
}

/* Is argv[*i] the option `name`, with a value behind '=' or as the next argument? Moves *i on. A
 * value that is missing is NULL. */
static bool take_value(int argc, char **argv, int *i, const char *name, const char **ret_value)
{
    size_t len = strlen(name);

    if (strncmp(argv[*i], name, len) != 0)
        return false;
    if (argv[*i][len] == '=') {
        *ret_value = argv[*i] + len + 1;
        return true;
    }
    if (argv[*i][len] != '\0')
        return false;
    *ret_value = *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

static int take_set(const struct options_program *program, struct options *options,
                    const char *value)
{
    if (options->n_sets == SETS_MAX) {
        (void)fprintf(stderr, "%s: more than %zu --set; use --config FILE\n", program->name,
                      SETS_MAX);
        return -EINVAL;
    }
    options->sets[options->n_sets++] = value;
    return 0;
}

static int take_file(const struct options_program *program, const char *name, const char *value,
                     const char **ret)
{
    if (!value || !value[0])
        return bad_usage(program, "no FILE behind", name);
    *ret = value;
    return 0;
}

static bool take_flag(const char *argument, struct command_line *line)
{
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
        line->wants_help = true;
    } else if (strcmp(argument, "--version") == 0) {
        line->wants_version = true;
    } else if (strcmp(argument, "--check-config") == 0) {
        line->wants_check = true;
    } else {
        return false;
    }
    return true;
}

static int take_argument(const struct options_program *program, int argc, char **argv, int *i,
                         struct command_line *line)
{
    const char *argument = argv[*i], *value = NULL;

    if (take_value(argc, argv, i, "--config", &value))
        return take_file(program, "--config", value, &line->options.config_path);
    if (program->record_help && take_value(argc, argv, i, "--record", &value))
        return take_file(program, "--record", value, &line->options.record_path);
    if (take_value(argc, argv, i, "--set", &value)) {
        if (!value)
            return bad_usage(program, "no KEY=VALUE behind", "--set");
        return take_set(program, &line->options, value);
    }
    if (take_flag(argument, line))
        return 0;
    return bad_usage(program, argument[0] == '-' ? "unknown option" : "unexpected argument",
                     argument);
}

static void print_fault(const char *msg, void *arg)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", msg);
}

int options_start(const struct options_program *program, int argc, char **argv,
                  struct options *ret_options, void *config, int *ret_status)
{
    struct command_line line = {0};

    *ret_status = 2;
    for (int i = 1; i < argc; i++) {
        if (take_argument(program, argc, argv, &i, &line) < 0)
            return OPTIONS_EXIT;
    }
    if (line.wants_help || line.wants_version) {
        if (line.wants_help) {
            options_print_help(program);
        } else {
            printf("%s %s\n", program->name, ORION_VERSION);
        }
        *ret_status = 0;
        return OPTIONS_EXIT;
    }
    if (options_reload(program, &line.options, config, print_fault, NULL) > 0)
        return OPTIONS_EXIT;
    *ret_options = line.options;
    *ret_status = 0;
    if (!line.wants_check)
        return OPTIONS_RUN;
    printf("%s: ok\n", line.options.config_path ? line.options.config_path : "configuration");
    return OPTIONS_EXIT;
}
