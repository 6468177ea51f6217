#ifndef ROUTER_WINDOW_H
#define ROUTER_WINDOW_H

/*
 * The requests that this router holds: what they need, whose turn it is, and which are read but
 * have no room (parked). Metadata only; the payload stays in Redis. Pure; memory is handed in.
 *
 *              window_add()
 *                   |
 *                   v      window_take()
 *       +------> WAITING ----------------> MOVING        a script is under way that
 *       |           |                        |           moves it to a node
 *       |           | window_end()           | window_end()
 *       |           v                        v
 *       |        ENDING <--------------------+           a script is under way that ends it
 *       |           |
 *       +-----------+-- window_put_back(), also from MOVING: it did not happen
 *
 * window_remove() takes a request out from any state: the script has answered, it is gone. WAITING
 * requests are in the order of service; an index is good until window_remove(), but a WAITING
 * request may be demoted to the parked ones by any window_add(): keep an index across callbacks
 * only while it is MOVING or ENDING.
 *
 * ORDER OF SERVICE. Three classes: `high` before `normal` before `low`; a request that has waited
 * priority_age moves up one class (window_age()). Within a class deficit round robin over clients
 * (Shreedhar and Varghese, SIGCOMM 1995): a request costs 1 plus 1 per full 4 KiB of its entry, a
 * client's quantum is WINDOW_QUANTUM per turn, what is left is kept while it has requests waiting.
 * The paper asks for a quantum of the largest cost to have O(1) work per request; here the number
 * of turns until somebody can afford a request is computed instead, so the quantum can be the
 * smallest cost, and clients alternate request by request. Within a client: by submitted_ms, then
 * entry id, so a request that comes back from a node keeps its place.
 *
 * FAIRNESS OF THE WINDOW ITSELF. When it is full, a new request still gets in if its client holds
 * at least two slots less than the client that holds most: that one's newest WAITING request of its
 * lowest class is demoted to the parked ones. Failing that, if a request of a lower class waits,
 * the newest of that class (of the client with most there) gives way. Otherwise the new one is
 * parked.
 *
 * Clients are known by a keyed 64-bit hash of their name; requests without `client` are one client.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/keys.h"
#include "common/request.h"
#include "common/span.h"

#include "names.h"
#include "stream_id.h"

#define WINDOW_NONE       INDEX_NONE
#define WINDOW_QUANTUM    1
#define WINDOW_COST_BYTES 4096    /* one more unit of cost for each */
#define WINDOW_COST_MAX   1000000 /* cost is cut here */
#define WINDOW_TRIED_MAX  1023    /* bytes of `tried` kept; the oldest names are dropped beyond */

enum window_state {
    WINDOW_FREE = 0, /* no request */
    WINDOW_WAITING,
    WINDOW_MOVING,
    WINDOW_ENDING,
    WINDOW_STATE_COUNT
};

/* One request. The shell reads it and writes nothing but the fields said to be its own. */
struct window_request {
    struct stream_id id;            /* of the entry in P:requests */
    uint32_t model;                 /* index in the names table; held */
    uint32_t client;                /* private */
    uint64_t session_hash;          /* 0 = none */
    uint64_t prefix_hash;           /* of model and system prompt; 0 = none */
    uint32_t prompt_tokens;         /* estimated from its bytes; history included */
    uint32_t prefix_tokens;         /* likewise, of the system prompt */
    uint32_t output_tokens_max;     /* the client wants no more; 0 = it does not say */
    int64_t submitted_ms;           /* Redis time */
    int64_t deadline_ms;            /* Redis time */
    int64_t first_seen_ms;          /* monotonic */
    int32_t attempt;                /* from 1 */
    uint32_t cost;                  /* see above */
    enum request_priority priority; /* as asked */
    enum request_priority class;    /* as aged: where it stands now */
    enum window_state state;        /* written by one function in window.c only */
    bool stream, progress, came_back;

    /* The shell's own; 0 at window_add(). */
    bool told_no_node; /* "waits for a node" has been logged */
    bool is_cancelled; /* a cancel came while a script was under way: end it if it waits again */
    int64_t status_due_ms; /* next status entry, monotonic */
    uint32_t told_position;

