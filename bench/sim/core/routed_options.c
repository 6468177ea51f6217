#include "routed_options.h"

#include <stddef.h>
#include <string.h>

#include "common/span.h"

#include "routed.h"

static bool read_option(struct routed_options *out, struct span name, int64_t value)
{
    struct policy_settings *settings = &out->settings;
    const struct {
        const char *name;
        int64_t min, max, *number;
        bool *flag;
    } rows[] = {
        {"placement", 0, 1, NULL, &settings->placement},
        {"homes", 0, 1, NULL, &settings->homes},
        {"lambda_t_permille", 0, 100000, &settings->lambda_t_permille, NULL},
        {"swap_margin_ms", 0, 3600000, &settings->swap_margin_ms, NULL},
        {"swap_factor_pct", 100, 10000, &settings->swap_factor_pct, NULL},
        {"home_wait_pct", 0, 1000, &settings->home_wait_pct, NULL},
        {"chwbl_load_pct", 100, 1000, &settings->chwbl_load_pct, NULL},
        {"credit", 0, 1000000, &out->credit, NULL},
        {"routers", 1, ROUTED_ROUTERS_MAX, &out->routers, NULL},
        {"why", 0, 1, &out->why, NULL},
        {"learn", 0, 1, &out->learn, NULL},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!span_is(name, rows[i].name))
            continue;
        if (value < rows[i].min || value > rows[i].max)
            return false;
        if (rows[i].flag)
            *rows[i].flag = value != 0;
        else
            *rows[i].number = value;
        return true;
    }
    return false;
}

bool routed_options_read(const char *text, struct routed_options *ret, const char **ret_wrong)
{
    *ret = (struct routed_options){.routers = 1};
    policy_settings_default(&ret->settings);
    while (text && *text) {
        const char *end = strchr(text, '\n'), *equals = strchr(text, '=');
        size_t len = end ? (size_t)(end - text) : strlen(text);
        int64_t value;

        *ret_wrong = text;
        if (!equals || equals >= text + len)
            return false;
        struct span name = {text, (size_t)(equals - text)};
        struct span number = {equals + 1, len - name.len - 1};
        if (span_is(name, "record")
                ? !span_copy(number, ret->record, sizeof ret->record)
                : !span_to_i64(number, &value) || !read_option(ret, name, value))
            return false;
        text += len + (end ? 1 : 0);
    }
    return true;
}

bool routed_options_check(const char *options, const char **ret_wrong)
{
    struct routed_options out;

    return routed_options_read(options, &out, ret_wrong);
}
