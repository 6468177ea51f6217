#ifndef ROUTER_POLICY_PRIVATE_H
#define ROUTER_POLICY_PRIVATE_H

/*
 * What the policy_*.c files share. Nobody else includes this.
 *
 *     node -> its pairs (one per installed model)
 *     model -> lists of pairs: all holders of the file; those resident; those resident and open
 *     open = the node may get work and has credit left; idle = it has nothing at all
 *
 * Lists are walked from the front, and what was looked at goes to the back, so that a sample of a
 * long list is another one each time without dice.
 */

#include "policy.h"
#include "policy_constants.h"
#include "policy_math.h"

#define POLICY_RESIDENT_MAX 8  /* models in memory that are kept per node */
#define POLICY_WARM_MAX     16 /* conversations that are kept per node */
#define QUEUE_TABLE         4
#define QUEUE_SMALL         8 /* holders up to which a table of waits is made for each question */
#define POLICY_ENDS_MAX     8 /* running requests whose end is foreseen, per node */

/* --- lists: intrusive, by index, with a head that the caller keeps ------------------------------
 */

struct policy_link {
    uint32_t next, prev;
};

struct policy_list {
    uint32_t head, tail, n;
};

/* `at` is the address of the link in element 0, `stride` the size of an element. */
struct policy_links {
    char *at;
    size_t stride;
};

void policy_list_clear(struct policy_list *list);
void policy_list_push(struct policy_links links, struct policy_list *list, uint32_t index);
void policy_list_drop(struct policy_links links, struct policy_list *list, uint32_t index);
uint32_t policy_list_next(struct policy_links links, uint32_t index);
void policy_list_rotate(struct policy_links links, struct policy_list *list, uint32_t index);
/* Up to `max` from the front of the list; if there are more, they go to its back. */
uint32_t policy_sample(struct policy_links links, struct policy_list *list, uint32_t max,
                       uint32_t *out);

/* --- pairs -------------------------------------------------------------------------------------
 */

enum policy_pair_list { PAIRS_HOLDING = 0, PAIRS_RESIDENT, PAIRS_OPEN, PAIRS_LISTS };

struct policy_pair {
    uint32_t node, model;
    uint32_t next; /* of the node's pairs */
    int32_t place;
    bool is_in[PAIRS_LISTS];
    bool is_suspect, is_listed; /* listed: the newest heartbeat named it */
    bool is_cached;             /* its file is in the page cache, as far as we know */
    uint32_t n;                 /* answers behind the figures */
    uint64_t cached_order;
    double bytes;
    double prompt_tps, gen_tps, load_s; /* the estimates that are used */
    struct policy_link link[PAIRS_LISTS];
};

/* --- conversations ------------------------------------------------------------------------------
 */

/* Warm on a node, oldest first in its array. */
struct policy_warm {
    uint64_t session, prefix;
    int64_t last_ms;
    uint32_t model;
    double tokens; /* cached; < 0 if only the fact is known */
    bool is_home;
};

/* Conversation -> the node that has it. */
struct policy_home {
    uint64_t session;
    uint32_t node, model;
    int64_t last_ms;
    struct policy_link link; /* by last_ms */
};

/* --- nodes --------------------------------------------------------------------------------------
 */

struct policy_heat {
    double sums[5];          /* of the regression dT over T: 1, x, y, xx, xy */
    double tss_c, tau_s;     /* where a busy node settles, and how fast */
    double jump_c;           /* rise of the die within seconds */
    double min_c;            /* coolest reading */
    double now_c, last_c;    /* the two newest readings */
    int64_t now_ms, last_ms; /* when; INT64_MIN = never */
    double duty;             /* share of the time that it can work without throttling */
    bool is_resting, is_throttled, is_capped;
    uint32_t rests;
};

struct policy_promise {
    int64_t start_ms;
    double until_output_s; /* load and prompt: shrinks as it runs */
    double output_s;       /* the answer: of unknown length */
};

