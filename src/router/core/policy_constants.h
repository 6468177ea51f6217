#ifndef ROUTER_POLICY_CONSTANTS_H
#define ROUTER_POLICY_CONSTANTS_H

/*
 * Every constant of the policy, once: unit, reason, source. "sweep" = found by simulation
 * (docs/routing.md tells how); "fit" = fitted to measurements on boards that are named there.
 * What a cluster may need to change is a setting instead (struct policy_settings).
 */

/* --- demand and waiting ------------------------------------------------------------------------
 */

#define DEMAND_WINDOW_S                                                                            \
    300.0                    /* averaging of arrival rates; 1800 doubles P99 after a shift: sweep */
#define SERVICE_SHARE   0.05 /* weight of a new answer in the mean service time of a model */
#define OUTPUT_SHARE    0.02 /* ... in the mean length of an answer: lengths vary widely */
#define TOKENS_PRIOR    120.0 /* tokens of an answer before any is known */
#define PROMPT_PRIOR    100.0 /* uncached tokens of a prompt before any is known */
#define SERVICE_PRIOR_S 30.0  /* service time of a model before any is known */
#define RESIDUAL_SHARE                                                                             \
    0.9 /* answers' lengths are log-normal: however long one runs already, about                   \
           this share of a mean one is still to come */
#define NO_HOLDER_LOADS 1.5 /* wait without any holder: this many loads, ... */
#define NO_HOLDER_S     5.0 /* ... and this long until a node is found */
#define WAIT_FOREVER_S  1e9
#define ESTIMATE_AGE_MS 500 /* a wait estimate of a model is used again for this long */

/* --- swaps on demand ---------------------------------------------------------------------------
 */

#define SWAP_FLEET_SMALL                                                                           \
    4.0 /* in a fleet larger than this waiting is more certain than in a small                     \
          one: other holders come free. A swap must cost less ... */
#define SWAP_FLEET_SHARE  0.55  /* ... by up to this share more: halves cold starts there: sweep */
#define HARM_HORIZON_S    300.0 /* for how long a missing replica is felt: as DEMAND_WINDOW_S */
#define HARM_LOADS_MAX    3.0 /* a model can be loaded again: harm is at most this many loads, ... */
#define HARM_WARM         2.0  /* a cache that is lost is missed more than once: sweep */
#define HARM_S            15.0 /* ... each with this much around it */
#define PULL_AGE_S        40.0 /* age that a new request is given: more favours short ones: sweep */
#define PULL_HITS_MAX     10   /* requests compared when a slot is free */
#define READ_SHARE        0.5 /* of reading a file that the page cache then has: one more load profits */
#define STARVE_LOADS      12.0 /* after this many loads and services ... */
#define STARVE_S          30.0 /* ... and this, a request's index is raised ... */
#define STARVE_FACTOR     4.0  /* ... by this: no request waits for ever */
#define SAMPLE_HOLDERS    6    /* free holders looked at; 12 changes nothing measurable: sweep */
#define SAMPLE_OTHERS     16   /* free nodes without the model looked at */

#define FASTER_SHARE      0.9  /* a busy holder (a faster board, a cooler one) is worth waiting */
#define FASTER_MARGIN_S   1.0  /* for if the request is done in this share of the time, less this */
#define FASTER_PATIENCE_S 60.0 /* nobody is put off for longer */

/* --- placement ---------------------------------------------------------------------------------
 */

#define PLACE_TICK_MS    5000
#define PLACE_HORIZON_S  300.0  /* what a preload must pay for itself in */
#define PLACE_LOADS      3.0    /* gain over the horizon, in loads: sweep */
#define PLACE_RATIO      1.3    /* gain over loss: no ping-pong */
#define PLACE_SHARE      12     /* at most one node in so many per round */
#define PLACE_SAMPLE     64     /* free nodes looked at */
#define PLACE_LAST_GUARD 1000.0 /* no preload takes the last holder of a model in use: sweep */
#define PLACE_LAST_SHARE 4.0    /* ... or this often what its requests would wait for a load */
#define PLACE_WARM       8.0 /* conversations that a preload would cut off count this often: sweep */
#define PLACE_SOON_HOLDERS                                                                         \
    60 /* up to so many who is busy now counts, not demand alone: P90 at 75 % load -14 %, of a Pi  \
          4/Pi 5 fleet -6 %. Many even out: if it counted for all, 300 nodes would take 3 %        \
          longer; only up to 20, 100 nodes at 75 % load 1.5 %: sweep */
#define HOME_BUSY_HOLDERS                                                                          \
    8.0 /* a busy home costs whoever comes back about a service. Models with so many holders on    \
           average, and one, have half of that counted. Without it one with 100 holders gets no    \
           more until all are busy: P90 of 300 nodes -5 to -25 %; 5 to 10 are alike; whole at 24   \
           nodes: P50 at 65 % load +2 %: sweep */
