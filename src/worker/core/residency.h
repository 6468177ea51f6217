#ifndef WORKER_RESIDENCY_H
#define WORKER_RESIDENCY_H

/*
 * Is a model that /api/ps lists in memory the way this worker asks for it? Somebody else on the
 * board may have loaded it with another context length (`ollama run`, an editor): Ollama then loads
 * it anew for our next request, and what we had cached is gone. Such a model is not resident for
 * the fleet. Pure; time is handed in.
 *
 * The only runner option that /api/ps tells is `context_length`, since Ollama 0.10.0. What ours
 * gives is learned: after an answer or a load of our own the next look at /api/ps shows it. Until
 * then it is the pinned num_ctx; without one nothing is expected. So a num_ctx that Ollama cuts (to
 * what the model was trained with) costs at most one request that was thought to need a load.
 * Somebody may have reloaded the model between our answer and the look, so what is known is given
 * up only when two looks in a row say the same other thing (a Modelfile was changed).
 *
 * Cannot be seen: another num_batch, num_gpu, num_thread and so on, and a num_ctx that somebody has
 * written out although it is Ollama's own. A model whose context length is not told is taken to be
 * ours.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model_name.h"

struct ps;
struct ps_model;

#define RESIDENCY_MAX 32 /* models that are remembered; the one not run longest makes room */

struct residency_model {
    char name[MODEL_NAME_MAX + 1]; /* canonical */
    int64_t num_ctx;               /* that was asked for; 0 = none */
    int64_t context_length;        /* that it gave; 0 = not seen yet */
    int64_t other_length;          /* that the last look showed instead; 0 = none */
    int64_t ran_ms;
    bool is_new; /* it has run since the last look */
};

/* Zeroed = empty. */
struct residency {
    size_t n;
    struct residency_model models[RESIDENCY_MAX];
};

/* A request or a load of ours with this num_ctx (0 = none) has just ended well. Returns whether the
 * next look is the first that shows what it gives: it had better be soon. */
bool residency_ran(struct residency *residency, const char *name, int64_t num_ctx, int64_t now_ms);

/* /api/ps was asked at `asked_ms` and has answered. */
void residency_look(struct residency *residency, const struct ps *ps, int64_t asked_ms);

/* Would a request with this num_ctx find the model as it is? */
bool residency_is_ours(const struct residency *residency, const struct ps_model *model,
                       int64_t num_ctx);

/* Ollama is another version, or was down and may be another process: what it gives is to be seen
 * anew. */
void residency_clear(struct residency *residency);

#endif
