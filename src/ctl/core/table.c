#include "table.h"

#include <assert.h>
#include <string.h>

static size_t total(const struct table *table)
{
    size_t sum = table->gap * (table->n_columns - 1);

    for (size_t c = 0; c < table->n_columns; c++)
        sum += table->widths[c];
    return sum;
}

static struct span cell_text(const struct table *table, size_t row, size_t column, struct buf *cell,
                             char bytes[static TABLE_CELL_BYTES], enum text_style *ret_style)
{
    text_fixed(cell, bytes, TABLE_CELL_BYTES);
    *ret_style = TEXT_PLAIN;
    table->cell(row, column, cell, ret_style, table->arg);
    return buf_span(cell);
}

static void measure(struct table *table)
{
    char bytes[TABLE_CELL_BYTES];
    enum text_style style;
    struct buf cell;

    for (size_t c = 0; c < table->n_columns; c++) {
        size_t widest = strlen(table->columns[c].title);
        for (size_t row = 0; row < table->n_rows; row++) {
            size_t cols = text_cols(cell_text(table, row, c, &cell, bytes, &style));
            widest = cols > widest ? cols : widest;
        }
        table->widths[c] = widest;
    }
}

/* Takes one column off the widest that may be cut; false if there is none. */
static bool shrink(struct table *table)
{
    size_t widest = table->n_columns;

    for (size_t c = 0; c < table->n_columns; c++) {
        if (table->columns[c].least == 0 || table->widths[c] <= table->columns[c].least)
            continue;
        if (widest == table->n_columns || table->widths[c] >= table->widths[widest])
            widest = c;
    }
    if (widest == table->n_columns)
        return false;
    table->widths[widest]--;
    return true;
}

void table_layout(struct table *table, size_t width)
{
    assert(table->n_columns > 0 && table->n_columns <= TABLE_COLUMNS_MAX);
    measure(table);
    table->gap = 2;
    if (width == TEXT_NO_LIMIT)
        return;
    if (total(table) > width)
        table->gap = 1;
    while (total(table) > width && shrink(table))
        continue;
}

/* Where in the line we are. */
struct line {
    struct buf *out;
    size_t col, width;
};

static void line_pad(struct line *line, size_t cols)
{
    if (cols > line->width - line->col)
        cols = line->width - line->col;
    text_pad(line->out, cols);
    line->col += cols;
}

static void line_cell(struct line *line, const struct table *table, size_t column, struct span text,
                      bool color, enum text_style style)
{
    size_t width = table->widths[column], cols = text_cols(text);
    size_t pad = cols < width ? width - cols : 0;
    bool is_last = column + 1 == table->n_columns;

    if (column > 0)
        line_pad(line, table->gap);
    if (table->columns[column].right)
        line_pad(line, pad);
    size_t room = line->width - line->col < width ? line->width - line->col : width;
    text_style(line->out, color && style != TEXT_PLAIN, style);
    line->col += text_add(line->out, text, room);
    text_style(line->out, color && style != TEXT_PLAIN, TEXT_PLAIN);
    if (!table->columns[column].right && !is_last)
        line_pad(line, pad);
}

void table_head(const struct table *table, struct buf *out, size_t width)
{
    struct line line = {.out = out, .width = width};

    for (size_t c = 0; c < table->n_columns; c++)
        line_cell(&line, table, c, span_str(table->columns[c].title), false, TEXT_PLAIN);
}

void table_row(const struct table *table, size_t row, struct buf *out, size_t width, bool color)
{
    struct line line = {.out = out, .width = width};
    char bytes[TABLE_CELL_BYTES];
    enum text_style style;
    struct buf cell;

    for (size_t c = 0; c < table->n_columns; c++) {
        struct span text = cell_text(table, row, c, &cell, bytes, &style);
        line_cell(&line, table, c, text, color, style);
    }
}

void table_print(struct table *table, struct buf *out, size_t indent, size_t width, bool color)
{
    size_t inner = width == TEXT_NO_LIMIT || width <= indent ? TEXT_NO_LIMIT : width - indent;

    table_layout(table, inner);
    text_pad(out, indent);
    text_style(out, color, TEXT_BOLD);
    table_head(table, out, inner);
    text_style(out, color, TEXT_PLAIN);
    (void)buf_add_str(out, "\n");
    for (size_t row = 0; row < table->n_rows; row++) {
        text_pad(out, indent);
        table_row(table, row, out, inner, color);
        (void)buf_add_str(out, "\n");
    }
}