#define HOME_SHARE       0.02 /* weight of a request in the share of those that have a home */
#define PLACE_SLOW_SPEED 1.5  /* a board this much slower than others that have the model ... */
#define PLACE_SLOW_WAIT                                                                            \
    12.0 /* ... gets it only if the mean wait is this many services: who goes there takes that     \
            much longer. P99 of a Pi 4/Pi 5 fleet -9 %: sweep */
#define PLACE_FAST_MEMORY 0.98  /* per round: the fastest board that a sample has shown */
#define PLACE_DUTY_SHARE  0.9   /* a node that must rest gives that much less of the gain */
#define PLACE_LOAD_SHARE  0.002 /* of equal nodes the one that loads faster */
#define RETRY_HEADS       4     /* requests of each model looked at again every POLICY_TICK_MS */
#define PRELOAD_SLACK     2.0   /* a preload is given up after so many of the expected times ... */
#define PRELOAD_BEGIN_MS  12000 /* a node has begun, and said so in a heartbeat, by then */
#define PRELOAD_SLACK_MS  60000 /* ... and this */

/* --- homes -------------------------------------------------------------------------------------
 */

#define RETURN_CHANCE  0.71    /* a conversation goes on; mean 3.5 turns: traces */
#define RETURN_HALF_MS 45000.0 /* silence after which that is half: think time, median 24 s, is */
                               /* log-normal; Bayes on 1 / (1 + (t / median)^2) for its tail */
#define HOME_BUSY_PRICE                                                                            \
    1.5 /* a second of a node's work costs others this often its share of busy nodes: P50 at 65 %  \
           load -5 %, TTFT P90 at 75 % -9 %: sweep */
#define COLLIDE_S          30.0   /* a job this long meets a returning conversation with 50 % */
#define COLLIDE_SHARE      0.5    /* which then waits half of it, or goes elsewhere */
#define SESSION_TTL_MS     600000 /* a conversation silent this long has no home */
#define WARM_UNKNOWN_SHARE 0.8    /* of a prompt, if only the fact is known that it is warm */

/* --- heat --------------------------------------------------------------------------------------
 */

#define HEAT_PRICE_C      75.0  /* the price begins here (t_on) ... */
#define HEAT_PRICE_SPAN_C 3.0   /* ... and is whole this much above */
#define HEAT_SOFT_C       80.0  /* the firmware lowers the clock from here: Pi documentation */
#define HEAT_SLOW_SHARE   0.04  /* slower by this for each degree above: fit */
#define HEAT_SLOW_SPAN_C  6.0   /* ... up to here */
#define HEAT_REST_C       78.5  /* a node rests from here ... */
#define HEAT_BACK_C       73.0  /* ... until here: more than the 3 C that load makes in one beat */
#define HEAT_PATIENCE_MS  25000 /* a request waits this long if a free node is throttled */
#define HEAT_DUTY_C       78.0  /* a node's duty is what keeps it below this */
#define HEAT_DUTY_MIN     0.15
#define HEAT_JUMP_C       10.0  /* the die's rise within seconds of work, until measured */
#define HEAT_TSS_C        68.0  /* where a busy node settles, until measured: optimistic */
#define HEAT_TAU_S        150.0 /* how fast, until measured: between cooler (60) and sink (300) */

/* --- speeds, until they are measured: bytes and parameters of 4-bit models -------------------- */

#define PRIOR_ANSWERS  5    /* from this many on only measurements count */
#define MEASURED_SHARE 0.1  /* weight of a heartbeat in what a board's nodes have measured: ten */
#define MEASURED_MAX   50.0 /* ... which is taken for at most so far off the prior, ... */
#define MEASURED_MIN   0.02 /* ... either way: a broken figure of one node must not stick */
#define SIBLING_NOISE                                                                              \
    0.25 /* a node that is this share faster or slower than its siblings is half believed: what    \
            one measures is 10 to 15 % off, boards of a kind differ by 5 %. P50 and P90 of 24 Pi 5 \
            -1 %, TTFT P90 -4 %; 0.15 to 1.0 do about the same: sweep */
#define SIBLINGS_FEW     4.0   /* so few nodes have no mean that says more than each for itself */
#define PARAMETER_BYTES  0.62  /* bytes per parameter of a Q4_K_M file */
#define INIT_S           0.8   /* a load that costs no reading, on a Pi 5 */
#define PAGE_CACHE_BPS   1.2e9 /* reading a file that the page cache still has */
#define PAGE_CACHE_SHARE 0.9   /* of what models (model_memory.h) leave holds files */
#define SHARED_SLOT      0.6   /* slots share the cores: each running request slows by this share */

/* A Pi's generation of tokens is bound by its memory: tokens/s = memory_bps / file bytes. Prompts
 * are bound by arithmetic: tokens/s = prompt_k / parameters in 1e9. */
struct policy_board_prior {
    double memory_bps, prompt_k, disk_bps, speed;
};

#endif
