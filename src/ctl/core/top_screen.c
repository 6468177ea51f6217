#include "top_screen.h"

#include <inttypes.h>
#include <string.h>

#include "common/reply.h"

#include "fleet_view.h"
#include "happening.h"
#include "table.h"

#define DETAILS_MAX_BYTES ((size_t)64 * 1024)

/* Writes lines until the screen is full. */
struct screen {
    const struct top_view *view;
    struct buf *out;
    size_t rows, cols; /* at least the least */
    size_t row;        /* lines begun */
};

static void line_begin(struct screen *screen)
{
    if (screen->row++ > 0)
        (void)buf_add_str(screen->out, "\n");
}

static void line_text(struct screen *screen, const char *text)
{
    line_begin(screen);
    (void)text_add(screen->out, span_str(text), screen->cols);
}

static size_t rows_left(const struct screen *screen) /* the last one is the footer's */
{
    return screen->rows - 1 > screen->row ? screen->rows - 1 - screen->row : 0;
}

static void draw_title(struct screen *screen, const struct top *top)
{
    char bytes[512], moment[32], text[TEXT_NUMBER_SIZE];
    struct buf left, right;
    char more[256];

    line_begin(screen);
    text_fixed(&left, bytes, sizeof bytes);
    (void)buf_add_str(&left, "orion  ");
    (void)text_add(&left, span_str(screen->view->prefix), 40);
    text_fixed(&right, more, sizeof more);
    (void)buf_add_fmt(&right, "by %s%s  ", seen_order_name(top->order),
                      top->reversed ? " reversed" : "");
    if (top->paused) {
        (void)buf_add_str(&right, "PAUSED at");
    } else {
        (void)buf_add_fmt(&right, "every %s ", text_duration(top->interval_ms, text));
    }
    (void)buf_add_fmt(&right, " %.8s UTC",
                      text_moment(screen->view->fleet->redis_ms, false, moment));
    text_style(screen->out, screen->view->color, TEXT_BOLD);
    size_t room = screen->cols > right.len + 1 ? screen->cols - right.len - 1 : 0;
    size_t cols = text_add(screen->out, buf_span(&left), room);
    text_style(screen->out, screen->view->color, TEXT_PLAIN);
    text_pad(screen->out, room - cols + (room > 0));
    (void)text_add(screen->out, buf_span(&right), screen->cols);
}

/* --- the list --------------------------------------------------------------------------------- */

static void draw_node(struct screen *screen, const struct top *top, const struct table *table,
                      const struct fleet_rows *rows, size_t row)
{
    bool is_chosen = span_is(rows->fleet->nodes[rows->sorted[row]].id, top->chosen);

    line_begin(screen);
    text_style(screen->out, screen->view->color && is_chosen, TEXT_BOLD);
    (void)buf_add_str(screen->out, is_chosen ? "> " : "  ");
    table_row(table, row, screen->out, screen->cols - 2, screen->view->color);
    text_style(screen->out, screen->view->color && is_chosen, TEXT_PLAIN);
}

/* The first row to show so that the chosen one is on the screen. */
static size_t scroll(const struct top *top, const struct fleet_rows *rows, size_t room)
{
    size_t n = rows->fleet->n_nodes, at = 0, first = top->first_row;

    while (at < n && !span_is(rows->fleet->nodes[rows->sorted[at]].id, top->chosen))
        at++;
    at = at < n ? at : 0;
    if (at < first)
        first = at;
    if (at >= first + room)
        first = at - room + 1;
    return n <= room ? 0 : first + room > n ? n - room : first;
}

