#ifndef ROUTER_POLICY_H
#define ROUTER_POLICY_H

/*
 * The routing policy: which request goes to which node and when, which requests had better wait,
 * and which models are loaded ahead of need. Pure; memory, time and randomness are handed in. The
 * same calls give the same decisions, bit for bit, on every machine (docs/routing.md).
 *
 * WHO DOES WHAT. The window (window.h) holds the waiting requests and says in which order they are
 * to be served: priority classes, fairness between clients. The policy borrows it and chooses among
 * the first of that order. The caller tells the policy what happens and carries out what it
 * decides:
 *
 *     policy_heard(), policy_verdict(), ...    what is known of nodes
 *     window_add(), then policy_arrived()      a request waits
 *     while (policy_next(&policy, now_ms, &decision))
 *         POLICY_MOVE:     window_take(); send it; window_remove() when it has gone.
 *                          If it did not: window_put_back() and policy_refused().
 *         POLICY_KEEP:     nothing: told for the log, at most once for each change of reason
 *         POLICY_PRELOAD:  have the node load the model; then policy_preloaded()
 *     policy_left()                            a request has left a node: its slot is free
 *     policy_elsewhere()                       another router has moved one to a node
 *
 * and calls policy_next() again after anything happened, and at least every POLICY_TICK_MS. When
 * policy_next() returns a move the policy already counts it: the slot is taken, the model is
 * resident there (or being loaded), the conversation lives there.
 *
 * TIME. `now_ms` is one monotonic clock in milliseconds that never goes back. Requests carry Redis
 * time; policy_clock() says how far that is ahead of `now_ms` (0 in a simulation).
 *
 * INDEXES. Nodes are numbered by the caller, 0 to sizes.nodes - 1. Models are indexes of the names
 * table that the window uses; a request is its index in the window. Node numbers may be given to
 * another node after policy_forget().
 *
 * NUMBERS. Costs are seconds in IEEE doubles, calculated with + - * / alone and without contraction
 * (policy_math.h), so that amd64 and arm64 agree in every bit.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node_health.h"
#include "window.h"

#define POLICY_NONE    INDEX_NONE
#define POLICY_TICK_MS 2000

/* `late` is the policy of docs/routing.md; the others are there to compare with, and for fleets
 * that want something simpler. They choose among the nodes that have credit left. */
enum policy_kind {
    POLICY_LATE = 0,        /* late binding, one cost in seconds, preloads */
    POLICY_CHWBL,           /* consistent hashing with bounded loads, on the model */
    POLICY_CHWBL_PREFIX,    /* the same on model and conversation */
    POLICY_LEAST_IN_FLIGHT, /* the node with the fewest requests */
    POLICY_FIRST_RESIDENT,  /* the first node that has the model in memory, else the one with the
                               least memory in use */
    POLICY_KIND_COUNT
};

/* From the settings; handed in again when they are reloaded. Zeroed is not the default:
 * policy_settings_default(). */
#define POLICY_PLACE_PHASE_MAX_MS 2500

struct policy_settings {
    enum policy_kind kind;
    bool placement;            /* preload at all */
    bool homes;                /* a conversation has a home node */
    int64_t lambda_t_permille; /* price of heat: thousandths of a second per throttled second */
    int64_t swap_margin_ms;    /* a swap must save this much */
    int64_t swap_factor_pct;   /* and cost less than 100/this of the wait */
    int64_t home_wait_pct;     /* wait for the home while that takes less than this share of what
                                  another node takes */
    int64_t chwbl_load_pct;    /* bound of a node's load, of the mean; 125 */
    int64_t place_phase_ms;    /* so much later each round of preloads: routers that the same event
                                  wakes must not all wish at once; 0 */
};

void policy_settings_default(struct policy_settings *ret);

/* "late", "chwbl", "chwbl_prefix", "least_in_flight", "first_resident"; false if there is no such
 * policy. */
const char *policy_kind_name(enum policy_kind kind);
bool policy_kind_parse(struct span name, enum policy_kind *ret);

