#include "scenario_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

int words_fault(const struct words *words, struct err *err, const char *fmt, ...)
{
    char text[200];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set(err, -EINVAL, "%.100s:%u: %s", words->file, words->line, text);
}

int words_split(struct span line, const char *file, unsigned number, struct words *ret,
                struct err *err)
{
    size_t i = 0;

    *ret = (struct words){.file = file, .line = number};
    while (i < line.len) {
        if (is_blank(line.ptr[i])) {
            i++;
            continue;
        }
        if (line.ptr[i] == '#')
            return 0;
        size_t start = i;
        while (i < line.len && !is_blank(line.ptr[i]) && line.ptr[i] != '#')
            i++;
        if (ret->n == WORDS_MAX)
            return words_fault(ret, err, "more than %d words", WORDS_MAX);
        ret->word[ret->n++] = (struct span){line.ptr + start, i - start};
    }
    return 0;
}

bool words_to_number(struct span text, double *ret)
{
    double value = 0, scale = 1;
    size_t i = 0, digits = 0;
    bool is_negative = text.len > 0 && text.ptr[0] == '-', has_point = false;

    for (i = is_negative ? 1 : 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.' && !has_point) {
            has_point = true;
        } else if (c >= '0' && c <= '9' && digits < 15) {
            digits++;
            value = value * 10 + (c - '0');
            if (has_point)
                scale *= 10;
        } else {
            return false;
        }
    }
    if (digits == 0)
        return false;
    *ret = (is_negative ? -value : value) / scale;
    return true;
}

static int take(struct words *words, struct span text, const struct words_key *key, struct err *err)
{
    double value;

    if (!words_to_number(text, &value))
        return words_fault(words, err, "%s: \"%.*s\" is not a number", key->name, SPAN_ARG(text));
    if (value < key->min || value > key->max)
        return words_fault(words, err, "%s: %.*s is not in %g to %g", key->name, SPAN_ARG(text),
                           key->min, key->max);
    *key->ret = value;
    return 0;
}

int words_number(struct words *words, uint32_t i, const struct words_key *key, struct err *err)
{
    if (i >= words->n)
        return words_fault(words, err, "%.*s needs a number", SPAN_ARG(words->word[0]));
    words->used[i] = true;
    return take(words, words->word[i], key, err);
}

/* The value of KEY= if word `i` is that. */
static bool is_key(struct span word, const char *name, struct span *ret_value)
{
    size_t len = strlen(name);

    if (!span_starts(word, name) || word.len <= len || word.ptr[len] != '=')
        return false;
    *ret_value = (struct span){word.ptr + len + 1, word.len - len - 1};
    return true;
}

static int read_key(struct words *words, uint32_t from, const struct words_key *key,
                    struct err *err)
{
    bool found = false;
    struct span value;

    for (uint32_t i = from; i < words->n; i++) {
        if (!is_key(words->word[i], key->name, &value))
            continue;
        if (found)
            return words_fault(words, err, "%s is given twice", key->name);
        found = words->used[i] = true;
        int rc = take(words, value, key, err);
        if (rc < 0)
            return rc;
    }
    if (!found && !key->is_optional)
        return words_fault(words, err, "%.*s needs %s=", SPAN_ARG(words->word[0]), key->name);
    return 0;
}

int words_keys(struct words *words, uint32_t from, const struct words_key *keys, size_t n,
               struct err *err)
{
    for (size_t k = 0; k < n; k++) {
        int rc = read_key(words, from, &keys[k], err);
        if (rc < 0)
            return rc;
    }
    for (uint32_t i = from; i < words->n; i++) {
        if (!words->used[i])
            return words_fault(words, err, "%.*s does not take \"%.*s\"", SPAN_ARG(words->word[0]),
                               SPAN_ARG(words->word[i]));
    }
    return 0;
}
