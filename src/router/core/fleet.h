#ifndef ROUTER_FLEET_H
#define ROUTER_FLEET_H

/*
 * The nodes known from P:health, their models, and how much each is doing. Pure; memory is handed
 * in. What happens to a node is returned as a change record, once, for the caller to log, to
 * publish and to act on (take back what a lost or unavailable node has).
 *
 * How it is driven: the shell reads the whole of P:health about once a second:
 *
 *     fleet_round_begin();  fleet_health() for each field;  fleet_round_end();
 *
 * and calls fleet_sweep() at each tick. Times: `now_ms` is monotonic, `redis_ms` Redis time.
 *
 * SILENCE. A node is late or lost when Redis time - last_seen_ms exceeds the limit. If that is
 * negative (Redis was replaced by a server whose clock is behind), the time since its last_seen_ms
 * last changed counts instead. While a grace period runs (fleet_grace(): set it to now + node_lost
 * after each connect) nobody becomes lost; late is judged always.
 *
 * A node that is no longer in P:health (it said goodbye, or was forgotten) gets no work, becomes
 * late and lost as if it were silent, and is removed by the caller (fleet_remove()) once it is LOST
 * and nothing is left on its stream.
 *
 * Node indexes are good until fleet_remove().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#include "names.h"
#include "node.h"

struct err;

#define FLEET_NODES_MAX  16384
#define FLEET_MODELS_MAX 4096 /* different models of all nodes; those beyond are not seen */
#define FLEET_NONE       UINT32_MAX

/* From the settings; handed in again when they are reloaded. */
struct fleet_limits {
    int64_t node_late_ms, node_lost_ms;
    int64_t temp_max_mc; /* no work at or above */
    int64_t ram_max_pct; /* no work at or above */
    int64_t prefetch;    /* credit beyond the slots */
};

/* Written by the functions below only. */
struct fleet {
    struct index_pool pool; /* nodes are at 0..pool.high-1 */
    struct index_table by_id;
    struct node *nodes;
    struct names *models; /* borrowed */
    struct fleet_limits limits;
    int64_t grace_until_ms;
    uint64_t news_hash;     /* of the newest refusal that belongs to no node */
    uint32_t models_n;      /* different models */
    bool *seen;             /* in this round, by node index */
    uint32_t *model_nodes;  /* by model index: nodes that have it */
    int64_t *model_lost_ms; /* by model index: when the last node that had it went; 0 = never had */
};

/* What happened to a node; several may be set. */
enum fleet_change_kind {
    FLEET_JOINED = 1 << 0,   /* first seen */
    FLEET_STATE = 1 << 1,    /* `from` and `to` differ */
    FLEET_REASON = 1 << 2,   /* still unavailable, for another reason */
    FLEET_HOT = 1 << 3,      /* reached temp_max */
    FLEET_COOL = 1 << 4,     /* below it again */
    FLEET_MODELS = 1 << 5,   /* what is installed or resident changed */
    FLEET_REFUSED = 1 << 6,  /* its health cannot be used: say so once, with *err */
    FLEET_ACCEPTED = 1 << 7, /* it can be used again */
    FLEET_GONE = 1 << 8,     /* not in P:health any more */
    FLEET_BACK = 1 << 9,     /* it is there again */
    FLEET_SLOTS = 1 << 10,   /* another number of slots */
};

/* One moment by both clocks. */
struct fleet_time {
    int64_t now_ms; /* monotonic */
    int64_t redis_ms;
};

struct fleet_change {
    uint32_t node; /* index, or FLEET_NONE if the value was refused and there is no such node */
    unsigned what; /* of enum fleet_change_kind; 0 = nothing worth a word */
    enum node_state from, to;
};

/* Bytes of the memory for `capacity` nodes (at most FLEET_NODES_MAX) and a names table of
 * `names_capacity`. */
size_t fleet_bytes(uint32_t capacity, uint32_t names_capacity);

/* `mem` is fleet_bytes() zeroed bytes, aligned for any type; `mem` and `models` are borrowed for
 * the fleet's life. */
void fleet_init(struct fleet *fleet, void *mem, uint32_t capacity, struct names *models);

void fleet_limits_set(struct fleet *fleet, const struct fleet_limits *limits);

/* Nobody becomes lost before `until_ms`. */
void fleet_grace(struct fleet *fleet, int64_t until_ms);

/* --- health ----------------------------------------------------------------------------------- */

void fleet_round_begin(struct fleet *fleet);

/* Takes in one field of P:health. Returns 0; -EINVAL (the id or the value cannot be used) or
 * -ENOSPC
 * (`capacity` nodes are known) with a sentence in *err. *ret_change is always filled; a value that
 * stays refused has FLEET_REFUSED only the first time. */
int fleet_health(struct fleet *fleet, struct span node_id, struct span json, struct fleet_time at,
                 struct fleet_change *ret_change, struct err *err);

/* After a whole round: marks the nodes that were not in it. Fills up to n changes and returns their
 * number; if it is n, call again. */
size_t fleet_round_end(struct fleet *fleet, struct fleet_change *out, size_t n);

/* Who is late, who is lost. Fills up to n changes and returns their number; if it is n, call again.
 */
size_t fleet_sweep(struct fleet *fleet, struct fleet_time at, struct fleet_change *out, size_t n);

/* Forgets a node. */
void fleet_remove(struct fleet *fleet, uint32_t index, int64_t now_ms);

/* --- drain: the set P:drained ----------------------------------------------------------------- */

/* Read the whole set again: fleet_drained_none(), then fleet_drained() for each member; also after
 * FLEET_JOINED. True if a node of that id is known and its mark changed. */
void fleet_drained_none(struct fleet *fleet);
bool fleet_drained(struct fleet *fleet, struct span node_id, bool drained);

/* --- load: entries on a node's stream --------------------------------------------------------- */

void fleet_routed(struct fleet *fleet, uint32_t index); /* one more, by us or another router */
void fleet_left(struct fleet *fleet, uint32_t index);   /* one less: done, failed, requeued */
void fleet_length(struct fleet *fleet, uint32_t index, uint64_t length); /* XLEN: the truth */
void fleet_full(struct fleet *fleet,
                uint32_t index); /* move.lua said full: none until one leaves */
void fleet_failed(struct fleet *fleet, uint32_t index, int64_t now_ms);
void fleet_succeeded(struct fleet *fleet, uint32_t index);

/* --- questions -------------------------------------------------------------------------------- */

/* The node with that id, or FLEET_NONE. */
uint32_t fleet_find(const struct fleet *fleet, struct span node_id);

/* NULL if the index holds no node. */
const struct node *fleet_at(const struct fleet *fleet, uint32_t index);

/* Walks the nodes: begin with *cursor = 0; FLEET_NONE at the end. Removing the one just returned is
 * allowed. */
uint32_t fleet_each(const struct fleet *fleet, uint32_t *cursor);

uint32_t fleet_count(const struct fleet *fleet);

/* Entries that may be on its stream: slots + prefetch. */
uint32_t fleet_credit(const struct fleet *fleet, uint32_t index);

/* For how long has no node of the fleet had the model, lost and gone nodes counted as having it?
 * 0 if one has it; INT64_MAX if none ever had (as far as is remembered). Compare the smaller of it
 * and the request's own wait with model_wait. */
int64_t fleet_model_absent_ms(const struct fleet *fleet, uint32_t model, int64_t now_ms);

#endif
