#ifndef ROUTER_REQUEST_SIZE_H
#define ROUTER_REQUEST_SIZE_H

/*
 * How much work a request is, as far as its text shows: the policy's estimate before Ollama has
 * counted. Pure.
 */

#include <stdint.h>

struct request;

/* Bytes of English or code per token, with the JSON around them; the tokenizers of the models that
 * a Pi can hold are near 4. Other languages have fewer, which makes their prompts look shorter. */
#define REQUEST_SIZE_TOKEN_BYTES 4

struct request_size {
    uint32_t prompt_tokens;     /* the whole prompt, history included; at least 1 */
    uint32_t prefix_tokens;     /* of them the system prompt, which other conversations share */
    uint64_t prefix_hash;       /* of model and system prompt; 0 = there is none */
    uint32_t output_tokens_max; /* `num_predict`, 1 for an embedding; 0 = not said */
};

/* The request was decoded (REQUEST_OK). O(its length). */
struct request_size request_size_of(const struct request *request);

#endif
