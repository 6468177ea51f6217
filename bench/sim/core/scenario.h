#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

/*
 * A scenario: machines, models, arrivals and faults, as a text file says them. Pure.
 *
 * One statement per line; `#` begins a comment; blank lines count for nothing. A statement is a
 * word, then plain values, then KEY=NUMBER in any order. Units are part of the keys.
 *
 *     include FILE                              the statements of that file, as named in this one
 *     about WORDS ...                           one line for people
 *     model NAME size_gb= prefill_tps= decode_tps=      speeds of a board with speed=1
 *     board NAME speed= disk_mb_s= ram_gb= kv= min_clock=
 *     kit NAME idle_c= fast_c= slow_c= tau_s=           how a board is cooled
 *     nodes COUNT BOARD KIT ambient_c=          as often as wanted
 *     spread speed= disk= ambient_c= belief=    nodes differ by up to so much (0.05, 0.1, 1.5);
 *                                               errors of what is believed of them, 0 = none (1)
 *     use models= zipf=                         the first so many models (more than there are:
 * copies), popularity 1/rank^zipf; ranks are drawn per seed load SHARE offered work over capacity
 * (see below) duration_s SECONDS                        arrivals end then warmup_s SECONDS what
 * arrives earlier is not counted (600) drain_s SECONDS                           time for what
 * still runs (2400) session turns= turns_max= apps=           geometric number of turns (3.5, 12);
 * `apps` different system prompts (3) prompt mu= sigma= min= max=               tokens of a user
 * message, lognormal (4.3 0.9 8 700) answer mu= sigma= min= max=               tokens of an answer,
 * lognormal (4.6 0.8 4 512) think mu= sigma=                          seconds between an answer and
 * the next message, lognormal (3.2 0.9) context system= max=                      tokens of the
 * system prompt (150); a message that would make the prompt longer than max is not sent (1800)
 *     burst low= high= low_s= high_s=           arrivals are a Markov-modulated Poisson process:
 * rate low or high times the mean, for so long on average shift at_s= by= from then on each session
 * wants the model `by` places on death at_s= share= until_s=               that share of the nodes
 * loses its power, silently trace input_scale= output_scale= input_max=       arrivals and lengths
 * come from the trace that is named with --trace; tokens are scaled health_s SECONDS between two
 * health reports of a node (5) notice_s SECONDS                          until a dead node is
 * missed (10)
 *
 * LOAD. Offered work is what the requests would cost if their model were warm and their history
 * cached; capacity is the sum of the nodes' speeds. So load 0.5 leaves half of the fleet for cold
 * starts, lost caches and luck.
 *
 * Numbers in brackets hold where nothing is said. What is out of range, said twice or misspelt is
 * an error with FILE:LINE.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define SCENARIO_BYTES_MAX   ((size_t)1 << 20) /* of one file */
#define SCENARIO_NAME_MAX    63                /* bytes, without NUL */
#define SCENARIO_ABOUT_MAX   255
#define SCENARIO_INCLUDE_MAX 4 /* files inside files */
#define SCENARIO_MODELS_MAX  512
#define SCENARIO_KINDS_MAX   32 /* boards; kits */
#define SCENARIO_GROUPS_MAX  64
#define SCENARIO_DEATHS_MAX  64
#define SCENARIO_NODES_MAX   16384
#define SCENARIO_TURNS_MAX   64
#define SCENARIO_KV_MAX      16 /* conversations that one node keeps warm */

struct scenario_model {
    char name[SCENARIO_NAME_MAX + 1];
    double size_gb, prefill_tps, decode_tps;
};

struct scenario_board {
    char name[SCENARIO_NAME_MAX + 1];
    double speed;     /* 1 = as the models' rates say */
    double disk_mb_s; /* from which models load */
    double ram_gb;    /* for model and page cache */
    uint32_t kv;      /* conversations whose cache survives, at least 1 */
    double min_clock; /* of the full clock, when throttled most */
};

struct scenario_kit {
    char name[SCENARIO_NAME_MAX + 1];
    double idle_c; /* above ambient, doing nothing */
    double fast_c; /* more within seconds at full power: the die */
    double slow_c; /* more with tau_s: board and sink */
    double tau_s;
};

struct scenario_group {
    uint32_t count, board, kit; /* indexes */
    double ambient_c;
};

struct scenario_length {
    double mu, sigma;
    int32_t min, max;
};

struct scenario_death {
    double at_s, share, until_s;
};

struct scenario {
    char name[SCENARIO_NAME_MAX + 1]; /* of the file, without its directories */
    char about[SCENARIO_ABOUT_MAX + 1];
    uint32_t n_catalogue; /* as listed; n_models of them are used */
    struct scenario_model models[SCENARIO_MODELS_MAX];
    uint32_t n_boards, n_kits, n_groups, n_deaths, n_models, n_nodes;
    struct scenario_board boards[SCENARIO_KINDS_MAX];
    struct scenario_kit kits[SCENARIO_KINDS_MAX];
    struct scenario_group groups[SCENARIO_GROUPS_MAX];
    struct scenario_death deaths[SCENARIO_DEATHS_MAX];
    double spread_speed, spread_disk, spread_ambient_c;
    double spread_belief; /* 1 = the errors of workload.c; 0 = what the router believes is so */
    double time_scale;    /* 1; see scenario_speed() */
    double zipf, load, duration_s, warmup_s, drain_s, health_s, notice_s;
    double turns;
    uint32_t turns_max, apps;
    struct scenario_length prompt, answer, think; /* think: seconds, min and max not used */
    int32_t system_tokens, context_max;
    bool has_burst, has_shift, has_trace;
    double burst_low, burst_high, burst_low_s, burst_high_s;
    double shift_at_s;
    uint32_t shift_by;
    double trace_input_scale, trace_output_scale;
    int32_t trace_input_max;
};

/* Hands the text of an included file to the parser. Returns 0, or a negative errno value with *err;
 * the text must stay until scenario_parse() returns. */
struct scenario_includes {
    int (*read)(void *arg, struct span name, struct span *ret_text, struct err *err);
    void *arg;
};

/* Parses `text`, called `file` in messages. Returns 0, or a negative errno value with "FILE:LINE:
 * ..." in *err; *ret is then meaningless. `includes` NULL: an include is an error. */
int scenario_parse(struct span text, const char *file, const struct scenario_includes *includes,
                   struct scenario *ret, struct err *err);

/* The same world `factor` times as fast: speeds, disks and heat; arrivals, pauses and durations
 * that much shorter. Health and notice_s stay: they are the daemons' own. For comparing with
 * daemons that run against fast simulated Ollamas. */
void scenario_speed(struct scenario *scenario, double factor);

#endif
