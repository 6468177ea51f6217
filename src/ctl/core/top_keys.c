#include <string.h>

#include "common/reply.h"

#include "top_screen.h"

/* --- bytes to keys ---------------------------------------------------------------------------- */

/* Escape sequences of xterm, the Linux console and tmux. */
static int sequence_key(const char *body, size_t len)
{
    static const struct {
        const char *body;
        int key;
    } rows[] = {{"A", TOP_KEY_UP},        {"B", TOP_KEY_DOWN},  {"H", TOP_KEY_HOME},
                {"F", TOP_KEY_END},       {"1~", TOP_KEY_HOME}, {"4~", TOP_KEY_END},
                {"7~", TOP_KEY_HOME},     {"8~", TOP_KEY_END},  {"5~", TOP_KEY_PAGE_UP},
                {"6~", TOP_KEY_PAGE_DOWN}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strlen(rows[i].body) == len && memcmp(rows[i].body, body, len) == 0)
            return rows[i].key;
    }
    return TOP_KEY_NONE;
}

int top_key_take(const char *bytes, size_t len, size_t *ret_used)
{
    size_t end = 2;

    *ret_used = 1;
    if (bytes[0] != '\033')
        return (unsigned char)bytes[0];
    if (len < 2 || (bytes[1] != '[' && bytes[1] != 'O'))
        return TOP_KEY_ESCAPE;
    while (end < len && !(bytes[end] >= '@' && bytes[end] <= '~'))
        end++;
    *ret_used = end < len ? end + 1 : len;
    return end < len ? sequence_key(bytes + 2, end - 1) : TOP_KEY_NONE;
}

/* --- the chosen node -------------------------------------------------------------------------- */

static size_t position_of(const struct top *top, const struct fleet_seen *fleet,
                          const uint16_t *sorted)
{
    size_t i = 0;

    while (i < fleet->n_nodes && !span_is(fleet->nodes[sorted[i]].id, top->chosen))
        i++;
    return i;
}

static void choose(struct top *top, const struct seen_node *node)
{
    (void)span_copy(node->id, top->chosen, sizeof top->chosen);
}

void top_settle(struct top *top, const struct fleet_seen *fleet)
{
    if (fleet->n_nodes == 0) {
        top->chosen[0] = '\0';
        return;
    }
    if (!seen_find(fleet, span_str(top->chosen))) {
        uint16_t sorted[SEEN_NODES_MAX];
        seen_sort(fleet, top->order, top->reversed, sorted);
        choose(top, &fleet->nodes[sorted[0]]);
    }
}

static void move(struct top *top, const struct fleet_seen *fleet, long by)
{
    uint16_t sorted[SEEN_NODES_MAX];

    if (fleet->n_nodes == 0)
        return;
    seen_sort(fleet, top->order, top->reversed, sorted);
    size_t at = position_of(top, fleet, sorted);
    long to = at < fleet->n_nodes ? (long)at + by : 0, last = (long)fleet->n_nodes - 1;
    to = to < 0 ? 0 : to > last ? last : to;
    choose(top, &fleet->nodes[sorted[to]]);
}

/* --- keys ------------------------------------------------------------------------------------- */

static long page(const struct top_view *view)
{
    return view->rows > 12 ? (long)view->rows - 10 : 2;
}

/* How far a key moves; 0 if it does not. */
static long step_of(const struct top_view *view, int key)
{
    switch (key) {
    case TOP_KEY_UP:
    case 'k':
        return -1;
    case TOP_KEY_DOWN:
    case 'j':
        return 1;
    case TOP_KEY_PAGE_UP:
        return -page(view);
    case TOP_KEY_PAGE_DOWN:
    case ' ':
        return page(view);
    case TOP_KEY_HOME:
        return -SEEN_NODES_MAX;
    case TOP_KEY_END:
        return SEEN_NODES_MAX;
    default:
        return 0;
    }
}

static enum top_action ask(struct top *top, const struct fleet_seen *fleet)
{
    if (!seen_find(fleet, span_str(top->chosen)))
        return TOP_NOTHING;
    top->before_ask = top->mode;
    top->mode = TOP_ASK;
    return TOP_REDRAW;
}

static enum top_action answer(struct top *top, const struct fleet_seen *fleet, int key)
{
    const struct seen_node *node = seen_find(fleet, span_str(top->chosen));

    top->mode = top->before_ask;
    if ((key != 'y' && key != 'Y') || !node)
        return TOP_REDRAW;
    return node->drained ? TOP_UNDRAIN : TOP_DRAIN;
}

/* Keys that mean the same in the list and in a node's details. */
static enum top_action common_key(struct top *top, const struct fleet_seen *fleet, int key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return TOP_QUIT;
    case 'd':
    case 'D':
        return ask(top, fleet);
    case 'p':
    case 'P':
        top->paused = !top->paused;
        return top->paused ? TOP_REDRAW : TOP_REFRESH;
    case 'L' - '@': /* Ctrl-L */
    case 'R' - '@':
        return TOP_REFRESH;
    default:
        return TOP_NOTHING;
    }
}

static enum top_action list_key(struct top *top, const struct top_view *view, int key)
{
    long step = step_of(view, key);

    if (step != 0) {
        move(top, view->fleet, step);
        return TOP_REDRAW;
    }
    switch (key) {
    case '\r':
    case '\n':
        top->mode = top->chosen[0] ? TOP_NODE : TOP_LIST;
        top->first_row = 0;
        return TOP_REDRAW;
    case 's':
        top->order = (enum seen_order)((top->order + 1) % SEEN_ORDER_COUNT);
        return TOP_REDRAW;
    case 'S':
        top->order = (enum seen_order)((top->order + SEEN_ORDER_COUNT - 1) % SEEN_ORDER_COUNT);
        return TOP_REDRAW;
    case 'r':
        top->reversed = !top->reversed;
        return TOP_REDRAW;
    case '?':
    case 'h':
        top->mode = TOP_HELP;
        return TOP_REDRAW;
    default:
        return common_key(top, view->fleet, key);
    }
}

static enum top_action node_key(struct top *top, const struct top_view *view, int key)
{
    long step = step_of(view, key);

    if (step != 0) {
        long to = (long)top->first_row + step;
        top->first_row = to < 0 ? 0 : (size_t)to; /* top_draw() holds the end */
        return TOP_REDRAW;
    }
    if (key == TOP_KEY_ESCAPE || key == '\r' || key == '\n' || key == 0x7f || key == 0x08) {
        top->mode = TOP_LIST;
        top->first_row = 0;
        return TOP_REDRAW;
    }
    return common_key(top, view->fleet, key);
}

enum top_action top_key(struct top *top, const struct top_view *view, int key)
{
    if (key == TOP_KEY_NONE)
        return TOP_NOTHING;
    if (!top->is_trouble)
        top->message[0] = '\0';
    switch (top->mode) {
    case TOP_LIST:
        return list_key(top, view, key);
    case TOP_NODE:
        return node_key(top, view, key);
    case TOP_HELP:
        top->mode = TOP_LIST;
        return TOP_REDRAW;
    case TOP_ASK:
        return answer(top, view->fleet, key);
    }
    return TOP_NOTHING;
}
