#ifndef ROUTER_STATE_H
#define ROUTER_STATE_H

/*
 * What the files of the router's shell share: the router itself. main.c sees router.h only.
 *
 * The shell has no policy. A callback decodes what came, tells the core (window, fleet), and asks
 * for a scheduling pass (dispatch_wake()); whatever changes a request's state in Redis is one
 * script.
 *
 * Three connections: `commands` for scripts and short commands, `intake` for the blocking
 * XREADGROUP on P:requests, `listen` for the blocking XREAD on P:control and P:events.
 *
 * If a script's answer is lost with the connection nobody knows what happened; every script asks
 * first whether the entry is still ours, so it is simply tried again after the reconnect.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/node_id.h"
#include "common/options.h"
#include "common/redis_conn.h"
#include "common/redis_url.h"

#include "fleet.h"
#include "router_config.h"
#include "window.h"

struct event;
struct loop;
struct recent_cancel;

#define ROUTER_TICK_MS            100
#define ROUTER_COMMAND_TIMEOUT_MS 5000
#define ROUTER_BLOCK_MS           5000

/* The sentence of deadline_exceeded for a request that no node has. */
#define SWEEP_DEADLINE_TEXT "its time (timeout_ms) passed while it waited for a node"

/* One kind of trouble that may repeat: told once, then with growing pauses. */
#define ROUTER_TROUBLES_MAX 32
struct router_trouble {
    const char *what; /* NULL: unused */
    struct log_repeat gate;
};

/* A page of our own pending entries that are being read: see intake.c. */
#define RECONCILE_PAGE 128
struct reconcile {
    struct stream_id ids[RECONCILE_PAGE];
    size_t n, next;   /* listed; looked at */
    unsigned reading; /* XRANGE calls without an answer */
};

struct router {
    const struct options_program *program;
    const struct options *options;
    struct router_config config;
    struct keys keys;
    struct redis_url url;
    char id[NODE_ID_MAX + 1];
    struct loop *loop;
    struct redis_conn *commands, *intake, *listen;
    bool stopping;
    int64_t stop_ms; /* monotonic: when SIGTERM came */

    /* Redis: usable once the scripts are loaded and the groups exist. */
    bool redis_ok;
    int64_t redis_ok_ms; /* monotonic: since when; nobody is judged lost within node_lost of it */
    int64_t redis_ahead_ms; /* Redis time - monotonic time; valid while redis_ok */
    struct router_trouble troubles[ROUTER_TROUBLES_MAX];

    /* The core, and the memory it lives in. */
    struct names names;
    struct window window;
    struct fleet fleet;
    void *core_memory[3];
    uint8_t *verdicts; /* of pick_node(), one per possible node */
    uint64_t *open;    /* set of models that some node could take now */

    /* intake.c */
    bool intake_reading;     /* an XREADGROUP is outstanding */
    unsigned intake_count;   /* COUNT of the next one */
    int64_t intake_retry_ms; /* monotonic: no XREADGROUP before */
    bool reconcile_wanted;   /* our pending entries may hold some that we do not know */
    bool reconcile_running;
    struct reconcile reconcile;
    unsigned fetching; /* parked entries being read again */
    bool shedding;     /* the newest entries are being read, to end them */

    /* dispatch.c */
    struct event *dispatch_timer;
    unsigned moving;       /* move.lua calls without an answer */
    int64_t hold_until_ms; /* no move before: Redis refused one */

    /* listen.c */
    bool listening;
    bool events_ok;          /* P:events is a stream; if not, nobody shall miss P:control for it */
    int64_t listen_retry_ms; /* monotonic: not before, after an error */
    char control_id[STREAM_ID_MAX + 1], events_id[STREAM_ID_MAX + 1]; /* read up to here */
    struct recent_cancel *cancels; /* ring of the newest cancels: see listen.c */
    size_t cancels_next;

    /* periodic work: monotonic times of the next one */
    int64_t presence_ms, health_ms, lengths_ms, adopt_ms, sweep_ms, housekeeping_ms, reconcile_ms,
        reconcile_due_ms, routers_ms;
    bool health_running;
    int64_t queue_length; /* XLEN P:requests, as of the last look */
    int64_t run_mean_ms;  /* moving average of what answers took; for eta_ms */
};

