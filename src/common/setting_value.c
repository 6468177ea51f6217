#include "setting_value.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"

static const struct setting_unit duration_units[] = {{"d", INT64_C(24) * 60 * 60 * 1000},
                                                     {"h", INT64_C(60) * 60 * 1000},
                                                     {"m", INT64_C(60) * 1000},
                                                     {"s", 1000},
                                                     {"ms", 1},
                                                     {NULL, 0}};
static const struct setting_unit bytes_units[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {NULL, 0}};
static const struct setting_unit percent_units[] = {{"%", 1}, {NULL, 0}};
static const struct setting_unit celsius_units[] = {{"C", 1000}, {NULL, 0}};
static const struct setting_unit no_units[] = {{"", 1}, {NULL, 0}};

/* "expected" completes the sentence: KEY: "TEXT" is not ... */
static const struct {
    const struct setting_unit *units;
    const char *expected;
} types[] = {
    [SETTING_DURATION] = {duration_units,
                          "a duration with its unit, such as 250ms, 15s, 2m, 1h or 1d"},
    [SETTING_BYTES] = {bytes_units, "a size with its unit, such as 512B, 64KiB, 16MiB or 1GiB"},
    [SETTING_PERCENT] = {percent_units, "a percentage with its sign, such as 90%"},
    [SETTING_CELSIUS] = {celsius_units, "a temperature with its unit, such as 75C or 72.5C"},
    [SETTING_NUMBER] = {no_units, "a whole number without a unit, such as 3"},
    [SETTING_BOOL] = {no_units, "yes or no"},
    [SETTING_TEXT] = {no_units, "a text"},
};
_Static_assert(sizeof types / sizeof types[0] == SETTING_TYPE_COUNT, "one row per type");

const struct setting_unit *setting_units(enum setting_type type)
{
    return types[type].units;
}

static int refuse(const struct setting *row, struct span value, struct err *err)
{
    if (value.len == 0) {
        return err_set(err, -EINVAL, "%s: no value; expected %s", row->key,
                       types[row->type].expected);
    }
    return err_set(err, -EINVAL, "%s: \"%.*s\" is not %s", row->key, SPAN_ARG(value),
                   types[row->type].expected);
}

/* Takes all digits off the front; false if there are none or more than an int64_t holds. */
static bool take_digits(struct span *s, int64_t *ret)
{
    size_t n = 0;

    while (n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9')
        n++;
    if (!span_to_i64((struct span){s->ptr, n}, ret))
        return false;
    *s = (struct span){s->ptr + n, s->len - n};
    return true;
}

/* Takes ".5", ".25" or ".125" off the front as thousandths; nothing there is 0. */
static bool take_thousandths(struct span *s, int64_t *ret)
{
    int64_t value;

    *ret = 0;
    if (!span_starts(*s, "."))
        return true;
    struct span digits = {s->ptr + 1, s->len - 1};
    size_t before = digits.len;
    if (!take_digits(&digits, &value) || before - digits.len > 3)
        return false;
    for (size_t n = before - digits.len; n < 3; n++)
        value *= 10;
    *ret = value;
    *s = digits;
    return true;
}

static bool find_factor(enum setting_type type, struct span unit, int64_t *ret)
{
    for (const struct setting_unit *u = types[type].units; u->name; u++) {
        if (span_is(unit, u->name)) {
            *ret = u->factor;
            return true;
        }
    }
    return false;
}

static int out_of_range(const struct setting *row, struct span value, struct err *err)
{
    char range[96];

    settings_range(row, range, sizeof range);
    return err_set(err, -ERANGE, "%s: %.*s is out of range: %s", row->key, SPAN_ARG(value), range);
}

static int parse_amount(const struct setting *row, struct span value, int64_t *ret, struct err *err)
{
    struct span rest = value;
    int64_t count = 0, factor = 0, product, thousandths = 0;

    if (row->type == SETTING_NUMBER && value.len == 0 && row->default_text[0] == '\0') {
        *ret = 0; /* unset */
        return 0;
    }
    if (rest.len > 0 && rest.ptr[0] >= '0' && rest.ptr[0] <= '9' && !take_digits(&rest, &count))
        return out_of_range(row, value, err); /* more than 64 bits */
    if (rest.ptr == value.ptr ||
        (row->type == SETTING_CELSIUS && !take_thousandths(&rest, &thousandths)) ||
        !find_factor(row->type, rest, &factor))
        return refuse(row, value, err);
    if (__builtin_mul_overflow(count, factor, &product) ||
        __builtin_add_overflow(product, thousandths, &product) || product < row->min ||
        product > row->max)
        return out_of_range(row, value, err);
    *ret = product;
    return 0;
}

static int parse_bool(const struct setting *row, struct span value, bool *ret, struct err *err)
{
    bool is_yes = span_is(value, "yes") || span_is(value, "true") || span_is(value, "on");

    if (!is_yes && !span_is(value, "no") && !span_is(value, "false") && !span_is(value, "off"))
        return refuse(row, value, err);
    *ret = is_yes;
    return 0;
}

static int set_text(const struct setting *row, char *text, struct span value, struct err *err)
{
    char copy[SETTING_TEXT_SIZE_MAX];
    struct err why;

    assert(row->size > 0 && row->size <= sizeof copy);
    if (value.len >= row->size)
        return err_set(err, -EINVAL, "%s: longer than %zu bytes", row->key, row->size - 1);
    for (size_t i = 0; i < value.len; i++) {
        if ((unsigned char)value.ptr[i] < ' ' || value.ptr[i] == 0x7f)
            return err_set(err, -EINVAL, "%s: has a control character in it", row->key);
    }
    if (!span_is_utf8(value))
        return err_set(err, -EINVAL, "%s: is not UTF-8", row->key);
    (void)span_copy(value, copy, row->size);
    if (row->check && row->check(copy, &why) < 0)
        return err_set(err, -EINVAL, "%s: %.200s", row->key, why.msg);
    memset(text, 0, row->size);
    memcpy(text, copy, value.len);
    return 0;
}

int setting_value_set(const struct setting *row, void *config, struct span value, struct err *err)
{
    char *at = (char *)config + row->offset;
    int64_t amount = 0;
    bool truth = false;
    int rc = 0;

    switch (row->type) {
    case SETTING_DURATION:
    case SETTING_BYTES:
    case SETTING_PERCENT:
    case SETTING_CELSIUS:
    case SETTING_NUMBER:
        rc = parse_amount(row, value, &amount, err);
        if (rc == 0)
            memcpy(at, &amount, sizeof amount);
        break;
    case SETTING_BOOL:
        rc = parse_bool(row, value, &truth, err);
        if (rc == 0)
            memcpy(at, &truth, sizeof truth);
        break;
    case SETTING_TEXT:
        rc = set_text(row, at, value, err);
        break;
    case SETTING_TYPE_COUNT:
        assert(false);
    }
    return rc;
}

size_t setting_value_size(const struct setting *row)
{
    if (row->type == SETTING_TEXT)
        return row->size;
    return row->type == SETTING_BOOL ? sizeof(bool) : sizeof(int64_t);
}

bool setting_value_equal(const struct setting *row, const void *a, const void *b)
{
    const char *x = (const char *)a + row->offset, *y = (const char *)b + row->offset;

    if (row->type == SETTING_TEXT)
        return strcmp(x, y) == 0;
    return memcmp(x, y, setting_value_size(row)) == 0;
}