    char request_id[REQUEST_ID_MAX + 1];

    /* private */
    uint64_t request_hash;
    uint32_t scan; /* the scan that has shown it */
    uint32_t lane; /* the three below: of WAITING requests only */
    uint32_t lane_next, lane_prev;
    uint32_t side; /* INDEX_NONE if it has none of what is kept there */
};

/* What window_add() is told; borrowed for the call. */
struct window_entry {
    struct stream_id id;
    struct span request_id;        /* valid */
    struct span model;             /* canonical */
    struct span callback;          /* absent if it is P:responses:<request_id> */
    struct span client;            /* absent: nobody in particular */
    struct span tried, last_error; /* absent if none */
    uint64_t session_hash, prefix_hash;
    uint32_t prompt_tokens, prefix_tokens, output_tokens_max;
    enum request_priority priority;
    int64_t submitted_ms, deadline_ms; /* Redis time */
    int64_t attempt;
    size_t bytes; /* of the entry */
    bool stream, progress, came_back;
};

enum window_outcome {
    WINDOW_ADDED = 0,
    WINDOW_PARKED, /* no room, or an older one of its client waits parked; window_parked_next() will
                      name it */
    WINDOW_KNOWN,  /* this entry is in the window already (or parked, and no room); nothing changed
                    */
    WINDOW_FULL,   /* no room, and parked_max are parked: nothing changed */
};

struct window_added {
    enum window_outcome outcome;
    uint32_t index; /* WINDOW_ADDED, and WINDOW_KNOWN if it is in the window; else WINDOW_NONE */
    bool demoted;   /* another one was parked for it */
};

struct window_sizes {
    uint32_t capacity;   /* requests in the window, 1 to 2^20 */
    uint32_t parked_max; /* 0 to 2^24 */
};

struct parked;
struct tap;
struct window_client;
struct window_flow;
struct window_lane;
struct window_side;

/* Written by the functions below only. */
struct window {
    struct window_sizes sizes;
    struct names *models; /* borrowed */
    uint64_t seed;
    const struct tap *tap; /* the caller's; NULL: nobody listens */
    uint32_t counts[WINDOW_STATE_COUNT];
    uint32_t class_waiting[REQUEST_PRIORITY_COUNT]; /* WAITING, by class as aged */
    uint32_t *model_waiting;                        /* WAITING, by model index */
    uint32_t scan;                                  /* number of the newest scan */
    uint32_t ring[REQUEST_PRIORITY_COUNT];          /* flow whose turn it is */
    uint32_t parked_ring[REQUEST_PRIORITY_COUNT];   /* client to look at next */
    struct index_pool request_pool, side_pool, flow_pool, lane_pool, client_pool, parked_pool;
    struct index_table by_id, by_request_id, by_client, parked_by_id, parked_by_request_id;
    struct window_request *requests;
    struct window_side *sides;
    struct window_flow *flows;
    struct window_lane *lanes;
    struct window_client *clients;
    struct parked *parked;
};

/* Bytes of the memory that a window needs. The names table must hold at least `capacity` names more
 * than all its other users do (FLEET_MODELS_MAX). `names_capacity` is that table's capacity. */
size_t window_bytes(struct window_sizes sizes, uint32_t names_capacity);

/* `mem` is window_bytes() zeroed bytes, aligned for any type; `mem` and `models` are borrowed for
 * the window's life. `seed` is random, so that nobody can choose ids that collide in its tables. */
void window_init(struct window *window, void *mem, struct window_sizes sizes, struct names *models,
                 uint64_t seed);

/* Takes in an entry that was read. `now_ms` is monotonic, `redis_ms` Redis time. */
struct window_added window_add(struct window *window, const struct window_entry *entry,
                               int64_t now_ms, int64_t redis_ms, int64_t priority_age_ms);

/* --- one request ------------------------------------------------------------------------------ */

/* NULL if the index holds no request. */
struct window_request *window_at(struct window *window, uint32_t index);

/* The rest of a request, NUL-terminated, "" if there is none; borrowed until it is removed. */
const char *window_callback(const struct window *window, uint32_t index);
const char *window_tried(const struct window *window, uint32_t index);
const char *window_last_error(const struct window *window, uint32_t index);

