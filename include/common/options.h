#ifndef COMMON_OPTIONS_H
#define COMMON_OPTIONS_H

/*
 * A daemon's command line and where its settings come from:
 * defaults < --config FILE < environment (REDIS_URL, OLLAMA_HOST, ORION_<KEY>) < --set KEY=VALUE.
 *
 * Options: --config FILE, --set KEY=VALUE (repeatable), --record FILE (if the program has it),
 * --check-config, --version, --help. Anything else is an error that names it. Passwords never come
 * from the command line, and no message repeats what might be one. An empty variable counts as not
 * set; an ORION_ variable that is no key is ignored; ORION_<KEY> wins over REDIS_URL and
 * OLLAMA_HOST.
 */

#include <stddef.h>

#include "common/settings.h"

struct err;
struct redis_url;

#define OPTIONS_FILE_MAX_BYTES ((size_t)256 * 1024) /* of the file; ours have 5 KiB */

struct options_program {
    const char *name;    /* "orion-worker" */
    const char *summary; /* one line for --help */
    const struct setting *table;
    size_t n;
    size_t config_size;
    const char
        *record_help; /* what --record FILE does, for --help; NULL: there is no such option */
    /* Checks across settings, e.g. temp_resume < temp_max. Calls fault(msg, arg) for each fault. */
    void (*check)(const void *config, void (*fault)(const char *msg, void *arg), void *arg);
};

struct options {
    const char *config_path; /* NULL without --config */
    const char *record_path; /* NULL without --record */
    const char *sets[64];    /* the --set arguments, borrowed from argv */
    size_t n_sets;
};

enum options_outcome {
    OPTIONS_RUN = 0,
    OPTIONS_EXIT = 1, /* --help, --version, --check-config: exit with *ret_status */
};

/* Parses argv and loads the settings into *config. Prints help or errors itself ("FILE:LINE: ..."
 * on stderr, all of them). Returns OPTIONS_RUN, or OPTIONS_EXIT with *ret_status 0 or 2. */
int options_start(const struct options_program *program, int argc, char **argv,
                  struct options *ret_options, void *config, int *ret_status);

/* Reads everything again, for SIGHUP, into `config` (a buffer of config_size bytes). Returns 0, or
 * the number of faults, each passed to on_error as one line of text; the buffer is then
 * meaningless. */
size_t options_reload(const struct options_program *program, const struct options *options,
                      void *config, void (*on_error)(const char *msg, void *arg), void *arg);

/* The password: from `password_file` if not "", else from $CREDENTIALS_DIRECTORY/redis-password if
 * that exists, else none. One trailing newline is dropped. Returns 0, or a negative errno value
 * with *err (a named file that cannot be read; longer than the field; a NUL inside). */
int redis_password_read(const char *password_file, struct redis_url *url, struct err *err);

#endif