/* Redis time now, by the last answer of Redis: may be late by a round trip, never early. */
int64_t router_redis_ms(const struct router *router);

/* --- ending.c: terminal entries for requests at their origin ---------------------------------- */

struct ending {
    struct span entry_id;
    struct span request_id; /* as given if it is unusable */
    const char *callback;   /* NULL: nobody can be told; it goes to P:dead only */
    int64_t attempt;
    bool came_back;
    const char *code, *error; /* error: a sentence for people */
    bool retryable;
    const char *event; /* of P:events: rejected, failed, cancelled, dead */
    struct span node;  /* absent if none was involved */
    bool dead;         /* on P:dead as well */
    bool shed;         /* only while more than max_queue wait; it need not be pending here */
};

/* Writes it. Everything is copied. If the entry is in the window it must be WAITING (otherwise a
 * script for it is under way, and nothing is done); it is marked ENDING and leaves the window when
 * Redis has answered; if Redis fails it is WAITING again. */
void ending_write(struct router *router, const struct ending *ending);

/* Fills in what follows from the code: retryable, event, dead; the rest is absent, attempt 1. */
void ending_init(struct ending *ending, const char *code, const char *error);

/* Ends a WAITING request of the window. */
void ending_write_window(struct router *router, uint32_t index, const char *code,
                         const char *error);

/* --- intake.c, accept.c ----------------------------------------------------------------------- */

void intake_start(struct router *router); /* after redis_ok: reconcile, then read */
void intake_read(struct router *router); /* reads on, if there is room and no read is outstanding */
void intake_tick(struct router *router);

/* Takes one entry into the window, parks it, or ends it. */
void accept_entry(struct router *router, const struct redisReply *entry);
/* Fetches parked entries into the room that the window has, ACCEPT_FETCH_MAX at a time: each may be
 * large. */
#define ACCEPT_FETCH_MAX 8
void accept_parked(struct router *router);
/* Reads an entry that was parked again and takes it in as if it were new. */
void accept_fetch(struct router *router, struct stream_id id);

/* Ends the newest entries while more than max_queue wait. */
void accept_shed(struct router *router);

/* Is this entry in the window or parked? */
bool accept_knows(const struct router *router, struct stream_id id);

/* --- dispatch.c: the scheduling pass ---------------------------------------------------------- */

void dispatch_init(struct router *router);
void dispatch_done(struct router *router);
void dispatch_wake(struct router *router); /* a pass soon: in this turn of the loop */

/* --- sweep.c: what time brings ---------------------------------------------------------------- */

void sweep_tick(struct router *router); /* deadlines, unknown models, waiting too long, ageing */

/* --- presence.c, adopt.c ---------------------------------------------------------------------- */

void presence_tick(struct router *router);
void presence_leave(struct router *router);
void adopt_tick(struct router *router);

/* --- watch.c: nodes; takeback.c --------------------------------------------------------------- */

void watch_tick(struct router *router);
void watch_soon(struct router *router); /* health has changed: read it now */
enum takeback_mode {
    TAKEBACK_LOST = 0,  /* everything: the node is lost */
    TAKEBACK_UNSTARTED, /* what it has not started: it may get no work */
    TAKEBACK_OVERDUE,   /* what it has not started and that is cancelled or past its deadline */
};

void takeback_node(struct router *router, struct span node, enum takeback_mode mode);

/* --- listen.c: P:control and P:events --------------------------------------------------------- */

void listen_start(struct router *router); /* after redis_ok */
/* Was this request cancelled, as far as the newest control entries say? */
bool listen_was_cancelled(const struct router *router, struct span request_id,
                          int64_t submitted_ms);

/* --- status.c --------------------------------------------------------------------------------- */

/* Status entry `queued` with position and eta for one request of the window. */
void status_queued(struct router *router, uint32_t index);

/* Makes both groups; on_made is called for the origin's (arg: the router). BUSYGROUP is fine. */
void router_make_groups(struct router *router, redis_conn_callback *on_made);

/* Logs an error reply of a script or command once until it is over; returns true if `reply` is one.
 */
bool router_refused(struct router *router, const struct redisReply *reply, const char *what);

/* Logs event=<event> why="..." for what outsiders can cause at will: with growing pauses. `event`
 * is a literal. */
void router_trouble(struct router *router, const char *event, const char *why);

#endif
