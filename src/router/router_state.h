#ifndef ROUTER_STATE_H
#define ROUTER_STATE_H

/*
 * What the files of the router's shell share: the router itself. main.c sees router.h only.
 *
 * The shell has no policy. A callback decodes what came, tells the core (window, fleet), and asks
 * for a turn (router_wake()); whatever changes a request's state in Redis is one
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
#include <stdio.h>

#include "common/keys.h"
#include "common/log.h"
#include "common/node_id.h"
#include "common/options.h"
#include "common/redis_conn.h"
#include "common/redis_url.h"

#include "fleet.h"
#include "metrics.h"
#include "policy_feed.h"
#include "router_config.h"
#include "tap.h"
#include "window.h"

struct event;
struct http;
struct loop;
struct recent_cancel;

#define ROUTER_TICK_MS            100
#define ROUTER_COMMAND_TIMEOUT_MS 5000
/* What a read may block: an answer that does not come then tells of a connection that swallows what
 * it is given, which no keepalive does if something between us and Redis acknowledges it. */
#define ROUTER_BLOCK_MS 5000

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

/* record.c; `file` is NULL unless --record was given. */
struct record {
    FILE *file;
    size_t bytes;
    struct tap tap;
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
    int64_t time_told_ms;   /* monotonic: when Redis last told its time */
    int64_t doubt_ms;     /* monotonic: when it was asked because of an id from the future; or 0 */
    int64_t ids_ahead_ms; /* so far ahead of Redis' clock an id was, as it said itself */
    struct router_trouble troubles[ROUTER_TROUBLES_MAX];

    /* The core, and the memory it lives in. */
    struct names names;
    struct window window;
    struct fleet fleet;
    struct policy *policy;
    struct record record;
    struct policy_feed *feed;
    struct place_rules rules; /* points into config */
    void *core_memory[4];

    /* intake.c */
    unsigned intake_reads;   /* XREADGROUP calls without an answer */
    unsigned intake_count;   /* COUNT of the next one */
    bool intake_flows;       /* the last reply was full: there is more */
    int64_t intake_retry_ms; /* monotonic: no XREADGROUP before */
    bool reconcile_wanted;   /* our pending entries may hold some that we do not know */
    bool reconcile_running;
    struct reconcile reconcile;
    unsigned fetching;  /* parked entries being read again */
    unsigned fetch_max; /* at most so many, ACCEPT_FETCH_MIN to ACCEPT_FETCH_MAX */
    bool shedding;      /* the newest entries are being read, to end them */

    /* base.c */
    struct event *turn_timer;
    bool is_turning; /* on_turn() is on the stack */
    void (*on_turn)(struct router *router);

    /* heal.c */
    bool heal_wanted, heal_running;
    int64_t heal_ms; /* monotonic: no call before */

    /* dispatch.c */
    unsigned moving;       /* move.lua calls without an answer */
    int64_t hold_until_ms; /* no move before: Redis refused one */
    bool starved;          /* the last pass has left requests that no node could take */

    /* listen.c */
    bool listening;
    bool events_rest;        /* the read on the way leaves P:events out */
    bool events_behind;      /* a read of P:events waits behind one of intake.c */
    bool events_asked;       /* another one is on the way among the commands */
    int64_t events_known_ms; /* monotonic: when some came that were all there were */
    bool events_ok;          /* P:events is a stream; if not, nobody shall miss P:control for it */
    int64_t listen_retry_ms; /* monotonic: not before, after an error */
    char control_id[STREAM_ID_MAX + 1], events_id[STREAM_ID_MAX + 1]; /* read up to here */
    struct recent_cancel *cancels; /* ring of the newest cancels: see cancels.c */
    size_t cancels_next;

    /* counting.c, measure.c, metrics_text.c, http.c */
    struct metrics metrics;
    struct http *http;              /* NULL: off */
    int64_t started_s;              /* wall clock, for the metrics page only */
    int64_t measure_ms, durable_ms; /* monotonic: next look */
    int64_t beat_us; /* monotonic: when the heartbeat that is not answered yet was sent */

    /* periodic work: monotonic times of the next one */
    int64_t presence_ms, health_ms, lengths_ms, adopt_ms, sweep_ms, housekeeping_ms, reconcile_ms,
        reconcile_due_ms, routers_ms, service_ms, trim_ms;
    bool is_beat; /* this tick has sent a heartbeat: what is regular but not urgent rides along */
    bool health_running;
    bool lengths_wanted;  /* some node's was asked for at the last look */
    int64_t queue_length; /* XLEN P:requests, as of the last look */
    int64_t run_mean_ms;  /* moving average of what answers took; for eta_ms */
};

#endif
