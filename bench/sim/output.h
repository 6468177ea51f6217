#ifndef SIM_OUTPUT_H
#define SIM_OUTPUT_H

/* Reports for people (a table, a chart) and for programs (JSON, CSV). */

#include <stdio.h>

#include "run.h"

/* Means per policy; the others against the first, and all against the bound. */
void output_table(FILE *file, const struct report *report);

/* JSON: an array of one object per scenario: `scenario`, `about`, `load`, `discipline`, `seeds`,
 * `runs` (each with `policy`, `seed`, `hash` and the figures of result.h) and `means`. `is_first`:
 * of the array. */
void output_json(FILE *file, const struct report *report, bool is_first);

/* CSV: one line per run. */
void output_csv(FILE *file, const struct report *report, bool is_first);

/* Cumulative distribution of latency, one panel per report, one curve per policy. Returns 0, or a
 * negative errno value if the file cannot be written. */
int output_svg(const char *path, const struct report *reports, size_t n);

#endif