struct policy_node {
    bool is_known, is_failing, is_full, is_open, is_idle, is_fresh;
    enum policy_verdict verdict;
    enum policy_board board;
    uint64_t id_hash;
    uint32_t slots, credit, in_flight;
    uint32_t pairs; /* first */
    uint32_t resident[POLICY_RESIDENT_MAX], resident_n, resident_max;
    uint32_t loading;                           /* pair being loaded, or POLICY_NONE */
    bool is_preload;                            /* ahead of need: nothing else runs there */
    int64_t loading_since_ms, loading_until_ms; /* given up then */
    int64_t changed_ms;    /* by us: health from before is older than what we know */
    int64_t busy_since_ms; /* INT64_MIN: idle */
    struct policy_promise promises[POLICY_ENDS_MAX];
    uint32_t promises_n;
    double home_wait_s; /* services of requests that wait for this node as their home */
    double ram_bytes;
    int32_t ram_permille;
    double speed;    /* of the board, Pi 5 = 1 */
    double load_bps; /* measured reading of model files, 0 = not yet */
    struct policy_heat heat;
    uint32_t warm_max, warm_n; /* conversations that stay warm there; those that do now */
    struct policy_warm warm[POLICY_WARM_MAX];
    struct policy_link idle_link, fresh_link;
};

/* --- models -------------------------------------------------------------------------------------
 */

/* What nodes of one board have measured for a model, as a multiple of the board's prior; 0 =
 * nothing yet. */
struct policy_measured {
    double prompt, gen, load;
};

struct policy_model {
    uint64_t name_hash;
    double lambda; /* requests/s, decayed to lambda_ms */
    int64_t lambda_ms;
    double service_s, output_tokens, token_ratio;
    uint32_t service_n; /* answers behind service_s */
    double home_share;  /* of its requests that had a home when they went to a node */
    double load_s;      /* typical */
    double speed;       /* of the fastest board that has the file */
    struct policy_measured measured[POLICY_BOARD_COUNT];
    int64_t duty_milli; /* sum over residents, in thousandths: exact */
    struct policy_list list[PAIRS_LISTS];
    bool is_waiting;
    struct policy_link waiting_link, known_link;
    double gain;         /* of one more replica; placement */
    uint32_t queue_from; /* queue[i] is the mean wait with queue_from + i holders, in services, */
    double queue[QUEUE_TABLE]; /* ... calculated for the offered load queue_a */
    double queue_a;
    double wait_s[3]; /* mean wait with one holder less, as now, one more; placement */
};

/* --- requests: beside the window's
 * ---------------------------------------------------------------- */

struct policy_request {
    struct stream_id id; /* what follows belongs to this request only */
    bool is_fresh, is_kept;
    enum policy_reason kept_for;
    uint32_t kept_node;
    struct policy_link fresh_link;
    bool is_homebound; /* it waits for this node as its home: */
    uint32_t home;
    double home_service_s;
    struct policy_link home_link;
};

/* A request as the costs need it. */
struct policy_want {
    uint32_t request, model;
    uint32_t home; /* node, or POLICY_NONE */
    uint64_t session, prefix;
    double prompt_tokens, prefix_tokens, output_tokens;
    double age_s, rank_age_s;
    const char *tried; /* nodes that have failed it; "" if none */
    bool again;        /* every node that could have it has failed it: that no longer counts */
};

struct policy {
    struct policy_settings settings;
    struct policy_sizes sizes;
    struct window *window;
    const struct tap *tap; /* NULL: nobody listens */
    int64_t redis_ahead_ms;
    int64_t start_ms;
    uint64_t random;
    uint64_t cached_order;
    double lambda_t; /* settings, as doubles */
    double swap_factor, swap_margin_s, home_share;

    struct policy_node *nodes;
    uint32_t nodes_high; /* numbers used so far */
    uint32_t nodes_n;    /* known */
    uint64_t in_flight;  /* at all nodes */
    uint32_t verdicts[POLICY_VERDICT_COUNT];
    struct policy_list idle, fresh_nodes;

    struct policy_pair *pairs;
    struct index_pool pair_pool;
    struct index_table pair_table;

