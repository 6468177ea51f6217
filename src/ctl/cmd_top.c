#include <errno.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/reply.h"

#include "ctl.h"
#include "ctl_clock.h"
#include "ctl_look.h"
#include "fleet_view.h"
#include "signals.h"
#include "terminal.h"
#include "top_screen.h"

#define EVENTS_SHOWN     "200" /* enough for any screen, also of one node among many */
#define SCREEN_MAX_BYTES ((size_t)4 << 20)
#define INTERVAL_MS      2000
#define HOUR_MS          3600000

struct live {
    struct ctl *ctl;
    struct look *look;
    redisReply *events;
    struct top top;
    struct top_view view;
    struct buf out;
    int64_t due_ms; /* when to look next */
    bool stdin_ended;
};

/* --- looking ---------------------------------------------------------------------------------- */

static int read_events(struct live *live, struct err *err)
{
    redisReply *reply = NULL;
    int rc = conn_ask_texts(live->ctl->conn, &reply, err, "XREVRANGE", live->ctl->keys.events, "+",
                            "-", "COUNT", EVENTS_SHOWN, NULL);

    if (rc < 0)
        return rc;
    if (live->events)
        freeReplyObject(live->events);
    live->events = reply;
    return 0;
}

static int look(struct live *live, struct err *err)
{
    int rc = look_fleet(live->look, live->ctl, err);

    if (rc == 0)
        rc = read_events(live, err);
    live->view.fleet = look_seen(live->look);
    live->view.events = live->events;
    top_settle(&live->top, live->view.fleet);
    live->due_ms = ctl_now_ms() + live->top.interval_ms;
    return rc;
}

/* A failure is shown on the last line, with the screen as it was before. */
static void look_again(struct live *live)
{
    struct err err;
    int rc = look(live, &err);

    if (rc == -EINTR)
        return;
    if (rc < 0 || live->top.is_trouble)
        live->top.message[0] = '\0';
    live->top.is_trouble = rc < 0;
    if (rc < 0)
        (void)span_copy(span_str(err.msg), live->top.message, sizeof live->top.message);
}

static void draw(struct live *live)
{
    ctl_terminal_size(&live->view.rows, &live->view.cols);
    buf_clear(&live->out);
    top_draw(&live->top, &live->view, &live->out);
    terminal_show(&live->out);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void send_control(struct live *live, const char *op)
{
    redisReply *reply = NULL;
    struct err err;
    int rc = conn_ask_texts(live->ctl->conn, &reply, &err, "XADD", live->ctl->keys.control, "*",
                            "op", op, "node", live->top.chosen, NULL);

    live->top.is_trouble = rc < 0;
    if (rc < 0) {
        (void)span_copy(span_str(err.msg), live->top.message, sizeof live->top.message);
    } else {
        (void)snprintf(live->top.message, sizeof live->top.message, "%s %s: sent to the routers",
                       op, live->top.chosen);
    }
    if (reply)
        freeReplyObject(reply);
    live->due_ms = ctl_now_ms() + 300; /* a router has applied it then */
}

/* False: quit. */
static bool apply_key(struct live *live, int key)
{
    switch (top_key(&live->top, &live->view, key)) {
    case TOP_NOTHING:
    case TOP_REDRAW:
        break;
    case TOP_REFRESH:
        look_again(live);
        break;
    case TOP_DRAIN:
        send_control(live, "drain");
        break;
    case TOP_UNDRAIN:
        send_control(live, "undrain");
        break;
    case TOP_QUIT:
        return false;
    }
    return true;
}

static bool take_keys(struct live *live)
{
    char bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    size_t at = 0, used;

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
        live->stdin_ended = true; /* the terminal is gone */
    while (n > 0 && at < (size_t)n) {
        int key = top_key_take(bytes + at, (size_t)n - at, &used);
        at += used;
        if (!apply_key(live, key))
            return false;
    }
    return true;
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Ctrl-Z: the terminal back, stop, and take it again when we go on. */
static void suspend(void)
{
    terminal_leave();
    (void)kill(getpid(), SIGSTOP);
    (void)terminal_enter();
}

static bool wait_some(struct live *live)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    int64_t left_ms = live->top.paused ? HOUR_MS : live->due_ms - ctl_now_ms();
    int n = signals_poll(&keys, 1, left_ms > 0 ? left_ms : 0);

    if (signals_suspended())
        suspend();
    return n <= 0 || take_keys(live);
}

static int run(struct live *live)
{
    bool go_on = true;

    signals_catch_suspend();
    if (!terminal_enter()) {
        ctl_tell("stdin is no terminal: use --once or --json");
        return CLI_EXIT_USAGE;
    }
    while (go_on && signals_stops() == 0 && !live->stdin_ended) {
        draw(live);
        go_on = wait_some(live);
        if (go_on && !live->top.paused && ctl_now_ms() >= live->due_ms)
            look_again(live);
    }
    terminal_leave();
    return signals_stops() > 0 ? 128 + signals_last() : CLI_EXIT_OK;
}

/* --json: one object per look, for as long as somebody reads. */
static int run_json(struct live *live, bool once)
{
    struct err err;

    for (;;) {
        fleet_status_json(live->view.fleet, live->ctl->config.redis, live->ctl->config.prefix,
                          &live->out);
        if (!ctl_write(&live->out))
            return CLI_EXIT_FAILED;
        if (once || ctl_pause(live->top.interval_ms, &err) < 0)
            return CLI_EXIT_OK;
        int rc = look(live, &err);
        if (rc == -EINTR)
            return CLI_EXIT_OK;
        if (rc < 0)
            return ctl_fail(rc, &err);
    }
}

static int run_once(struct live *live)
{
    ctl_terminal_size(&live->view.rows, &live->view.cols);
    top_draw(&live->top, &live->view, &live->out);
    (void)buf_add_str(&live->out, "\n");
    return ctl_write(&live->out) ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static int start(struct live *live)
{
    const struct cli *cli = &live->ctl->cli;
    const char *order = cli_value(cli, "sort");
    bool once = cli_has(cli, "once");
    struct err err;

    if (cli_duration_ms(cli, "interval", (struct cli_range){100, HOUR_MS, INTERVAL_MS},
                        &live->top.interval_ms, &err) < 0)
        return ctl_fail(-EINVAL, &err);
    if (order && !seen_order_parse(order, &live->top.order)) {
        ctl_tell("--sort is node, state, temp, cpu, ram, busy or speed");
        return CLI_EXIT_USAGE;
    }
    int rc =
        look(live, &err); /* what is wrong at the start is told in the shell, not on a screen */
    if (rc < 0)
        return ctl_fail(rc, &err);
    if (live->ctl->json)
        return run_json(live, once);
    return once || !live->ctl->is_tty ? run_once(live) : run(live);
}

int cmd_top(struct ctl *ctl)
{
    struct live live = {.ctl = ctl,
                        .look = look_new(),
                        .view = {.prefix = ctl->config.prefix, .color = ctl->color}};

    buf_init(&live.out, ctl->json ? (size_t)64 << 20 : SCREEN_MAX_BYTES);
    int status = start(&live);
    if (live.events)
        freeReplyObject(live.events);
    look_free(live.look);
    buf_done(&live.out);
    return status;
}
