#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"

/*
 * An inference request, read out of its JSON the way Ollama reads it, wrong types and all. Pure,
 * apart from cJSON's memory.
 */

enum infer_kind { INFER_GENERATE, INFER_CHAT, INFER_EMBED, INFER_EMBEDDINGS };
enum infer_think { THINK_UNSET, THINK_NO, THINK_YES };

enum { FAILURE_TEXT_MAX = 640 };

/* A request refused: its status and the text for {"error": text}. */
struct failure {
    int status;
    char text[FAILURE_TEXT_MAX];
};

/* The options that a runner is started with; another value means a reload. 0 or -1: not given. */
struct runner_options {
    int num_ctx, num_batch, num_gpu, main_gpu, use_mmap, num_thread, shift;
};

struct infer_request {
    enum infer_kind kind;
    cJSON *root;       /* owned */
    const char *model; /* as the client wrote it; part of root */
    bool stream;
    bool keep_alive_given;
    int64_t keep_alive_ns; /* negative: already turned into DURATION_FOREVER */
    struct runner_options runner;
    int64_t num_predict; /* -1: not given */
    enum infer_think think;
    bool json_format; /* format "json" or a schema */
    bool logprobs;
    int top_logprobs;
    int dimensions; /* 0: not given */
    bool truncate;
    bool raw;
    bool empty; /* no prompt, no messages, no input: load or unload */
    const cJSON *tools;
};

/* Reads the body, which a NUL follows. 0, or -EINVAL with *ret_failure. The result is freed by
 * request_free(). */
int request_parse(enum infer_kind kind, const char *body, size_t len, const struct profile *profile,
                  struct infer_request *ret_request, struct failure *ret_failure);

void request_free(struct infer_request *request);

/* Sets a failure, printf-like. Returns -EINVAL. */
int failure_set(struct failure *failure, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
