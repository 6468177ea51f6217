#include "fleet_view.h"

#include <inttypes.h>

#include "common/buf.h"

/* --- the table of nodes ----------------------------------------------------------------------- */

enum column {
    COLUMN_NODE = 0,
    COLUMN_BOARD,
    COLUMN_STATE,
    COLUMN_TEMP,
    COLUMN_POWER,
    COLUMN_CPU,
    COLUMN_RAM,
    COLUMN_BUSY,
    COLUMN_SPEED,
    COLUMN_SEEN,
    COLUMN_MODELS,
    COLUMN_COUNT
};

static const struct table_column columns[COLUMN_COUNT] = {
    [COLUMN_NODE] = {.title = "NODE", .least = 8},
    [COLUMN_BOARD] = {.title = "BOARD", .least = 5},
    [COLUMN_STATE] = {.title = "STATE", .least = 7},
    [COLUMN_TEMP] = {.title = "TEMP", .right = true},
    [COLUMN_POWER] = {.title = "PWR"},
    [COLUMN_CPU] = {.title = "CPU", .right = true},
    [COLUMN_RAM] = {.title = "RAM", .right = true},
    [COLUMN_BUSY] = {.title = "BUSY", .right = true},
    [COLUMN_SPEED] = {.title = "TOK/S", .right = true},
    [COLUMN_SEEN] = {.title = "SEEN", .right = true},
    [COLUMN_MODELS] = {.title = "IN MEMORY", .least = 9},
};

enum text_style fleet_state_style(enum seen_state state)
{
    switch (state) {
    case SEEN_UP:
        return TEXT_GOOD;
    case SEEN_DRAINED:
        return TEXT_DIM;
    case SEEN_RESTING:
    case SEEN_HOT:
    case SEEN_MEMORY:
    case SEEN_LATE:
        return TEXT_WARN;
    case SEEN_LOST:
    case SEEN_BAD:
    case SEEN_STATE_COUNT:
        break;
    }
    return TEXT_BAD;
}

static void number_cell(struct buf *out, double value, int decimals, const char *unit)
{
    if (value == SEEN_UNKNOWN) {
        (void)buf_add_str(out, "-");
    } else {
        (void)buf_add_fmt(out, "%.*f%s", decimals, value, unit);
    }
}

static void power_cell(const struct seen_node *node, struct buf *out, enum text_style *ret_style)
{
    bool any = node->throttled == 1 || node->under_voltage == 1 || node->freq_capped == 1;
    bool known = node->throttled >= 0 || node->under_voltage >= 0 || node->freq_capped >= 0;

    if (any) {
        *ret_style = TEXT_BAD;
        (void)buf_add_str(out, node->throttled == 1 ? "T" : "");
        (void)buf_add_str(out, node->under_voltage == 1 ? "V" : "");
        (void)buf_add_str(out, node->freq_capped == 1 ? "F" : "");
    } else {
        (void)buf_add_str(out, known ? "ok" : "-");
    }
}

static void busy_cell(const struct seen_node *node, struct buf *out)
{
    int64_t busy = node->length >= 0 ? node->length : node->in_flight;

    if (busy < 0) {
        (void)buf_add_str(out, "-");
    } else if (node->slots < 0) {
        (void)buf_add_fmt(out, "%" PRId64, busy);
    } else {
        (void)buf_add_fmt(out, "%" PRId64 "/%" PRId64, busy, node->slots);
    }
}

static void seen_cell(const struct seen_node *node, struct buf *out, enum text_style *ret_style)
{
    char text[TEXT_NUMBER_SIZE];

    (void)buf_add_str(out, text_age(node->age_ms, text));
    if (node->state == SEEN_LATE || node->state == SEEN_LOST)
        *ret_style = fleet_state_style(node->state);
}

