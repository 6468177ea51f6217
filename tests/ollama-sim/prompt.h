#ifndef SIM_PROMPT_H
#define SIM_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include "request.h"

/*
 * Texts as tokens. A token is a word of up to 12 characters with the blanks before it, so texts
 * joined from tokens split into the same tokens again; its number is a hash. Pure, apart from
 * memory.
 */

enum { TOKENS_MAX = 4 << 20 }; /* of one prompt; what is beyond is dropped */

struct tokens {
    uint32_t *ids; /* owned */
    size_t count, size;
};

void tokens_free(struct tokens *tokens);

/* Length in bytes of the token at text; never 0 unless len is. Characters are never cut. */
size_t token_length(const char *text, size_t len);

/* Number of tokens in a text. */
size_t token_count(const char *text, size_t len);

/* Appends one token given as text, or all tokens of a text. */
void tokens_add(struct tokens *tokens, const char *text, size_t len);
void tokens_add_text(struct tokens *tokens, const char *text, size_t len);

/* Number of tokens at the start that both lists share. */
size_t tokens_common(const struct tokens *a, const struct tokens *b);

/*
 * The prompt of a generate or chat request: for chat the tools, then each message with its role and
 * a mark for the answer. When it has more tokens than `limit`, the oldest messages that are no
 * system message are left out until it fits, as Ollama does (chat only).
 */
void prompt_render(const struct infer_request *request, size_t limit, struct tokens *out);

/* The text of the last user message, or the prompt. "" when there is none. */
const char *prompt_last_user(const struct infer_request *request);

/* Whether the last message is the result of a tool. */
bool prompt_after_tool(const struct infer_request *request);

#endif