    struct policy_home *homes;
    struct index_pool home_pool;
    struct index_table home_table;
    struct policy_list homes_by_age;

    struct policy_model *models;
    struct policy_list known;   /* models that some node has */
    struct policy_list waiting; /* models with requests that may wait */
    uint64_t *open;             /* set for window_next(); empty between calls */

    struct policy_request *requests;
    struct policy_list fresh_requests, homebound;

    /* periodic work */
    int64_t retry_ms, place_ms;
    uint32_t retry_left; /* waiting models that this round has still to look at, */
    uint32_t retry_head; /* and the place in the first one's queue where it goes on */
    uint32_t place_left; /* preloads that this round may still make */
    double home_weight;  /* of what busy homes cost, in this round */
    bool is_dirty;       /* something changed since the simple policies last looked */
};

/* --- policy_nodes.c
 * ------------------------------------------------------------------------------- */

struct policy_links policy_pair_links(const struct policy *policy, enum policy_pair_list list);
struct policy_links policy_known_links(const struct policy *policy);
struct policy_links policy_waiting_links(const struct policy *policy);
struct policy_links policy_fresh_request_links(const struct policy *policy);
struct policy_links policy_idle_links(const struct policy *policy);
struct policy_links policy_fresh_node_links(const struct policy *policy);
uint32_t policy_pair_find(const struct policy *policy, uint32_t node, uint32_t model);
/* Recomputes whether the node is open and idle, and its pairs' places in the lists. */
void policy_node_refresh(struct policy *policy, uint32_t node, int64_t now_ms);
bool policy_node_holds(const struct policy *policy, uint32_t node, uint32_t model);
/* The pair becomes resident; returns how many had to go and puts them (pairs) into evicted. */
uint32_t policy_would_evict(const struct policy *policy, uint32_t node, uint32_t pair,
                            uint32_t evicted[POLICY_RESIDENT_MAX]);
void policy_make_resident(struct policy *policy, uint32_t node, uint32_t pair);
void policy_drop_resident(struct policy *policy, uint32_t node, uint32_t pair);
void policy_slot_freed(struct policy *policy, uint32_t node);
void policy_duty_set(struct policy *policy, uint32_t node, double duty);
/* Bytes of files that the page cache can keep beside this pair's model in memory. */
double policy_cache_room(const struct policy *policy, uint32_t loaded);
bool policy_pair_fits(const struct policy *policy, const struct policy_pair *pair);
void policy_model_check(struct policy *policy, uint32_t model); /* another name's index? */
uint32_t policy_pair_make(struct policy *policy, uint32_t node, uint32_t model); /* or NONE */
/* Removes those that the newest heartbeat has not named, or all. */
void policy_pairs_sweep(struct policy *policy, uint32_t node, bool all);

/* --- policy_events.c
 * ------------------------------------------------------------------------------ */

/* Books the move: the slot, the model, the conversation, what is promised (the load, and the time
 * of `cost` without the price of heat). Returns the model that is unloaded for it, or POLICY_NONE.
 */
uint32_t policy_go(struct policy *policy, const struct policy_want *want, uint32_t pair,
                   const struct policy_cost *cost, int64_t now_ms);
/* It is to be looked at. */
void policy_request_fresh(struct policy *policy, uint32_t request);
void policy_loading_set(struct policy *policy, uint32_t pair, int64_t now_ms);

/* --- policy_learn.c
 * ------------------------------------------------------------------------------- */

double policy_board_speed(enum policy_board board);
void policy_learn_pair(struct policy *policy, uint32_t pair,
                       const struct policy_installed *installed);
void policy_learn_done(struct policy *policy, const struct policy_report *report);
void policy_learn_load(struct policy *policy, uint32_t model);

/* --- policy_heat.c
 * -------------------------------------------------------------------------------- */

void policy_heat_init(struct policy_heat *heat);
/* Takes in a heartbeat; returns the node's duty. */
double policy_heat_read(struct policy_heat *heat, const struct policy_heard *heard,
                        int64_t busy_since_ms);
