#include "common/settings.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "setting_value.h"

#define KEY_MAX 48 /* bytes of a key that are quoted and compared */

static const struct setting *find(const struct setting *table, size_t n, struct span key)
{
    for (size_t i = 0; i < n; i++) {
        if (span_is(key, table[i].key))
            return &table[i];
    }
    return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance: insertions, deletions and replacements from a to b, one row at a time. */
static size_t edit_distance(struct span a, struct span b)
{
    size_t row[KEY_MAX + 1];

    assert(b.len <= KEY_MAX);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t replace = diagonal + (a.ptr[i - 1] == b.ptr[j - 1] ? 0 : 1);
            row[j] = min3(above + 1, row[j - 1] + 1, replace);
            diagonal = above;
        }
    }
    return row[b.len];
}

static const char *nearest_key(const struct setting *table, size_t n, struct span key)
{
    size_t best = SIZE_MAX;
    const char *name = "";

    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(key, span_str(table[i].key));
        if (distance < best) {
            best = distance;
            name = table[i].key;
        }
    }
    return name;
}

static bool key_is_plain(struct span key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-' && c != '.')
            return false;
    }
    return key.len > 0 && key.len <= KEY_MAX;
}

static int set_span(const struct setting *table, size_t n, void *config, struct span key,
                    struct span value, struct err *err)
{
    const struct setting *row = find(table, n, key);

    if (row)
        return setting_value_set(row, config, value, err);
    if (!key_is_plain(key)) { /* it may be anything, even a password: do not repeat it */
        return err_set(err, -ENOENT,
                       "expected KEY = VALUE, with a key of letters, digits and \"_\"");
    }
    return err_set(err, -ENOENT, "unknown key \"%.*s\"; the nearest known key is \"%s\"",
                   SPAN_ARG(key), nearest_key(table, n, key));
}

int settings_set(const struct setting *table, size_t n, void *config, const char *key,
                 struct span value, struct err *err)
{
    return set_span(table, n, config, span_str(key), value, err);
}

void settings_defaults(const struct setting *table, size_t n, void *config)
{
    struct err err;

    for (size_t i = 0; i < n; i++) {
        int rc = setting_value_set(&table[i], config, span_str(table[i].default_text), &err);
        assert(rc == 0);
        (void)rc;
    }
}

/* --- a file ----------------------------------------------------------------------------------- */

struct parser {
    const struct setting *table;
    size_t n;
    void *config;
    unsigned first_line[SETTINGS_ROWS_MAX]; /* where each key was given; 0: nowhere */
};

static struct span without_comment(struct span line)
{
    for (size_t i = 0; i < line.len; i++) {
        bool at_start = i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t';
        if (line.ptr[i] == '#' && at_start)
            return (struct span){line.ptr, i};
    }
    return line;
}

static int parse_line(struct parser *parser, unsigned number, struct span line, struct err *err)
{
    if (!span_is_utf8(line))
        return err_set(err, -EINVAL, "the line is not UTF-8");
    line = span_trim(without_comment(line));
    if (line.len == 0)
        return 0;

    const char *equals = memchr(line.ptr, '=', line.len);
    if (!equals)
        return err_set(err, -EINVAL, "expected KEY = VALUE");
    size_t at = (size_t)(equals - line.ptr);
    struct span key = span_trim((struct span){line.ptr, at});
    struct span value = span_trim((struct span){equals + 1, line.len - at - 1});

    const struct setting *row = find(parser->table, parser->n, key);
    unsigned *first_line = row ? &parser->first_line[row - parser->table] : NULL;
    if (first_line && *first_line)
        return err_set(err, -EINVAL, "%s: given twice, first in line %u", row->key, *first_line);
    if (first_line)
        *first_line = number;
    return set_span(parser->table, parser->n, parser->config, key, value, err);
}

size_t settings_parse(const struct setting *table, size_t n, void *config, struct span text,
                      void (*on_error)(unsigned line, const char *msg, void *arg), void *arg)
{
    struct parser parser = {.table = table, .n = n, .config = config};
    size_t faults = 0;

    assert(n <= SETTINGS_ROWS_MAX);
    for (unsigned number = 1; text.len > 0; number++) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len;
        struct err err;
        if (parse_line(&parser, number, (struct span){text.ptr, len}, &err) < 0) {
            on_error(number, err.msg, arg);
            faults++;
        }
        len += newline ? 1 : 0;
        text = (struct span){text.ptr + len, text.len - len};
    }
    return faults;
}

/* --- two configs ------------------------------------------------------------------------------ */

void settings_keep(const struct setting *table, size_t n, const void *running, void *config)
{
    for (size_t i = 0; i < n; i++) {
        if (table[i].needs_restart) {
            memcpy((char *)config + table[i].offset, (const char *)running + table[i].offset,
                   setting_value_size(&table[i]));
        }
    }
}

void settings_diff(const struct setting *table, size_t n, const void *old_config,
                   const void *new_config, void (*on_change)(const struct setting *row, void *arg),
                   void *arg)
{
    for (size_t i = 0; i < n; i++) {
        if (!setting_value_equal(&table[i], old_config, new_config))
            on_change(&table[i], arg);
    }
}
