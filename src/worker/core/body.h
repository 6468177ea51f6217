#ifndef WORKER_BODY_H
#define WORKER_BODY_H

/*
 * The HTTP requests to Ollama: path and JSON body. Pure; output of client-chosen size goes into a
 * struct buf that the caller owns.
 *
 * What the client wrote in `messages`, `input` and `params` is copied byte for byte, so no number
 * and no escape changes. Three things are ours (protocol section 2):
 *
 * - `model`, `stream`, `messages`, `prompt` and `input` are set from the request's own fields. The
 *   router refuses them in `params`; here they are dropped.
 * - What would reload or pin a model is dropped unless allow_runner_options: `keep_alive`, `shift`,
 *   and in `options` num_ctx, num_batch, num_gpu, main_gpu, use_mmap, num_thread.
 * - A pinned num_ctx goes into `options`; a client's own one wins if allow_runner_options let it
 * in.
 *
 * Keys are matched as Go's encoding/json does it: "Keep_Alive" is keep_alive.
 *
 * Chat and generate always say "stream":true, whatever the client wants: without it Ollama sends
 * nothing at all until the end, and neither progress nor a hang could be seen. Embed has no stream.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

struct err;

/* Which of Ollama's endpoints a request is for; decided by which of the three fields it has. */
enum body_kind {
    BODY_CHAT = 0, /* `messages` -> /api/chat */
    BODY_GENERATE, /* `prompt`   -> /api/generate */
    BODY_EMBED,    /* `input`    -> /api/embed */
    BODY_KIND_COUNT
};

/* Room that a body can need beyond model, content and params (model and prompt grow up to sixfold
 * when every byte of them must be escaped): keys, "stream":true, options with num_ctx. */
#define BODY_SLACK_BYTES 256

/* Bytes that the list of dropped names can have, with the NUL: all of them and their commas fit. */
#define BODY_DROPPED_MAX 256

struct body_request {
    enum body_kind kind;
    struct span model;   /* as the client wrote it; UTF-8, not empty */
    struct span content; /* messages: JSON array; prompt: raw text; input: JSON string or array */
    struct span params;  /* JSON object; absent or empty: none */
    int64_t num_ctx;     /* pinned context length, tokens; 0 = leave it to Ollama */
    bool allow_runner_options;
};

/* "/api/chat", "/api/generate" or "/api/embed". */
const char *body_path(enum body_kind kind);

/*
 * Appends the body to *body and writes the names that were dropped, each once, in the order of the
 * list above, comma-separated, to ret_dropped[BODY_DROPPED_MAX] ("keep_alive,options.num_ctx"; ""
 * if none). Borrows *req until it returns.
 *
 * Returns 0; -EINVAL if the content is not what its kind needs, params is not a JSON object or
 * model is not UTF-8 or empty; -EFBIG if *body would pass its max_bytes or memory is short. Both
 * are the end of that one request (invalid_request). On failure *body may hold a part: clear it.
 * *err is then filled.
 */
int body_build(const struct body_request *req, struct buf *body, char *ret_dropped,
               struct err *err);

/*
 * Appends the body of a one-token probe for /api/generate: shows that the runner of an already
 * loaded model answers. num_ctx must be what real requests get (0 = unset), or the probe would
 * reload the model. Never for a model that is not loaded, never for an embedding model. The answer
 * is a stream like any other; read it with a struct answer of kind BODY_GENERATE. Returns false if
 * *body refused it (see buf.h). `model` must be UTF-8.
 */
bool body_build_probe(struct span model, int64_t num_ctx, struct buf *body);

/* As above: loads the model without generating. Keep the connection open until the answer, one line
 * with "done_reason":"load": closing it aborts the load. */
bool body_build_preload(struct span model, int64_t num_ctx, struct buf *body);

/* As above: unloads the model once no request of it is running. The answer comes at once, the
 * unloading follows: ask /api/ps. */
bool body_build_unload(struct span model, struct buf *body);

#endif