/* The temperature that it would show if it were busy. */
double policy_heat_equal(const struct policy_heat *heat, int64_t busy_since_ms);
/* How much longer `work_s` seconds of work take and, at the price lambda_t, cost there: a factor
 * >= 1. Without a price (0) it is time alone. */
double policy_heat_factor(const struct policy_node *node, double lambda_t, double work_s);

/* --- policy_warm.c
 * -------------------------------------------------------------------------------- */

uint32_t policy_home_of(const struct policy *policy, uint64_t session, uint32_t model);
/* A conversation that goes on at a node. */
struct policy_talk {
    uint64_t session, prefix; /* 0: none */
    uint32_t model;
    double tokens; /* of prompt and answer; below 0: not known */
};
void policy_warm_touch(struct policy *policy, uint32_t node, const struct policy_talk *talk,
                       int64_t now_ms);
void policy_warm_done(struct policy *policy, uint32_t node, const struct policy_report *report,
                      int64_t now_ms);
void policy_warm_forget(struct policy *policy, uint32_t node, uint32_t model); /* or POLICY_NONE */
void policy_warm_heard(struct policy *policy, uint32_t node, const struct policy_heard *heard,
                       int64_t now_ms);
/* `told` by the worker; 0: it does not tell, and the board says. */
void policy_warm_max_set(struct policy_node *node, uint32_t told);
/* The chance that a conversation goes on that has been silent for so long. */
static inline double policy_warm_chance(const struct policy_warm *warm, int64_t now_ms)
{
    double t = (double)(now_ms - warm->last_ms) * (1.0 / RETURN_HALF_MS);

    return RETURN_CHANCE / (1.0 + t * t);
}

/* --- policy_cost.c
 * --------------------------------------------------------------------------------- */

void policy_want_fill(struct policy *policy, uint32_t request, int64_t now_ms,
                      struct policy_want *ret);
/* Is loading the model (load_s of swap_s) clearly cheaper than waiting? */
bool policy_swap_pays(const struct policy *policy, double swap_s, double load_s, double wait_s);
/* The wait that a swap must beat: for a holder, or for the busy home if that is sooner. */
struct policy_cost policy_wait_cost(struct policy *policy, const struct policy_want *want,
                                    uint32_t position, int64_t now_ms);
/* What those behind `position` in the model's queue would wait less, together, if that one went
 * elsewhere: each is served by a holder one service earlier. */
double policy_relief(const struct policy *policy, uint32_t model, uint32_t position);
/* S and its heat; fills service_s, heat_s and saved_s, and returns S * Theta. */
double policy_service(const struct policy *policy, const struct policy_want *want, uint32_t pair,
                      struct policy_cost *cost);
/* Seconds that the node will work on it, loading aside: its service, and what heat makes it slower.
 * The price of heat is no time: nobody waits longer for it. */
double policy_work_time(const struct policy *policy, uint32_t node, const struct policy_cost *cost);
double policy_load_time(const struct policy *policy, const struct policy_pair *pair);
/* What of it is charged to the request that it is done for. Where there are as many models as
 * nodes, nodes load them in turns: a file that is read from the card now will be in the page cache
 * the next time, so that this one does not pay alone. */
double policy_load_charge(const struct policy *policy, const struct policy_pair *pair);
double policy_residual(const struct policy_node *node, int64_t now_ms);
double policy_wait(struct policy *policy, uint32_t model, uint32_t position, uint32_t except,
                   int64_t now_ms);
double policy_service_mean(const struct policy_model *model);
void policy_demand_add(struct policy_model *model, int64_t now_ms);
double policy_demand_now(const struct policy *policy, const struct policy_model *model,
                         int64_t now_ms);
double policy_replicas(const struct policy_model *model); /* K: holders, by their duty */
/* W_m(k) in seconds, k may be a fraction. */
double policy_queue_wait(struct policy *policy, uint32_t model, double replicas, int64_t now_ms);
void policy_queue_fill(struct policy *policy, uint32_t model, double replicas, int64_t now_ms);
/* F: what it costs the conversations that are warm there. */
double policy_collision(const struct policy *policy, uint32_t pair, double service_s,
                        int64_t now_ms);