struct policy_sizes {
    uint32_t nodes;    /* 1 to 2^16 */
    uint32_t pairs;    /* (node, installed model) pairs that are kept; those beyond are not seen */
    uint32_t sessions; /* conversations remembered; the one silent longest makes room */
};

struct policy; /* its members: policy_private.h, which nobody else includes */

/* Bytes of the memory for these sizes and for the window that will be borrowed. */
size_t policy_bytes(struct policy_sizes sizes, const struct window *window);

/* `mem` is policy_bytes() zeroed bytes aligned for any type; `mem` and `window` (with its names
 * table) are borrowed for the policy's life. `seed` decides ties. Returns the policy, which lives
 * at the beginning of `mem`. */
struct policy *policy_init(void *mem, struct policy_sizes sizes, struct window *window,
                           const struct policy_settings *settings, uint64_t seed, int64_t now_ms);
void policy_settings_set(struct policy *policy, const struct policy_settings *settings);
void policy_clock(struct policy *policy, int64_t redis_ahead_ms);

/* From now on everything is recorded (tap.h); only a record that begins right after policy_init()
 * can be played again (policy_replay.h). `tap` is borrowed; NULL ends it. */
struct tap;
void policy_tap(struct policy *policy, const struct tap *tap);

/* --- nodes ------------------------------------------------------------------------------------ */

enum policy_board {
    POLICY_BOARD_OTHER = 0,
    POLICY_BOARD_PI3,
    POLICY_BOARD_PI4,
    POLICY_BOARD_PI5,
    POLICY_BOARD_COUNT
};
enum policy_board policy_board_of(struct span board); /* "Raspberry Pi 5 Model B Rev 1.0" */

/* Why a node may get nothing at all. */
enum policy_verdict {
    POLICY_UNKNOWN = 0, /* no health that can be used */
    POLICY_MAY_WORK,
    POLICY_LOST,
    POLICY_LATE_NODE, /* its heartbeat is late */
    POLICY_DRAINED,
    POLICY_UNAVAILABLE, /* it says so itself */
    POLICY_HOT,         /* at or above temp_max */
    POLICY_MEMORY,
    POLICY_ON_HOLD, /* it has just failed a request */
    POLICY_VERDICT_COUNT
};

/* What an operator has said of a model on a node (pin, avoid): 0 = nothing. */
#define POLICY_PLACE_FREE      0
#define POLICY_PLACE_AVOID     (-1) /* `avoid MODEL = node` */
#define POLICY_PLACE_ELSEWHERE (-2) /* the model is pinned to other nodes */
/* 1, 2, ...: the node's place in the model's preference list */

/* A model that the node could run. 0 = not known, for all but the model. */
struct policy_installed {
    uint32_t model;
    int32_t place;            /* POLICY_PLACE_*, or from 1 */
    bool is_resident;         /* in memory */
    bool is_suspect;          /* it hung there: no request of it */
    int64_t bytes;            /* on disk */
    uint32_t n;               /* answers that the measured figures below rest on */
    int64_t prompt_tps_milli; /* tokens per second * 1000, uncached prompts */
    int64_t gen_tps_milli;
    int64_t load_ms;
    int64_t tokens_out_milli; /* tokens of a mean answer * 1000 */
};

/* One heartbeat. Everything is borrowed for the call. */
struct policy_heard {
    uint64_t id_hash;     /* span_hash() of the node's id */
    int64_t measured_ms;  /* `now_ms` when it was written */
    int32_t temp_mc;      /* HEALTH_UNKNOWN if it is not known; so for the next five */
    int32_t ram_permille; /* in use */
    int32_t throttled, under_voltage, freq_capped;
    int64_t ram_bytes; /* 0 = not known */
    enum policy_board board;
    uint32_t slots;        /* requests that it runs at a time */
    uint32_t credit;       /* requests that may be there: slots + prefetch */
    uint32_t sessions_max; /* conversations that stay warm for one model; 0 = not known */
    uint32_t loading;      /* model that it is loading ahead of need, or POLICY_NONE */
    bool tells_loading;    /* false: an older worker, which never says so */
    const struct policy_installed *installed;
    uint32_t installed_n;
    const uint64_t *sessions; /* span_hash() of warm conversations, newest first */
    uint32_t sessions_n;
};