static void draw_nodes(struct screen *screen, struct top *top, size_t room)
{
    const struct fleet_seen *fleet = screen->view->fleet;
    uint16_t sorted[SEEN_NODES_MAX];
    struct fleet_rows rows = {fleet, sorted};
    struct table table;

    seen_sort(fleet, top->order, top->reversed, sorted);
    fleet_table(&rows, &table);
    table_layout(&table, screen->cols - 2);
    line_begin(screen);
    text_style(screen->out, screen->view->color, TEXT_BOLD);
    (void)buf_add_str(screen->out, "  ");
    table_head(&table, screen->out, screen->cols - 2);
    text_style(screen->out, screen->view->color, TEXT_PLAIN);
    top->first_row = scroll(top, &rows, room);
    size_t end = top->first_row + room < fleet->n_nodes ? top->first_row + room : fleet->n_nodes;
    for (size_t row = top->first_row; row < end; row++)
        draw_node(screen, top, &table, &rows, row);
}

static void draw_queue(struct screen *screen)
{
    static const char *const priorities[REQUEST_PRIORITY_COUNT] = {
        [REQUEST_HIGH] = "high ", [REQUEST_NORMAL] = "", [REQUEST_LOW] = "low "};
    const struct seen_queue *queue = &screen->view->fleet->queue;
    char bytes[2048], text[TEXT_NUMBER_SIZE];
    struct buf line;

    if (queue->n_groups == 0 || rows_left(screen) < 2)
        return;
    text_fixed(&line, bytes, sizeof bytes);
    (void)buf_add_str(&line, "Waiting: ");
    for (size_t i = 0; i < queue->n_groups; i++) {
        const struct seen_group *group = &queue->groups[i];
        (void)buf_add_fmt(&line, "%s%" PRId64 " %s", i ? ", " : "", group->count,
                          priorities[group->priority]);
        (void)text_add(&line, group->model, 60);
        (void)buf_add_fmt(&line, " (%s)", text_duration(group->oldest_ms, text));
    }
    line_text(screen, "");
    line_begin(screen);
    (void)text_add(screen->out, buf_span(&line), screen->cols);
}

/* Newest below, as many as there is room for. */
static void draw_events(struct screen *screen, struct span node)
{
    size_t room = rows_left(screen), shown = 0;
    const struct redisReply *picked[TOP_ROWS_MAX];
    const struct happening_filter filter = {.node = node};

    if (room < 3)
        return;
    line_text(screen, "");
    for (size_t i = 0; i < reply_count(screen->view->events) && shown < room - 1; i++) {
        const struct redisReply *entry = reply_at(screen->view->events, i);
        if (happening_wanted(reply_at(entry, 1), &filter))
            picked[shown++] = entry;
    }
    for (; shown > 0; shown--) {
        const struct redisReply *entry = picked[shown - 1];
        line_begin(screen);
        happening_line(reply_span(reply_at(entry, 0)), reply_at(entry, 1), screen->cols,
                       screen->view->color, screen->out);
        if (screen->out->len > 0 && screen->out->ptr[screen->out->len - 1] == '\n')
            screen->out->len--;
    }
}

static void draw_list(struct screen *screen, struct top *top)
{
    const struct fleet_seen *fleet = screen->view->fleet;
    size_t room = rows_left(screen) - 1, keep = fleet->queue.n_groups ? 2 : 0;

    /* Of a large fleet as much as fits; the queue keeps its line. */
    room = room > keep + 2 ? room - keep : room;
    if (fleet->n_nodes == 0) {
        line_text(screen, "No node: start orion-worker beside an Ollama.");
    } else {
        draw_nodes(screen, top, room);
    }
    draw_queue(screen);
    draw_events(screen, (struct span){NULL, 0});
}

/* --- one node, help --------------------------------------------------------------------------- */

static size_t count_lines(struct span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '\n';
    return n;
}

static void draw_details(struct screen *screen, struct top *top)
{
    const struct seen_node *node = seen_find(screen->view->fleet, span_str(top->chosen));
    size_t room = rows_left(screen);
    struct buf details;

    if (!node) {
        line_text(screen, "This node is gone.");
        return;
    }
    buf_init(&details, DETAILS_MAX_BYTES);
    fleet_node_details(node, screen->cols, screen->view->color, &details);
    struct span rest = buf_span(&details);
    size_t lines = count_lines(rest), last = lines > room ? lines - room : 0, row = 0;
    top->first_row = top->first_row > last ? last : top->first_row;
    for (; rest.len > 0 && rows_left(screen) > 0; row++) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) : rest.len;
        if (row >= top->first_row) {
            line_begin(screen);
            (void)buf_add(screen->out, rest.ptr, len);
        }
        size_t skip = end ? len + 1 : len;
        rest = (struct span){rest.ptr + skip, rest.len - skip};
    }
    buf_done(&details);
    draw_events(screen, node->id);
}

