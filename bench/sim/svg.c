/* The chart: latency curves, one panel per scenario. Only what every viewer of SVG draws. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/grow.h"
#include "output.h"

#define PANEL_W  620
#define PANEL_H  400
#define LEFT     58
#define RIGHT    18
#define TOP      44
#define BOTTOM   46
#define LEGEND_H 30
#define COLUMNS  2

/* Okabe and Ito's colours, which colour-blind people can tell apart; then greys. */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#8c6d1f", "#7a7a7a"};
#define COLOURS (sizeof colours / sizeof colours[0])

struct panel {
    FILE *file;
    const struct report *report;
    double x, y;         /* of its top left corner */
    double min_s, max_s; /* of the axis, logarithmic */
};

/* What XML would misread is left out: names and words of scenarios have none of it. */
static void print_text(FILE *file, const char *text)
{
    for (; *text; text++) {
        if (!strchr("<>&\"'", *text) && (unsigned char)*text >= ' ')
            (void)fputc(*text, file);
    }
}

/* Mean over seeds of each quantile. */
static void mean_curve(const struct report *report, size_t policy, bool is_bound, double *ret)
{
    const struct outcome *outcomes;
    size_t n = run_of_policy(report, policy, &outcomes);

    for (size_t q = 0; q < RUN_QUANTILES; q++) {
        ret[q] = 0;
        for (size_t i = 0; i < n; i++)
            ret[q] += (is_bound ? outcomes[i].bound_s[q] : outcomes[i].latency_s[q]) / (double)n;
    }
}

static double x_of(const struct panel *panel, double seconds)
{
    double clipped = seconds < panel->min_s ? panel->min_s : seconds;

    if (clipped > panel->max_s)
        clipped = panel->max_s;
    return panel->x + LEFT +
           (PANEL_W - LEFT - RIGHT) * log(clipped / panel->min_s) /
               log(panel->max_s / panel->min_s);
}

static double y_of(const struct panel *panel, double share)
{
    return panel->y + PANEL_H - BOTTOM - (PANEL_H - TOP - BOTTOM) * share;
}

static void draw_curve(const struct panel *panel, const double *seconds, const char *colour,
                       double width, const char *dashes)
{
    (void)fprintf(panel->file,
                  "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" "
                  "stroke-linejoin=\"round\"%s points=\"",
                  colour, width, dashes);
    for (size_t q = 0; q < RUN_QUANTILES; q++)
        (void)fprintf(panel->file, "%.1f,%.1f ", x_of(panel, seconds[q]),
                      y_of(panel, (double)q / (RUN_QUANTILES - 1)));
    (void)fputs("\"/>\n", panel->file);
}

static void draw_label(const struct panel *panel, double x, double y, const char *anchor,
                       const char *text)
{
    (void)fprintf(panel->file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    print_text(panel->file, text);
    (void)fputs("</text>\n", panel->file);
}

static void draw_line(const struct panel *panel, double x1, double y1, double x2, double y2)
{
    (void)fprintf(panel->file,
                  "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#d8d8d8\"/>\n",
                  x1, y1, x2, y2);
}

static void draw_axes(const struct panel *panel)
{
    static const double ticks[] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
    static const double shares[] = {0, 0.25, 0.5, 0.75, 0.9, 0.99};
    char text[32];

    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double y = y_of(panel, shares[i]);
        draw_line(panel, panel->x + LEFT, y, panel->x + PANEL_W - RIGHT, y);
        (void)snprintf(text, sizeof text, "P%.0f", shares[i] * 100);
        draw_label(panel, panel->x + LEFT - 8, y + 4, "end", text);
    }
    for (size_t i = 0; i < sizeof ticks / sizeof ticks[0]; i++) {
        if (ticks[i] < panel->min_s || ticks[i] > panel->max_s)
            continue;
        double x = x_of(panel, ticks[i]);
        draw_line(panel, x, y_of(panel, 0), x, y_of(panel, 1));
        (void)snprintf(text, sizeof text, "%.0f", ticks[i]);
        draw_label(panel, x, y_of(panel, 0) + 18, "middle", text);
    }
    draw_label(panel, panel->x + LEFT + (PANEL_W - LEFT - RIGHT) / 2.0, panel->y + PANEL_H - 10,
               "middle", "seconds from arrival to the whole answer");
}

