/* settings: no text can break the parser; whatever it accepts is in range, and comes out the same
 * when it is written and read again. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "router_config.h"
#include "worker_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_error(unsigned line, const char *msg, void *arg)
{
    size_t *faults = arg;

    assert(line > 0 && msg[0] != '\0');
    ++*faults;
}

static void on_change(const struct setting *row, void *arg)
{
    (void)arg;
    assert(!row); /* a value changed when it was written and read again */
}

static void check_range(const struct setting *row, const void *config)
{
    int64_t value;

    if (row->type == SETTING_TEXT) {
        assert(memchr((const char *)config + row->offset, '\0', row->size));
        return;
    }
    if (row->type == SETTING_BOOL)
        return;
    memcpy(&value, (const char *)config + row->offset, sizeof value);
    assert((value >= row->min && value <= row->max) ||
           (value == 0 && row->default_text[0] == '\0'));
}

static void check_table(const struct setting *table, size_t n, struct span text)
{
    union {
        struct router_config router;
        struct worker_config worker;
    } config, again;
    size_t faults = 0;

    memset(&config, 0, sizeof config);
    memset(&again, 0, sizeof again);
    settings_defaults(table, n, &config);
    settings_defaults(table, n, &again);
    assert(settings_parse(table, n, &config, text, on_error, &faults) == faults);
    for (size_t i = 0; i < n; i++) {
        char value[1024];
        struct err err;
        check_range(&table[i], &config);
        settings_format(&table[i], &config, value, sizeof value);
        int rc = settings_set(table, n, &again, table[i].key, span_str(value), &err);
        assert(rc == 0);
        (void)rc;
    }
    settings_diff(table, n, &config, &again, on_change, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size ? size : 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    check_table(router_settings, router_settings_count, (struct span){copy, size});
    check_table(worker_settings, worker_settings_count, (struct span){copy, size});
    free(copy);
    return 0;
}