/* A heartbeat has come; the first makes the node known. O(installed). Returns false if some pairs
 * did not fit (sizes.pairs): those models count as not installed there. */
bool policy_heard(struct policy *policy, uint32_t node, const struct policy_heard *heard,
                  int64_t now_ms);

/* May it get work? Tell again whenever it changes; a node that was never told may not. A node that
 * `is_failing` (node_is_failing()) gets work only if no other can have it. */
void policy_verdict(struct policy *policy, uint32_t node, enum policy_verdict verdict,
                    bool is_failing, int64_t now_ms);

/* Its process, or all its power, is gone: nothing is resident, cached or in flight there. */
void policy_lost(struct policy *policy, uint32_t node, int64_t now_ms);

/* The number may be used for another node. */
void policy_forget(struct policy *policy, uint32_t node, int64_t now_ms);

/* The true number of requests at the node; `is_full`: Redis says so, whatever the number. */
void policy_load(struct policy *policy, uint32_t node, uint32_t in_flight, bool is_full,
                 int64_t now_ms);

/* --- requests --------------------------------------------------------------------------------- */

/* The request at this index of the window waits from now on (also one that came back, or that was
 * put back after its end could not be written). */
void policy_arrived(struct policy *policy, uint32_t request, int64_t now_ms);

/* Another router has accepted a request for the model: it counts as demand. */
void policy_demand(struct policy *policy, uint32_t model, int64_t now_ms);

/* Another router has moved a request to the node. `model` may be POLICY_NONE. */
void policy_elsewhere(struct policy *policy, uint32_t node, uint32_t model, uint64_t session,
                      int64_t now_ms);

/* A move that policy_next() returned did not happen. After window_put_back(): the request waits
 * again; POLICY_NONE if it is gone. */
void policy_refused(struct policy *policy, uint32_t request, uint32_t node, int64_t now_ms);

/* What a request that has left a node tells; -1 or 0 = not known. */
struct policy_report {
    uint32_t model;        /* or POLICY_NONE */
    bool is_done;          /* false: failed, cancelled or given back; then only `model` counts */
    bool was_cold;         /* the model was loaded for it */
    int64_t run_ms;        /* from begin to end on the node, loading included */
    uint64_t session;      /* conversation; 0 = none */
    int64_t prompt_tokens; /* of the whole prompt, cached ones included */
    int64_t output_tokens;
};
void policy_left(struct policy *policy, uint32_t node, const struct policy_report *report,
                 int64_t now_ms);

/* A preload has ended; `ok` = the model is in memory. */
void policy_preloaded(struct policy *policy, uint32_t node, uint32_t model, bool ok,
                      int64_t now_ms);

/* Another router has asked the node to preload. */
void policy_preload_elsewhere(struct policy *policy, uint32_t node, uint32_t model, int64_t now_ms);

/* --- decisions -------------------------------------------------------------------------------- */

enum policy_act { POLICY_NOTHING = 0, POLICY_MOVE, POLICY_KEEP, POLICY_PRELOAD };

enum policy_reason {
    POLICY_BY_HOLDER = 0, /* MOVE: the cheapest free node that has the model in memory */
    POLICY_BY_HOME,       /* MOVE: the node that has the conversation */
    POLICY_BY_SWAP,       /* MOVE: loading the model there beats waiting */
    POLICY_BY_PULL,       /* MOVE: a slot came free, and this request is worth most there */
    POLICY_BY_PULL_SWAP,  /* MOVE: likewise, and worth loading its model */
    POLICY_BY_RULE,       /* MOVE: what one of the simple policies says */
    POLICY_FOR_HOME,      /* KEEP: its home is busy, and worth waiting for */
    POLICY_FOR_COOLER,    /* KEEP: the only free node is throttled, another one is free soon */
    POLICY_FOR_HOLDER, /* KEEP: a node with the model is free sooner than another could load it */
    POLICY_FOR_FASTER, /* KEEP: a busy holder is done with it sooner than the free one */
    POLICY_FOR_NODE,   /* KEEP: no node may take it now */
    POLICY_BY_DEMAND,  /* PRELOAD */
    POLICY_REASON_COUNT
};

