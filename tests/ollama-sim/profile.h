#ifndef SIM_PROFILE_H
#define SIM_PROFILE_H

#include <stdbool.h>

/*
 * What differs between the Ollama versions that a fleet may hold. Pure. Each field says from which
 * release the behaviour holds; the profiles are eight releases out of the three engine generations.
 */
struct profile {
    const char *version;
    int default_num_ctx;      /* 2048, 4096 since 0.6.8 */
    int default_slots;        /* OLLAMA_NUM_PARALLEL: 4, 2 from 0.6.8, 1 from 0.10.0 */
    bool llama_server;        /* engine generation 3, 0.30.0 */
    bool head_version;        /* HEAD /api/version, 0.5.12 */
    bool wrong_method_405;    /* 0.7.0, before: 404 */
    bool show_capabilities;   /* capabilities in /api/show, 0.6.4 */
    bool tags_capabilities;   /* capabilities in /api/tags, 0.30.0 */
    bool thinking;            /* think and message.thinking, 0.9.0 */
    bool thinks_by_default;   /* 0.12.4 */
    bool thinking_quoted;     /* 400 `"m" does not support thinking`, 0.12.5 */
    bool ps_context_length;   /* 0.10.0 */
    bool fast_path;           /* loaded models pass the pending queue by, 0.11.5 */
    bool load_listed;         /* ps lists a model while it loads: up to 0.11.4 */
    bool new_engine_listed;   /* so do new-engine models, 0.11.5 to 0.24 */
    bool embed_dimensions;    /* 0.11.11 */
    bool done_reason_last;    /* chat: done, then done_reason; 0.12.0 */
    bool real_status;         /* an error before the first chunk has its status, 0.12.6 */
    bool last_batch_only;     /* prompt_eval_duration covers the last batch, 0.12.5 and 0.12.6 */
    bool tool_call_id;        /* tool_calls[].id and function.index, 0.12.10 */
    bool logprobs;            /* 0.12.11 */
    bool uncached_count;      /* prompt_eval_count leaves cached tokens out, 0.30.0 only */
    bool shift_reloads;       /* a different `shift` reloads, 0.30.0 */
    bool name_checked;        /* 400 `invalid model name` */
    bool half_second_is_zero; /* an unload with keep_alive under 1 s counts as 0, up to 0.9 */
};

/* The profile of that version. NULL: none of the known ones (profile_names() lists them). */
const struct profile *profile_find(const char *version);

/* All known versions, separated by blanks. */
const char *profile_names(void);

/* The newest one. */
const struct profile *profile_newest(void);

#endif
