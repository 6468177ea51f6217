#ifndef WORKER_PS_H
#define WORKER_PS_H

/*
 * What Ollama says about itself: /api/ps, /api/tags and /api/version. Pure but
 * for the tree that cJSON allocates and that is gone again on return: these are small bodies about
 * small numbers, where its doubles do no harm. O(length); the caller bounds the length.
 *
 * Members that are null, missing, unknown or of a wrong type are passed over, as Ollama's versions
 * differ; an entry without a usable name is skipped. Of `expires_at` only the year is read: it lies
 * in the past during a long request, so it does not tell when a model goes. But with a keep_alive
 * below 0 it is the largest duration from now, which ends in 2318, in every state and version. A
 * body that is not JSON, or not an object with a list of models in it, is an error; *ret is then
 * left alone, so the last good answer stays.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/model_name.h"
#include "common/span.h"

struct err;

#define PS_RESIDENT_MAX  64  /* models in memory at once: a Pi has room for one to three */
#define PS_INSTALLED_MAX 512 /* models on disk; what lies behind is not offered to the fleet */
#define PS_VERSION_MAX   64  /* bytes of a version, with NUL */

enum ps_keep {
    PS_KEEP_UNKNOWN = 0, /* nothing is in memory, or Ollama does not say */
    PS_KEEP_FOR_A_WHILE, /* it goes when nobody has asked for it for the time of keep_alive */
    PS_KEEP_FOR_EVER,    /* OLLAMA_KEEP_ALIVE=-1 */
};

/* One resident model. */
struct ps_model {
    char name[MODEL_NAME_MAX + 1]; /* canonical */
    int64_t size_bytes;            /* as Ollama says, not RSS; 0 if it does not */
    int64_t size_vram_bytes;       /* 0 on a Pi */
    int64_t context_length;        /* tokens; 0 before Ollama 0.10.0 */
    bool embeds_only;              /* an embedding model by its family: cannot generate */
    enum ps_keep keep;
};

struct ps {
    struct ps_model models[PS_RESIDENT_MAX];
    size_t n;
    bool truncated; /* there were more */
};

/* One installed model. */
struct tags_model {
    char name[MODEL_NAME_MAX + 1]; /* canonical */
    int64_t size_bytes;            /* on disk; 0 if Ollama does not say */
    bool embeds_only;              /* by `capabilities` (Ollama >= 0.30), else by its family */
};

/* About 140 KiB: keep it in the daemon's state, not on the stack. */
struct tags {
    struct tags_model models[PS_INSTALLED_MAX];
    size_t n;
    bool truncated;
};

/* Decode an answer with status 200. `"models":null` and `"models":[]` are an empty list; a model
 * that is listed twice is taken once. Cloud models (`remote_host` set) are no models of this node
 * and left out. Return 0, or -EINVAL with *err filled. Borrow the body until they return. */
int ps_decode(struct span body, struct ps *ret, struct err *err);
int tags_decode(struct span body, struct tags *ret, struct err *err);

/* Writes the version ("0.32.15") with NUL to ret[PS_VERSION_MAX]. Only A-Z a-z 0-9 . + - _ are
 * taken as a version. 0 or -EINVAL. */
int version_decode(struct span body, char *ret, struct err *err);

/* How this Ollama keeps models: for a while, if one of them goes. */
enum ps_keep ps_keeps(const struct ps *ps);

/* Would memory of so many bytes hold what is in it and one more, the canonical `name` whose file
 * has file_bytes? As model_memory.h has it; what is in memory by Ollama's own figures. Of the same
 * name is what it replaces, which does not count. False if a size is not known (0). */
bool ps_has_room(const struct ps *ps, const char *name, int64_t file_bytes, int64_t ram_bytes);

/* The model of that canonical name, or NULL. Borrowed from *ps or *tags. */
const struct ps_model *ps_find(const struct ps *ps, const char *name);
const struct tags_model *tags_find(const struct tags *tags, const char *name);

#endif