/* Expected seconds; the sum is what was compared. */
struct policy_cost {
    double wait_s;    /* until the node is free */
    double load_s;    /* of the model, with the price of node time */
    double service_s; /* prompt and answer, at the node's speed, cache used */
    double heat_s;    /* slow-down and price of heat */
    double harm_s;    /* to others: their caches lost, their model gone */
    double saved_s;   /* by the conversation's cache; in service_s already */
};
double policy_cost_sum(const struct policy_cost *cost);

struct policy_decision {
    enum policy_act act;
    enum policy_reason reason;
    uint32_t request;    /* index in the window; POLICY_NONE for PRELOAD */
    uint32_t node;       /* where to; for KEEP the node waited for, or POLICY_NONE */
    uint32_t model;      /* of the request, or to preload */
    uint32_t evict;      /* model that is unloaded for this one (PRELOAD: first), or POLICY_NONE */
    uint32_t considered; /* nodes whose cost was calculated */
    bool again;          /* MOVE: every node that could take it has failed it before */
    struct policy_cost cost;
    uint32_t runner_up; /* the next best, or POLICY_NONE */
    struct policy_cost runner_up_cost;
    double gain_s, loss_s; /* PRELOAD: seconds of waiting saved and caused per second */
};

/* The next decision; false if there is none now. */
bool policy_next(struct policy *policy, int64_t now_ms, struct policy_decision *ret);

/* The last POLICY_KEEP of a request that waits; false if it is not kept back but waits its turn. */
bool policy_kept(const struct policy *policy, uint32_t request, struct policy_decision *ret);

/* --- memory ----------------------------------------------------------------------------------- */

/* window_rest(), and the same for what is kept beside the window's requests. False: not now. */
bool policy_rest(struct policy *policy, index_idle *idle, void *arg);

/* --- words and figures ------------------------------------------------------------------------ */

/* What the numbers are called; the texts are borrowed for the call. */
struct policy_words {
    const char *(*node)(uint32_t node, void *arg);
    const char *(*model)(uint32_t model, void *arg);
    void *arg;
};

/* The decision in a sentence, with NUL, cut at cap - 1: chosen node and its cost split, the
 * runner-up's, and up to POLICY_WHY_OTHERS refused nodes by name with their reason, the rest
 * counted. O(nodes) up to a bound: see policy_why.c. Call it before the next change. */
#define POLICY_WHY_MAX    767
#define POLICY_WHY_OTHERS 6
void policy_why(const struct policy *policy, const struct policy_decision *decision,
                const struct policy_words *words, char *buf, size_t cap);

const char *policy_verdict_words(enum policy_verdict verdict);
const char *policy_reason_name(enum policy_reason reason); /* "pull-swap": for tables and logs */

/* What the policy thinks; for tests, simulators and `orionctl`. -1 / POLICY_NONE = not known. */
struct policy_node_view {
    bool is_known, is_failing, is_resting; /* resting: too hot to be given work lightly */
    enum policy_verdict verdict;
    uint32_t in_flight, resident_n, loading, rests; /* rests: times that it began to rest */
    double duty, heat_tss_c, heat_tau_s;
};
struct policy_node_view policy_node_view(const struct policy *policy, uint32_t node);
/* Estimates of one (node, model) pair: seconds to load, tokens per second. */
struct policy_pair_view {
    bool is_installed, is_resident;
    double load_s, prompt_tps, gen_tps;
};
struct policy_pair_view policy_pair_view(const struct policy *policy, uint32_t node,
                                         uint32_t model);

#endif