static void node_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                      void *arg)
{
    const struct fleet_rows *rows = arg;
    const struct seen_node *node = &rows->fleet->nodes[rows->sorted[row]];
    char text[sizeof node->board];

    switch ((enum column)column) {
    case COLUMN_NODE:
        (void)text_add(out, node->id, TEXT_NO_LIMIT);
        break;
    case COLUMN_BOARD:
        (void)text_add(out, span_str(seen_board_short(node->board, text, sizeof text)),
                       TEXT_NO_LIMIT);
        break;
    case COLUMN_STATE:
        *ret_style = fleet_state_style(node->state);
        (void)text_add(out, span_str(seen_state_text(node)), TEXT_NO_LIMIT);
        break;
    case COLUMN_TEMP:
        if (node->state == SEEN_HOT || node->temp_c >= 80)
            *ret_style = TEXT_WARN;
        number_cell(out, node->temp_c, 1, "C");
        break;
    case COLUMN_POWER:
        power_cell(node, out, ret_style);
        break;
    case COLUMN_CPU:
        number_cell(out, node->cpu_pct, 0, "%");
        break;
    case COLUMN_RAM:
        if (node->state == SEEN_MEMORY)
            *ret_style = TEXT_WARN;
        number_cell(out, node->ram_pct, 0, "%");
        break;
    case COLUMN_BUSY:
        busy_cell(node, out);
        break;
    case COLUMN_SPEED:
        number_cell(out, node->gen_tps, 1, "");
        break;
    case COLUMN_SEEN:
        seen_cell(node, out, ret_style);
        break;
    case COLUMN_MODELS:
        (void)text_add(out, span_str(node->resident[0] ? node->resident : "-"), TEXT_NO_LIMIT);
        break;
    case COLUMN_COUNT:
        break;
    }
}

void fleet_table(struct fleet_rows *rows, struct table *ret)
{
    *ret = (struct table){.columns = columns,
                          .n_columns = COLUMN_COUNT,
                          .n_rows = rows->fleet->n_nodes,
                          .cell = node_cell,
                          .arg = rows};
}

/* --- the summary ------------------------------------------------------------------------------ */

static void add_count(struct buf *out, int64_t n, const char *what)
{
    (void)buf_add_fmt(out, "%" PRId64 " %s%s", n, what, n == 1 ? "" : "s");
}

static void add_states(const struct fleet_seen *fleet, struct buf *out, bool color)
{
    const char *separator = ": ";

    for (int s = 0; s < SEEN_STATE_COUNT; s++) {
        size_t n = seen_count(fleet, (enum seen_state)s);
        if (n == 0)
            continue;
        (void)buf_add_str(out, separator);
        text_style(out, color, fleet_state_style((enum seen_state)s));
        (void)buf_add_fmt(out, "%zu %s", n, seen_state_name((enum seen_state)s));
        text_style(out, color, TEXT_PLAIN);
        separator = ", ";
    }
}

static void add_brief(const struct fleet_seen *fleet, struct buf *out)
{
    size_t up = seen_count(fleet, SEEN_UP);

    (void)buf_add_fmt(out, ": %zu up, %zu not", up, fleet->n_nodes - up);
}

static void add_summary(const struct fleet_seen *fleet, bool brief, bool color, struct buf *out)
{
    size_t alive = seen_routers_alive(fleet);
    char text[TEXT_NUMBER_SIZE];

    add_count(out, (int64_t)fleet->n_nodes, "node");
    if (brief) {
        add_brief(fleet, out);
    } else {
        add_states(fleet, out, color);
    }
    (void)buf_add_str(out, " | ");
    text_style(out, color && alive == 0, TEXT_BAD);
    add_count(out, (int64_t)alive, "router");
    text_style(out, color && alive == 0, TEXT_PLAIN);
    (void)buf_add_fmt(out, " | %" PRId64 " waiting", fleet->queue.length);
    if (fleet->queue.oldest_ms >= 0)
        (void)buf_add_fmt(out, ", oldest %s", text_duration(fleet->queue.oldest_ms, text));
    (void)buf_add_fmt(out, " | %" PRId64 " on nodes", seen_running(fleet));
}

void fleet_summary(const struct fleet_seen *fleet, size_t width, bool color, struct buf *out)
{
    char bytes[512];
    struct buf plain;

    for (int brief = 0; brief <= 1; brief++) {
        text_fixed(&plain, bytes, sizeof bytes);
        add_summary(fleet, brief, false, &plain);
        if (plain.len <= width) {
            add_summary(fleet, brief, color, out);
            return;
        }
    }
    (void)text_add(out, buf_span(&plain), width);
}

bool fleet_serves(const struct fleet_seen *fleet)
{
    return seen_routers_alive(fleet) > 0 && seen_count(fleet, SEEN_UP) > 0;
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *priority_name(enum request_priority priority)
{
    static const char *const names[REQUEST_PRIORITY_COUNT] = {
        [REQUEST_HIGH] = "high", [REQUEST_NORMAL] = "normal", [REQUEST_LOW] = "low"};

    return names[priority];
}

static void group_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                       void *arg)
{
    const struct seen_group *group = &((const struct seen_queue *)arg)->groups[row];
    char text[TEXT_NUMBER_SIZE];

    *ret_style = TEXT_PLAIN;
    if (column == 0)
        (void)buf_add_str(out, priority_name(group->priority));
    if (column == 1)
        (void)text_add(out, group->model, TEXT_NO_LIMIT);
    if (column == 2)
        (void)buf_add_fmt(out, "%" PRId64, group->count);
    if (column == 3)
        (void)buf_add_str(out, text_duration(group->oldest_ms, text));
}

