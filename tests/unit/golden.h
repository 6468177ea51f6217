#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

/* Reads a table of tests/golden: lines of a word and the rest, `#` begins a comment. Header only.
 */

#include <stdio.h>
#include <string.h>

#include "test.h"

#define GOLDEN_LINE_MAX 2048 /* bytes, newline and NUL included */

/* Calls on_line for every line but empty ones and comments; `rest` is "" if there is only a word.
 */
static inline void golden_read(const char *path,
                               void (*on_line)(const char *word, const char *rest, void *arg),
                               void *arg)
{
    char line[GOLDEN_LINE_MAX];
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        size_t len = strcspn(line, "\n");
        assert_int_equal(line[len], '\n');
        line[len] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        char *rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = '\0';
        on_line(line, rest, arg);
    }
    (void)fclose(f);
}

#endif
