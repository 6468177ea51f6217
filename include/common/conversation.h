#ifndef COMMON_CONVERSATION_H
#define COMMON_CONVERSATION_H

/*
 * A short name for a conversation, derived from how it begins. The router uses it for a request
 * without `session`, the worker for the conversations whose KV cache is warm: both must derive the
 * same key from the same request, so there is one function. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

#define CONVERSATION_KEY_SIZE     17   /* 16 hexadecimal digits and NUL */
#define CONVERSATION_PROMPT_BYTES 1024 /* of a prompt that count */

/*
 * FNV-1a (64 bits) over: the model, NUL, the system prompt, NUL, the beginning; as 16 lower-case
 * hexadecimal digits.
 *
 *   model         canonical (model_name_canonical())
 *   system prompt the content of the first message if its role is system, otherwise `system`
 *                 (the value of params.system); the raw JSON in both cases, quotes included
 *   beginning     the raw JSON content of the first message whose role is user; without `messages`
 *                 the first CONVERSATION_PROMPT_BYTES bytes of `prompt`
 *
 * Roles are compared without case, as Ollama does. Absent arguments are {NULL, 0}. `messages` and
 * `system` have passed json_check(). False, with "" in buf, if there is no beginning: such a
 * request (an embedding, for example) belongs to no conversation.
 */
bool conversation_key(struct span model, struct span messages, struct span prompt,
                      struct span system, char buf[CONVERSATION_KEY_SIZE]);

struct request;

/* The conversation of a decoded request: its `session` if it has one, else conversation_key();
 * NUL-terminated in buf of REQUEST_SESSION_MAX + 1 bytes. Returns its length; 0 if it has none. */
size_t conversation_of(const struct request *request, char *buf);

#endif
