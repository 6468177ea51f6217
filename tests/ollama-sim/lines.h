#ifndef SIM_LINES_H
#define SIM_LINES_H

#include "job.h"

/* The JSON of answers, key by key in Ollama's order. Appends to buffers that are borrowed. */

struct line {
    const char *content;
    size_t content_bytes;
    const char *thinking; /* NULL: none */
    size_t thinking_bytes;
    bool tool_calls;
    bool done;
    const char *done_reason; /* NULL: none */
    bool metrics;
};

/* One line of generate or chat, newline included. */
void line_write(const struct job *job, const struct line *line, struct evbuffer *out);

/* {"error":"<text>"} and a newline if wanted. */
void line_error(const char *text, bool newline, struct evbuffer *out);

/* ,"total_duration":... and the rest; what is 0 is left out. */
void line_metrics(const struct job *job, struct evbuffer *out);

/* Adds what logprobs has to say about one token to job->logprobs. */
void line_logprob(const struct job *job, const char *token, size_t len);

/* The whole answer of /api/embed and /api/embeddings. */
void embed_write(const struct job *job, struct evbuffer *out);

/* Appends the tokens of all inputs of an embed request. */
void embed_tokens(const struct infer_request *request, struct tokens *out);

#endif
