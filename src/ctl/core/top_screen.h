#ifndef CTL_TOP_SCREEN_H
#define CTL_TOP_SCREEN_H

/*
 * `orionctl top` as values: keys go in, an action and the lines of the screen come out. Pure: no
 * terminal, no clock, no Redis. What is chosen is remembered by the node's id, so that it stays
 * chosen when the order changes.
 *
 *     LIST --Enter--> NODE --Esc--> LIST        LIST, NODE --d--> ASK --y or another key--> back
 *     LIST --?--> HELP --any key--> LIST        any --q--> quit (ASK and HELP: back)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/node_id.h"

#include "fleet_seen.h"

struct redisReply;

#define TOP_ROWS_MIN 8
#define TOP_COLS_MIN 40
#define TOP_COLS_MAX 512 /* wider terminals are used up to here */
#define TOP_ROWS_MAX 512

enum top_mode { TOP_LIST = 0, TOP_NODE, TOP_HELP, TOP_ASK };

enum top_action {
    TOP_NOTHING = 0,
    TOP_REDRAW,  /* something on the screen is different */
    TOP_REFRESH, /* look at the fleet now */
    TOP_DRAIN,   /* drain or undrain `chosen` */
    TOP_UNDRAIN,
    TOP_QUIT,
};

struct top {
    enum top_mode mode, before_ask;
    enum seen_order order;
    bool reversed, paused;
    char chosen[NODE_ID_MAX + 1]; /* "" as long as there is no node */
    size_t first_row;             /* of the list that is shown; of the details in TOP_NODE */
    int64_t interval_ms;
    char message[160]; /* what happened last; "" for nothing */
    bool is_trouble;   /* the message is bad news */
};

/* What is drawn. */
struct top_view {
    const struct fleet_seen *fleet;
    const struct redisReply *events; /* XREVRANGE of P:events, newest first; NULL */
    const char *prefix;
    size_t rows, cols; /* of the terminal, as they are */
    bool color;
};

/* One key: a byte, or one of these. */
enum top_key {
    TOP_KEY_NONE = 0,
    TOP_KEY_UP = 256,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_ESCAPE,
};

/* Takes one key off what the terminal has sent (an unknown escape sequence is TOP_KEY_NONE).
 * *ret_used is how many bytes it had, at least 1; `len` is at least 1. */
int top_key_take(const char *bytes, size_t len, size_t *ret_used);

/* Applies a key. */
enum top_action top_key(struct top *top, const struct top_view *view, int key);

/* Looks whether the chosen node is still there, and chooses one if none is. */
void top_settle(struct top *top, const struct fleet_seen *fleet);

/* Writes `view->rows` lines of at most `view->cols` columns, with '\n' between them and none behind
 * the last. */
void top_draw(struct top *top, const struct top_view *view, struct buf *out);

#endif
