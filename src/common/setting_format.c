#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/settings.h"

#include "setting_value.h"

static void format_celsius(int64_t mc, char *buf, size_t cap)
{
    int64_t whole = mc / 1000, thousandths = mc % 1000;

    if (thousandths == 0) {
        (void)snprintf(buf, cap, "%" PRId64 "C", whole);
    } else if (thousandths % 100 == 0) {
        (void)snprintf(buf, cap, "%" PRId64 ".%" PRId64 "C", whole, thousandths / 100);
    } else {
        (void)snprintf(buf, cap, "%" PRId64 ".%03" PRId64 "C", whole, thousandths);
    }
}

/* With the largest unit that leaves no rest. */
static void format_amount(enum setting_type type, int64_t value, char *buf, size_t cap)
{
    const struct setting_unit *unit = setting_units(type);

    if (type == SETTING_CELSIUS) {
        format_celsius(value, buf, cap);
        return;
    }
    while (unit[1].name && (value == 0 || value % unit->factor != 0))
        unit++;
    (void)snprintf(buf, cap, "%" PRId64 "%s", value / unit->factor, unit->name);
}

static bool is_optional(const struct setting *row)
{
    return row->type == SETTING_NUMBER && row->default_text[0] == '\0';
}

void settings_format(const struct setting *row, const void *config, char *buf, size_t cap)
{
    const char *at = (const char *)config + row->offset;
    int64_t amount;
    bool truth;

    switch (row->type) {
    case SETTING_DURATION:
    case SETTING_BYTES:
    case SETTING_PERCENT:
    case SETTING_CELSIUS:
    case SETTING_NUMBER:
        memcpy(&amount, at, sizeof amount);
        if (is_optional(row) && amount == 0) {
            buf[0] = '\0';
        } else {
            format_amount(row->type, amount, buf, cap);
        }
        break;
    case SETTING_BOOL:
        memcpy(&truth, at, sizeof truth);
        (void)snprintf(buf, cap, "%s", truth ? "yes" : "no");
        break;
    case SETTING_TEXT:
        (void)span_copy(span_str(at), buf, cap);
        break;
    case SETTING_TYPE_COUNT:
        assert(false);
    }
}

void settings_range(const struct setting *row, char *buf, size_t cap)
{
    char min[40], max[40];

    if (row->type == SETTING_BOOL || row->type == SETTING_TEXT) {
        buf[0] = '\0';
        return;
    }
    format_amount(row->type, row->min, min, sizeof min);
    format_amount(row->type, row->max, max, sizeof max);
    (void)snprintf(buf, cap, "%s to %s%s", min, max, is_optional(row) ? ", or empty" : "");
}
