#include "options_print.h"

#include <stdio.h>
#include <string.h>

#include "common/options.h"

#define COLUMNS 80

/* Prints text in lines of at most COLUMNS, each after `indent` blanks. */
static void print_wrapped(const char *text, size_t indent)
{
    while (*text) {
        size_t room = COLUMNS - indent, len = strlen(text);
        if (len > room) {
            len = room;
            while (len > 0 && text[len] != ' ')
                len--;
            if (len == 0) /* one word that is longer than a line */
                len = strcspn(text, " ");
        }
        printf("%*s%.*s\n", (int)indent, "", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

static const char *type_name(enum setting_type type)
{
    static const char *const names[] = {
        [SETTING_DURATION] = "DURATION", [SETTING_BYTES] = "SIZE",    [SETTING_PERCENT] = "PERCENT",
        [SETTING_CELSIUS] = "CELSIUS",   [SETTING_NUMBER] = "NUMBER", [SETTING_BOOL] = "yes|no",
        [SETTING_TEXT] = "TEXT"};
    _Static_assert(sizeof names / sizeof names[0] == SETTING_TYPE_COUNT, "one row per type");

    return names[type];
}

static void print_key(const struct setting *row)
{
    char range[96];

    settings_range(row, range, sizeof range);
    printf("  %s = %s  (default: %s%s%s%s)\n", row->key, type_name(row->type),
           row->default_text[0] ? row->default_text : "empty", range[0] ? "; range: " : "", range,
           row->needs_restart ? "; needs a restart" : "");
    print_wrapped(row->why, 6);
}

void options_print_help(const struct options_program *program)
{
    printf("Usage: %s [--config FILE] [--set KEY=VALUE]...\n\n", program->name);
    print_wrapped(program->summary, 0);
    printf("\n"
           "  --config FILE    read settings from FILE: lines of KEY = VALUE, # for comments\n"
           "  --set KEY=VALUE  set one key; may be repeated\n");
    if (program->record_help) {
        printf("  --record FILE\n");
        print_wrapped(program->record_help, 19);
    }
    printf("  --check-config   print every error in the settings and exit\n"
           "  --version        print the version and exit\n"
           "  --help           print this and exit\n"
           "\n"
           "Where a setting comes from, the later winning over the earlier: its default,\n"
           "the file, the environment, --set. In the environment REDIS_URL sets redis,\n"
           "OLLAMA_HOST sets ollama, and ORION_<KEY> sets any key (ORION_LOG_LEVEL=debug)\n"
           "and wins over those two; an empty variable counts as not set. A password for\n"
           "Redis comes from a file only: see redis_password_file. SIGHUP reads everything\n"
           "again.\n"
           "\n"
           "Exit codes: 0 orderly stop, 1 failure at run time, 2 bad configuration.\n"
           "\n"
           "Units: DURATION ms s m h d, SIZE B KiB MiB GiB, PERCENT %%, CELSIUS C.\n"
           "\n"
           "Keys:\n");
    for (size_t i = 0; i < program->n; i++)
        print_key(&program->table[i]);
}
