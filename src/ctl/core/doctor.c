#include "doctor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_out.h"
#include "text.h"

void doctor_find(struct doctor *doctor, enum finding_level level, const char *subject,
                 const char *todo, const char *fmt, ...)
{
    va_list ap;

    doctor->counts[level]++;
    if (doctor->n == FINDINGS_MAX) {
        doctor->left_out++;
        return;
    }
    struct finding *finding = &doctor->findings[doctor->n++];
    finding->level = level;
    (void)snprintf(finding->subject, sizeof finding->subject, "%s", subject);
    (void)snprintf(finding->todo, sizeof finding->todo, "%s", todo);
    va_start(ap, fmt);
    (void)vsnprintf(finding->what, sizeof finding->what, fmt, ap);
    va_end(ap);
}

static const char *level_name(enum finding_level level)
{
    static const char *const names[FINDING_LEVEL_COUNT] = {[FINDING_OK] = "ok",
                                                           [FINDING_NOTE] = "note",
                                                           [FINDING_WARN] = "warning",
                                                           [FINDING_BAD] = "bad"};

    assert(level < FINDING_LEVEL_COUNT);
    return names[level];
}

static enum text_style level_style(enum finding_level level)
{
    static const enum text_style styles[FINDING_LEVEL_COUNT] = {[FINDING_OK] = TEXT_GOOD,
                                                                [FINDING_NOTE] = TEXT_PLAIN,
                                                                [FINDING_WARN] = TEXT_WARN,
                                                                [FINDING_BAD] = TEXT_BAD};

    return styles[level];
}

#define LEVEL_COLS 9

static void add_finding(const struct finding *finding, size_t width, bool color, struct buf *out)
{
    (void)buf_add_str(out, "  ");
    text_style(out, color, level_style(finding->level));
    size_t cols = text_add(out, span_str(level_name(finding->level)), LEVEL_COLS);
    text_style(out, color, TEXT_PLAIN);
    text_pad(out, LEVEL_COLS - cols);
    text_wrap(out, span_str(finding->what), 2 + LEVEL_COLS, 2 + LEVEL_COLS, width);
    (void)buf_add_str(out, "\n");
    if (!finding->todo[0])
        return;
    text_pad(out, 2 + LEVEL_COLS);
    (void)buf_add_str(out, "-> ");
    text_wrap(out, span_str(finding->todo), 5 + LEVEL_COLS, 5 + LEVEL_COLS, width);
    (void)buf_add_str(out, "\n");
}

/* Has the subject of findings[i] come before? */
static bool is_repeated(const struct doctor *doctor, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(doctor->findings[j].subject, doctor->findings[i].subject) == 0)
            return true;
    }
    return false;
}

static void add_subject(const struct doctor *doctor, size_t first, size_t width, bool color,
                        struct buf *out)
{
    const char *subject = doctor->findings[first].subject;

    text_style(out, color, TEXT_BOLD);
    (void)text_add(out, span_str(subject), width);
    text_style(out, color, TEXT_PLAIN);
    (void)buf_add_str(out, "\n");
    for (int level = FINDING_LEVEL_COUNT - 1; level >= 0; level--) {
        for (size_t i = first; i < doctor->n; i++) {
            if (doctor->findings[i].level == (enum finding_level)level &&
                strcmp(doctor->findings[i].subject, subject) == 0)
                add_finding(&doctor->findings[i], width, color, out);
        }
    }
}

void doctor_text(const struct doctor *doctor, size_t width, bool color, struct buf *out)
{
    size_t columns = width == TEXT_NO_LIMIT ? 100 : width < 40 ? 40 : width;

    for (size_t i = 0; i < doctor->n; i++) {
        if (!is_repeated(doctor, i))
            add_subject(doctor, i, columns, color, out);
    }
    (void)buf_add_fmt(out, "\n%zu bad, %zu warning%s, %zu note%s, %zu ok\n",
                      doctor->counts[FINDING_BAD], doctor->counts[FINDING_WARN],
                      doctor->counts[FINDING_WARN] == 1 ? "" : "s", doctor->counts[FINDING_NOTE],
                      doctor->counts[FINDING_NOTE] == 1 ? "" : "s", doctor->counts[FINDING_OK]);
    if (doctor->left_out > 0)
        (void)buf_add_fmt(out, "(%zu findings are not shown)\n", doctor->left_out);
}

void doctor_json(const struct doctor *doctor, struct buf *out)
{
    json_out_open(out, NULL, '{');
    json_out_open(out, "findings", '[');
    for (size_t i = 0; i < doctor->n; i++) {
        json_out_open(out, NULL, '{');
        json_out_str(out, "level", level_name(doctor->findings[i].level));
        json_out_str(out, "subject", doctor->findings[i].subject);
        json_out_str(out, "what", doctor->findings[i].what);
        json_out_str(out, "todo", doctor->findings[i].todo);
        json_out_close(out, '}');
    }
    json_out_close(out, ']');
    for (int level = FINDING_LEVEL_COUNT - 1; level >= 0; level--)
        json_out_i64(out, level_name((enum finding_level)level), (int64_t)doctor->counts[level]);
    json_out_i64(out, "left_out", (int64_t)doctor->left_out);
    json_out_close(out, '}');
    (void)buf_add_str(out, "\n");
}
