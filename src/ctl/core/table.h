#ifndef CTL_TABLE_H
#define CTL_TABLE_H

/*
 * Tables for a terminal: columns as wide as what is in them, and narrower ones where the width does
 * not suffice. Pure: the cells come from a callback, nothing is kept.
 */

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

#define TABLE_COLUMNS_MAX 16
#define TABLE_CELL_BYTES  512 /* of one cell; more is left out */

struct table_column {
    const char *title; /* ASCII */
    bool right;        /* numbers */
    size_t least;      /* columns it may be cut to when there is no room; 0: never cut */
};

/* Writes one cell with text_add() or plain ASCII into `out` and its style into *ret_style. */
typedef void table_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                        void *arg);

struct table {
    const struct table_column *columns;
    size_t n_columns, n_rows;
    table_cell *cell;
    void *arg;
    size_t widths[TABLE_COLUMNS_MAX]; /* table_layout() */
    size_t gap;
};

/* Measures all cells: two columns between cells if that fits into `width`, else one, else columns
 * with `least` are cut, the widest first. */
void table_layout(struct table *table, size_t width);

/* One line each, without the newline, never wider than `width`. */
void table_head(const struct table *table, struct buf *out, size_t width);
void table_row(const struct table *table, size_t row, struct buf *out, size_t width, bool color);

/* All of it: layout, head and rows with `indent` blanks before and a newline behind each. */
void table_print(struct table *table, struct buf *out, size_t indent, size_t width, bool color);

#endif