/* Seconds of waiting per second if this resident pair goes. */
double policy_replica_loss(struct policy *policy, uint32_t pair, int64_t now_ms);
double policy_warm_value(const struct policy *policy, uint32_t pair, int64_t now_ms);
/* X: what it costs others if the node loads this pair. */
double policy_harm(struct policy *policy, uint32_t node, uint32_t pair, double seconds,
                   int64_t now_ms);
double policy_home_wait(struct policy *policy, const struct policy_want *want, uint32_t node,
                        int64_t now_ms);

/* --- policy_tap.c
 * --------------------------------------------------------------------------------- */

void policy_tap_settings(const struct policy *policy);
void policy_tap_heard(const struct policy *policy, uint32_t node, const struct policy_heard *heard,
                      int64_t now_ms);
void policy_tap_left(const struct policy *policy, uint32_t node, const struct policy_report *report,
                     int64_t now_ms);
void policy_tap_next(const struct policy *policy, const struct policy_decision *decision,
                     int64_t now_ms); /* NULL: there was none */
/* "NAME a b now" with what else the call was given. */
void policy_tap_call(const struct policy *policy, const char *name, uint32_t a, int64_t b,
                     int64_t now_ms);
void policy_tap_model(const struct policy *policy, const char *name, uint32_t node, uint32_t model,
                      int64_t more, int64_t now_ms);

/* --- policy_late.c, policy_place.c, policy_simple.c
 * ------------------------------------------------ */

/* False: nothing new; *ret may be a decision to keep that was told before. */
bool policy_late_match(struct policy *policy, uint32_t request, uint32_t position, int64_t now_ms,
                       struct policy_decision *ret);
/* Must this node be left out because it has failed the request? Not if all have. */
bool policy_is_barred(const struct policy *policy, const struct policy_want *want, uint32_t node);
/* Is it better to wait for the busy home than to be served elsewhere in `other_s`? */
bool policy_home_pays(struct policy *policy, const struct policy_want *want, double other_s,
                      int64_t now_ms, struct policy_cost *ret);
/* The firmware throttles the node; is another one that has the model free soon enough? `position`:
 * so many wait before it. */
bool policy_cooler_pays(struct policy *policy, const struct policy_want *want, uint32_t node,
                        uint32_t position, double service, int64_t now_ms);
/* The first requests of a model in the window's order, at most `max`, of one class. */
uint32_t policy_queue_front(struct policy *policy, uint32_t model, uint32_t max, uint32_t *out);
/* Is it better to wait for a busy holder, on a faster or cooler board, than to take the free pair?
 */
bool policy_faster_pays(struct policy *policy, const struct policy_want *want, uint32_t free_pair,
                        uint32_t position, double service, int64_t now_ms);
bool policy_late_pull(struct policy *policy, uint32_t node, int64_t now_ms,
                      struct policy_decision *ret);
bool policy_place(struct policy *policy, int64_t now_ms, struct policy_decision *ret);
void policy_place_begin(struct policy *policy, int64_t now_ms);
bool policy_simple_next(struct policy *policy, int64_t now_ms, struct policy_decision *ret);

/* --- policy.c
 * -------------------------------------------------------------------------------------- */

uint32_t policy_roll(struct policy *policy, uint32_t n); /* 0 to n - 1 */
bool policy_all_failed_it(const struct policy *policy, const struct policy_want *want);
bool policy_has_failed_it(const struct policy *policy, const struct policy_want *want,
                          uint32_t node);
void policy_homebound_drop(struct policy *policy, uint32_t request);
void policy_homebound_add(struct policy *policy, uint32_t request, uint32_t node, double service_s);
/* May this pair run a request of its model now, its node's load aside? */
bool policy_pair_usable(const struct policy *policy, const struct policy_pair *pair);

#endif