static void draw_help(struct screen *screen)
{
    static const char *const lines[] = {
        "up, down, k, j    choose a node (PgUp, PgDn, Home, End)",
        "Enter             look into it; Esc goes back",
        "s, S              next or previous order: state, temp, cpu, ram, busy ...",
        "r                 turn the order round",
        "d                 drain the node, or take it back into service; asks first",
        "p                 stop and go on",
        "Ctrl-L            look now, and draw everything anew",
        "q                 quit",
        "",
        "PWR  T throttled, V under-voltage, F frequency capped",
        "BUSY what is on the node's stream, of its slots",
        "SEEN since its last sign of life"};

    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && rows_left(screen) > 0; i++)
        line_text(screen, lines[i]);
}

/* --- all of it -------------------------------------------------------------------------------- */

static const char *keys_line(const struct top *top)
{
    switch (top->mode) {
    case TOP_LIST:
        return "q quit  s order  r reverse  Enter node  d drain  p pause  ? keys";
    case TOP_NODE:
        return "Esc back  d drain  p pause  q quit";
    case TOP_HELP:
        return "any key: back";
    case TOP_ASK:
        break;
    }
    return "";
}

static void draw_footer(struct screen *screen, const struct top *top)
{
    const struct seen_node *node = seen_find(screen->view->fleet, span_str(top->chosen));
    char bytes[256];
    struct buf line;

    while (screen->row < screen->rows - 1)
        line_text(screen, "");
    line_begin(screen);
    text_fixed(&line, bytes, sizeof bytes);
    if (top->mode == TOP_ASK) {
        (void)buf_add_fmt(&line, "%s ",
                          node && node->drained ? "Take back into service:" : "Drain");
        (void)text_add(&line, span_str(top->chosen), NODE_ID_MAX);
        (void)buf_add_str(&line, "? y or n");
    } else {
        (void)buf_add_str(&line, top->message[0] ? top->message : keys_line(top));
    }
    enum text_style style = top->is_trouble && top->message[0] ? TEXT_BAD
                            : top->mode == TOP_ASK             ? TEXT_BOLD
                                                               : TEXT_DIM;
    text_style(screen->out, screen->view->color, style);
    (void)text_add(screen->out, buf_span(&line), screen->cols);
    text_style(screen->out, screen->view->color, TEXT_PLAIN);
}

static size_t within(size_t value, size_t least, size_t most)
{
    return value < least ? least : value > most ? most : value;
}

void top_draw(struct top *top, const struct top_view *view, struct buf *out)
{
    struct screen screen = {.view = view,
                            .out = out,
                            .rows = within(view->rows, TOP_ROWS_MIN, TOP_ROWS_MAX),
                            .cols = within(view->cols, TOP_COLS_MIN, TOP_COLS_MAX)};
    enum top_mode mode = top->mode == TOP_ASK ? top->before_ask : top->mode;

    if (view->rows < TOP_ROWS_MIN || view->cols < TOP_COLS_MIN) {
        (void)text_add(out, span_str("too small"), view->cols);
        return;
    }
    draw_title(&screen, top);
    line_begin(&screen);
    fleet_summary(view->fleet, screen.cols, view->color, out);
    line_text(&screen, "");
    if (mode == TOP_LIST)
        draw_list(&screen, top);
    if (mode == TOP_NODE)
        draw_details(&screen, top);
    if (mode == TOP_HELP)
        draw_help(&screen);
    draw_footer(&screen, top);
}