/* The request of that entry, or WINDOW_NONE. */
uint32_t window_find(const struct window *window, struct stream_id id);

/* The requests with that request id (a client may have sent it twice): the first after `previous`,
 * or the first of all if `previous` is WINDOW_NONE; WINDOW_NONE when there are no more. */
uint32_t window_find_request(const struct window *window, struct span request_id,
                             uint32_t previous);

/* --- order of service ------------------------------------------------------------------------- */

/* Begins a scan: what earlier scans have shown may be shown again. */
void window_scan(struct window *window);

/* The WAITING request whose turn it is among those that this scan has not shown and whose model is
 * in the set `open` (names.h), or WINDOW_NONE. Changes nothing but that the scan has shown it:
 * turns are used up by window_take(). Models may be taken out of `open` during a scan. O(clients
 * and models waiting); a model that is not open costs O(1) for each client. */
uint32_t window_next(struct window *window, const uint64_t *open);

/* WAITING -> MOVING; charges the client. */
void window_take(struct window *window, uint32_t index);

/* MOVING or ENDING -> WAITING, at its old place; from MOVING the client gets its charge and its
 * turn back. */
void window_put_back(struct window *window, uint32_t index);

/* WAITING or MOVING -> ENDING. */
void window_end(struct window *window, uint32_t index);

/* Out of the window, from any state. */
void window_remove(struct window *window, uint32_t index);

/* Moves up what has waited long enough: a request belongs one class higher for each whole
 * priority_age_ms since submitted_ms; so do parked entries. O(requests + parked): about once a
 * second. 0 or less switches ageing off. Returns how many requests moved. */
uint32_t window_age(struct window *window, int64_t redis_ms, int64_t priority_age_ms);

/* Requests that would be served before this WAITING one if each cost 1 and every model had a node:
 * 0 = it is next. O(waiting of its client + clients). */
uint32_t window_position(const struct window *window, uint32_t index);

/* --- sweeps and counts ------------------------------------------------------------------------ */

/* Up to n WAITING requests whose deadline_ms <= redis_ms. They stay until the caller acts. Returns
 * the number. O(requests). */
size_t window_expired(const struct window *window, int64_t redis_ms, uint32_t *out, size_t n);

/* Walks all requests in any state: begin with *cursor = 0; WINDOW_NONE at the end. Removing the one
 * just returned is allowed. */
uint32_t window_each(const struct window *window, uint32_t *cursor);

uint32_t window_count(const struct window *window); /* in any state */
uint32_t window_state_count(const struct window *window, enum window_state state);
uint32_t window_class_count(const struct window *window, enum request_priority class);
uint32_t window_model_count(const struct window *window, uint32_t model); /* WAITING */
uint32_t window_room(const struct window *window);                        /* free slots */
/* The WAITING request with the smallest submitted_ms, or WINDOW_NONE. O(requests). */
uint32_t window_oldest(const struct window *window);

/* --- memory ----------------------------------------------------------------------------------- */

/* Names the memory that was needed once, but not since the last call: a backlog that is gone. The
 * caller may give its pages back (index_table.h). Every few seconds; O(1). */
void window_rest(struct window *window, index_idle *idle, void *arg);

/* --- parked entries --------------------------------------------------------------------------- */

/* The parked entry to fetch next, removed from the list: highest priority, then the client with
 * fewest requests in the window, then the oldest id. At most PARKED_SCAN_MAX clients are looked at,
 * going round, so with more clients than that it is the best of those. False if none is parked. */
#define PARKED_SCAN_MAX 256
bool window_parked_next(struct window *window, struct stream_id *ret);

/* Is that entry on the list? */
bool window_is_parked(const struct window *window, struct stream_id id);

/* Takes an entry with that request id off the list (a cancel); false if there is none. Ids are
 * compared by a keyed 64-bit hash: look at the entry before ending it. */
bool window_unpark(struct window *window, struct span request_id, struct stream_id *ret);

/* Takes up to n entries off the list whose deadline has passed. Returns the number. O(parked). */
size_t window_parked_expired(struct window *window, int64_t redis_ms, struct stream_id *out,
                             size_t n);

uint32_t window_parked_count(const struct window *window);

#endif