static void draw_panel(struct panel *panel)
{
    const struct report *report = panel->report;
    double curve[RUN_QUANTILES], largest = 10;

    panel->min_s = 1;
    for (size_t p = 0; p < report->setup->n_policies; p++) {
        mean_curve(report, p, false, curve);
        if (curve[RUN_QUANTILES - 2] > largest)
            largest = curve[RUN_QUANTILES - 2];
    }
    panel->max_s = largest * 1.1;
    draw_axes(panel);
    (void)fprintf(panel->file, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"15\" font-weight=\"bold\">",
                  panel->x + LEFT, panel->y + 18);
    print_text(panel->file, report->sim_case->scenario.name);
    (void)fputs("</text>\n", panel->file);
    draw_label(panel, panel->x + LEFT, panel->y + 34, "start", report->sim_case->scenario.about);
    mean_curve(report, 0, true, curve);
    draw_curve(panel, curve, "#222222", 1.4, " stroke-dasharray=\"2 4\"");
    for (size_t p = report->setup->n_policies; p-- > 0;) {
        mean_curve(report, p, false, curve);
        draw_curve(panel, curve, colours[p % COLOURS], p == 0 ? 3.2 : 1.8,
                   p >= COLOURS ? " stroke-dasharray=\"7 4\"" : "");
    }
}

static double draw_legend_item(FILE *file, double x, double y, const char *name, const char *colour,
                               double width, const char *dashes)
{
    (void)fprintf(file,
                  "<line x1=\"%.0f\" y1=\"%.0f\" x2=\"%.0f\" y2=\"%.0f\" stroke=\"%s\" "
                  "stroke-width=\"%.1f\"%s/>\n<text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
                  x, y, x + 26, y, colour, width, dashes, x + 32, y + 4, name);
    return x + 32 + 7.2 * (double)strlen(name) + 20;
}

/* Returns the number of lines that the legend takes; draws only if there is a file. */
static int draw_legend(FILE *file, const struct setup *setup, double width)
{
    double x = LEFT, y = 20;
    int lines = 1;

    for (size_t p = 0; p <= setup->n_policies; p++) {
        bool is_bound = p == setup->n_policies;
        const char *name = is_bound ? "physical bound" : setup->policies[p]->name;
        double needed = 52 + 7.2 * (double)strlen(name);

        if (x + needed > width - RIGHT) {
            x = LEFT;
            y += LEGEND_H;
            lines++;
        }
        if (!file)
            x += needed;
        else if (is_bound)
            x = draw_legend_item(file, x, y, name, "#222222", 1.4, " stroke-dasharray=\"2 4\"");
        else
            x = draw_legend_item(file, x, y, name, colours[p % COLOURS], p == 0 ? 3.2 : 1.8,
                                 p >= COLOURS ? " stroke-dasharray=\"7 4\"" : "");
    }
    return lines;
}

int output_svg(const char *path, const struct report *reports, size_t n)
{
    FILE *file = fopen(path, "we");
    size_t columns = n < COLUMNS ? n : COLUMNS, rows = (n + columns - 1) / columns;
    double width = (double)columns * PANEL_W;

    if (!file)
        return -errno;

    double legend_h = LEGEND_H * draw_legend(NULL, reports[0].setup, width);
    double height = (double)rows * PANEL_H + legend_h;

    (void)fprintf(file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" font-size=\"12\" "
                  "fill=\"#333333\">\n<rect width=\"%.0f\" height=\"%.0f\" fill=\"white\"/>\n",
                  width, height, width, height, width, height);
    (void)draw_legend(file, reports[0].setup, width);
    for (size_t i = 0; i < n; i++) {
        struct panel panel = {.file = file,
                              .report = &reports[i],
                              .x = (double)(i % columns) * PANEL_W,
                              .y = legend_h + (double)(i / columns) * PANEL_H};
        draw_panel(&panel);
    }
    (void)fputs("</svg>\n", file);
    return fclose(file) == 0 ? 0 : -errno;
}
