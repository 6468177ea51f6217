#ifndef COMMON_REQUEST_CHECK_H
#define COMMON_REQUEST_CHECK_H

/*
 * Whether the JSON a client put into a request may be passed on to Ollama. The router asks before
 * it takes a request; the worker asks again before it builds a body from one, because a node's
 * stream can be written by anybody. Pure, no allocation; O(length).
 *
 * Each function borrows its argument until it returns. It returns 0, or -EINVAL with a sentence in
 * *err that names the field, says what is wrong with it and what would be right; the sentence is
 * UTF-8 whatever the client sent, and fit for the `error` field of the reply (protocol section 3).
 */

#include "common/span.h"

struct err;

/* `messages`: one JSON array. What stands in it is Ollama's to judge. */
int request_check_messages(struct span messages, struct err *err);

/* `prompt`: any UTF-8 text, also the empty one. It is not JSON. */
int request_check_prompt(struct span prompt, struct err *err);

/* `input`: one JSON string, or an array with nothing but strings in it (it may be empty). */
int request_check_input(struct span input, struct err *err);

/* `params`: one JSON object without a member that the fleet owns (see below); the sentence names
 * the first one found. What would reload or pin a model (keep_alive, options.num_ctx ...) is no
 * error: the worker drops it and lists it in the reply. */
int request_check_params(struct span params, struct err *err);

/* The name of the fleet-owned field of Ollama's that this raw key (as in struct json_iter) would
 * set: "model", "stream", "messages", "prompt" or "input"; NULL if it is none of them. Go's
 * encoding/json ignores case, so "Model" and "\u006dodel" are "model" too. */
const char *request_owned_field(struct span raw_key);

#endif
