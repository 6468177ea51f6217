#ifndef SIM_ANSWER_H
#define SIM_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"
#include "model.h"
#include "profile.h"
#include "prompt.h"
#include "request.h"

/*
 * What the simulated model says. A function of the request, so that a test can say in advance what
 * must arrive:
 *   - a last user message (or prompt) that starts with "echo " is answered with the rest of it;
 *   - a chat with tools, whose last message is no tool result, is answered with a call of the first
 *     tool, its arguments {"input": <last user message>};
 *   - everything else with "tok0 tok1 tok2 ...";
 *   - with `format` it is {"answer":"<that>"};
 *   - before it "think0 think1 ..." if the model thinks.
 */

enum answer_part { PART_THINKING, PART_CONTENT, PART_SILENT };

struct answer {
    int64_t thinking;                 /* thinking tokens, first */
    int64_t count;                    /* content tokens after them */
    bool cut;                         /* num_predict ended it: done_reason length */
    bool dropped;                     /* repeat31: ends without done */
    bool calls_tool;                  /* the content tokens are not sent; a tool call is */
    char *tool_name, *tool_arguments; /* JSON; owned */
    char *text;                       /* owned; NULL: tok0 tok1 ... */
    size_t text_bytes;
    size_t at;          /* in text */
    int64_t made;       /* tokens handed out */
    int64_t long_bytes; /* size of the second content token, 0: as usual */
    char piece[32];
    char *long_piece; /* owned */
};

/* Sets up the answer. `tokens` is its length for plain texts. */
void answer_init(struct answer *answer, const struct infer_request *request,
                 const struct model *model, const struct profile *profile,
                 const struct fault_plan *plan, int tokens);
void answer_free(struct answer *answer);

/* Whether all tokens have been made. */
bool answer_ended(const struct answer *answer);

/* The next token, valid until the next call. The answer must not have ended. */
void answer_next(struct answer *answer, enum answer_part *ret_part, const char **ret_text,
                 size_t *ret_len);

/* Whether that model thinks about that request. */
bool answer_thinks(const struct infer_request *request, const struct model *model,
                   const struct profile *profile);

#endif
