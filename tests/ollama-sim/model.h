#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MODEL_NAME_MAX = 256, /* bytes of a name, NUL included */
    MODEL_COUNT_MAX = 64,
    MODEL_DIM_MAX = 65536,
    MODEL_TOKENS_MAX = 1000000,
};

enum model_kind { MODEL_CHAT, MODEL_EMBED };

/* One model on the simulated disk: what it is, and how fast this machine runs it at speed 1. */
struct model {
    char name[MODEL_NAME_MAX]; /* canonical: with its tag */
    enum model_kind kind;
    int64_t size_bytes;
    int64_t load_ns;
    double prompt_tps; /* prompt tokens per second */
    double gen_tps;    /* generated tokens per second */
    int tokens;        /* length of an answer */
    int thinking;      /* thinking tokens before an answer, 0: the model cannot think */
    bool tools;
    bool native;     /* with llama-server: its own chat template, tool calls come last */
    bool new_engine; /* 0.11.5 to 0.24: runs in the new engine */
    int dim;         /* length of an embedding */
    int num_ctx;     /* PARAMETER num_ctx of the Modelfile, 0: unset */
    int train_ctx;   /* what it was trained with */
    char family[32];
    char parameter_size[16];
    char digest[65];

    /* Counters, for the control path. */
    uint64_t requests, loads, generated;
    int in_flight, max_in_flight; /* asked for and not answered */
    int running, max_running;     /* holding a slot */
};

/*
 * Brings a name to the form of /api/ps: blanks cut, `registry.ollama.ai/` and `library/` dropped,
 * `:latest` added. Pure. False: the name breaks Ollama's rules (or is empty); then *out is "".
 */
bool model_canonical(const char *name, char out[MODEL_NAME_MAX]);

/* Reads `NAME[,key=value...]`; what is not given follows from the name and the size. 0 or -EINVAL
 * with a sentence in `why`. */
int model_parse(const char *spec, struct model *ret_model, char *why, size_t why_size);

/* Sets one key of an existing model, as in the specification. 0 or -EINVAL. */
int model_set(struct model *model, const char *key, const char *value);

/* The model of that name among `count`, spelling normalised, case ignored. NULL: not there. */
struct model *model_find(struct model *models, size_t count, const char *name);

#endif
