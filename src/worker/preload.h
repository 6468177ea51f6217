#ifndef WORKER_PRELOAD_H
#define WORKER_PRELOAD_H

/*
 * Loads a model ahead of need, because a router (or an operator) wishes it: `op preload` on
 * P:control.
 *
 *     IDLE --wish--> UNLOADING --/api/ps no longer lists it--> LOADING --answered--> IDLE
 *           (nothing to unload: straight to LOADING; anything that fails: IDLE)
 *
 * Unloading is an empty request with keep_alive 0, loading an empty one; both connections are held
 * until Ollama has answered, because closing one aborts the load. Meanwhile health says `loading`
 * and routers send nothing. Real work comes first: a request for another model that arrives all the
 * same ends the preload (its load is aborted, so Ollama is free for it); one for the same model
 * joins it.
 *
 * A wish is for now: one that is older than PRELOAD_WISH_MS by Redis' clock is passed over, so that
 * a node that was away does not load what nobody wants any more. Nothing is kept: if this process
 * dies, the connection closes, Ollama stops loading, and the next heartbeat no longer says
 * `loading`. Every wish ends with one event `preloaded`, with `error` if the model is not in
 * memory.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/model_name.h"
#include "common/span.h"

struct http_call;
struct worker;

#define PRELOAD_WISH_MS    10000  /* a wish counts for so long */
#define PRELOAD_TIMEOUT_MS 900000 /* of one load: 5 GB from the slowest card are two minutes */
#define PRELOAD_UNLOAD_MS  30000  /* /api/ps must have forgotten the old model by then */
#define PRELOAD_LOOK_MS    250    /* between two looks at /api/ps while it is unloaded */

enum preload_state { PRELOAD_IDLE = 0, PRELOAD_UNLOADING, PRELOAD_LOADING };

struct preload {
    enum preload_state state; /* written by one function in preload.c only */
    struct http_call *call;
    struct buf body, answer;
    char model[MODEL_NAME_MAX + 1];  /* canonical */
    char unload[MODEL_NAME_MAX + 1]; /* "": nothing */
    int64_t start_ms;                /* of the wish; */
    int64_t load_ms;                 /* of the load */
    int64_t look_ms;                 /* next look at /api/ps */
};

void preload_init(struct worker *w);
void preload_done(struct worker *w);
void preload_tick(struct worker *w, int64_t now_ms);

/* A wish for this node. `unload` may be absent. `age_ms` by Redis' clock. */
void preload_wish(struct worker *w, struct span model, struct span unload, int64_t age_ms);

/* A request for this model is about to go to Ollama. */
void preload_make_way(struct worker *w, const char *model_name);

/* The model being loaded, or NULL. */
const char *preload_model(const struct worker *w);

#endif