static void add_queue(const struct fleet_seen *fleet, size_t width, bool color, struct buf *out)
{
    static const struct table_column titles[] = {{.title = "WAITING"},
                                                 {.title = "MODEL", .least = 12},
                                                 {.title = "REQUESTS", .right = true},
                                                 {.title = "OLDEST", .right = true}};
    struct seen_queue queue = fleet->queue;
    struct table table = {.columns = titles,
                          .n_columns = 4,
                          .n_rows = queue.n_groups,
                          .cell = group_cell,
                          .arg = &queue};

    if (queue.length == 0)
        return;
    (void)buf_add_str(out, "\n");
    table_print(&table, out, 0, width, color);
    if (queue.n_others > 0)
        (void)buf_add_fmt(out, "and %" PRId64 " of other models\n", queue.n_others);
    if (queue.looked_at < queue.length)
        (void)buf_add_fmt(out, "(counted among the first %" PRId64 ")\n", queue.looked_at);
}

static void add_known(struct buf *out, int64_t n)
{
    (void)buf_add_fmt(out, n < 0 ? "-" : "%" PRId64, n);
}

static void router_cell(size_t row, size_t column, struct buf *out, enum text_style *ret_style,
                        void *arg)
{
    const struct seen_router *router = &((const struct fleet_rows *)arg)->fleet->routers[row];
    char text[TEXT_NUMBER_SIZE];

    if (column == 0)
        (void)text_add(out, router->id, TEXT_NO_LIMIT);
    if (column == 1) {
        *ret_style = router->alive ? TEXT_GOOD : TEXT_BAD;
        (void)buf_add_str(out, router->alive ? "up" : "lost");
    }
    if (column == 2)
        (void)text_add(out, span_str(router->version[0] ? router->version : "-"), TEXT_NO_LIMIT);
    if (column == 3)
        add_known(out, router->window);
    if (column == 4)
        add_known(out, router->parked);
    if (column == 5)
        (void)buf_add_str(out, text_age(router->age_ms, text));
}

static void add_routers(const struct fleet_seen *fleet, size_t width, bool color, struct buf *out)
{
    static const struct table_column titles[] = {
        {.title = "ROUTER", .least = 8},    {.title = "STATE"},
        {.title = "VERSION", .least = 7},   {.title = "WINDOW", .right = true},
        {.title = "PARKED", .right = true}, {.title = "SEEN", .right = true}};
    struct fleet_rows rows = {fleet, NULL}; /* as they were seen, not sorted */
    struct table table = {.columns = titles,
                          .n_columns = 6,
                          .n_rows = fleet->n_routers,
                          .cell = router_cell,
                          .arg = &rows};

    (void)buf_add_str(out, "\n");
    if (fleet->n_routers > 0) {
        table_print(&table, out, 0, width, color);
    } else {
        (void)buf_add_str(out, "No router: nothing is given to a node. Start orion-router.\n");
    }
}

void fleet_status(const struct fleet_seen *fleet, const char *where, const char *prefix,
                  size_t width, bool color, struct buf *out)
{
    uint16_t sorted[SEEN_NODES_MAX];
    struct fleet_rows rows = {fleet, sorted};
    struct table table;

    (void)text_add(out, span_str(prefix), TEXT_NO_LIMIT);
    (void)buf_add_str(out, " at ");
    (void)text_add(out, span_str(where), TEXT_NO_LIMIT);
    (void)buf_add_str(out, "\n");
    fleet_summary(fleet, width, color, out);
    (void)buf_add_str(out, "\n\n");
    if (fleet->n_nodes > 0) {
        seen_sort(fleet, SEEN_BY_NODE, false, sorted);
        fleet_table(&rows, &table);
        table_print(&table, out, 0, width, color);
    } else {
        (void)buf_add_str(out, "No node: start orion-worker beside an Ollama.\n");
    }
    if (fleet->nodes_left_out > 0)
        (void)buf_add_fmt(out, "and %zu more nodes\n", fleet->nodes_left_out);
    add_queue(fleet, width, color, out);
    add_routers(fleet, width, color, out);
}
