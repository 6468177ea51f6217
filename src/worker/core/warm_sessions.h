#ifndef WORKER_WARM_SESSIONS_H
#define WORKER_WARM_SESSIONS_H

/*
 * Which conversations' KV caches are probably still warm on this node: a bounded list of (key,
 * model), newest first. Pure. It is a hint for routing, never a promise.
 */

#include <stddef.h>

#include "common/model_name.h"
#include "common/span.h"

#define WARM_SESSIONS_MAX    16
#define WARM_SESSION_KEY_MAX 256 /* bytes, without NUL; protocol section 2, `session` */

struct warm_session {
    char key[WARM_SESSION_KEY_MAX + 1];
    char model[MODEL_NAME_MAX + 1];
};

/* Zeroed = empty. items[0..n), newest first. */
struct warm_sessions {
    size_t n;
    struct warm_session items[WARM_SESSIONS_MAX];
};

/* How many conversations of one model stay warm: `slots` up to Ollama 0.24, whose slots hold one
 * each; WARM_SESSIONS_MAX from 0.30 on, which keeps replaced prompts in memory. An unknown version
 * (NULL, "", not a number) counts as old. At least 1. */
size_t warm_sessions_per_model(const char *ollama_version, int slots);

/*
 * A request of conversation `key` has just run on `model` (canonical name): it comes first, and of
 * this model only the newest `keep` (>= 1) stay. An empty or absent key is a request of no
 * conversation: it is not listed but has taken a slot all the same, so keep - 1 stay. A key that is
 * not UTF-8, has NUL bytes or is longer than WARM_SESSION_KEY_MAX counts as empty. A model name
 * that is empty or too long is ignored.
 */
void warm_sessions_touch(struct warm_sessions *sessions, struct span key, struct span model,
                         size_t keep);

/* Forgets each conversation whose model is not among the n resident ones (canonical names). */
void warm_sessions_keep_resident(struct warm_sessions *sessions, const struct span *models,
                                 size_t n);

#endif
