#ifndef WORKER_VERDICT_H
#define WORKER_VERDICT_H

/*
 * What becomes of a request after one attempt at this node: the classification of everything that
 * Ollama does and every way in which it fails. Pure.
 *
 * Ollama has no machine-readable error codes, so this goes by what happened, by HTTP status and by
 * the beginning of the text. The table is in verdict.c; tests/golden/verdict has every row with
 * real texts. Two rules behind it (protocol section 4.4): what another node might do better is
 * tried elsewhere; what every node would say is final.
 */

#include <stdbool.h>

#include "common/span.h"

/* How the attempt ended, as the shell saw it. */
enum verdict_event {
    VERDICT_EVENT_DONE = 0,       /* a line with "done":true (embed: a whole answer) */
    VERDICT_EVENT_CONNECT_FAILED, /* refused, no route, connect time-out; text: curl's message */
    VERDICT_EVENT_HTTP_STATUS,    /* an answer whose status is not 200; text: its body */
    VERDICT_EVENT_ERROR_LINE,     /* HTTP 200, then {"error":...}; text: the line, or its text */
    VERDICT_EVENT_ENDED,          /* HTTP 200 and a clean end without "done":true */
    VERDICT_EVENT_CUT, /* connection reset or closed in the middle; text: curl's message */
    VERDICT_EVENT_NO_FIRST_BYTE, /* first_byte_timeout passed */
    VERDICT_EVENT_STALL,         /* stall_timeout passed between two pieces */
    VERDICT_EVENT_GARBAGE,       /* not what Ollama sends; text: what was wrong */
    VERDICT_EVENT_TOO_LARGE,     /* the answer passed reply_max */
    VERDICT_EVENT_NO_MEMORY,     /* this worker had no memory for the request or its answer */
    VERDICT_EVENT_CANCELLED,     /* by P:control */
    VERDICT_EVENT_DEADLINE,      /* deadline_ms passed */
    VERDICT_EVENT_LOST,          /* the entry is no longer ours: taken back, or a newer epoch */
    VERDICT_EVENT_COUNT
};

struct verdict_input {
    enum verdict_event event;
    int http_status;  /* of VERDICT_EVENT_HTTP_STATUS, else ignored */
    struct span text; /* borrowed; see above. Any bytes: JSON, plain text, HTML, nothing */
    bool chunks_sent; /* the client has seen chunks of this attempt */
};

enum verdict_class {
    VERDICT_DONE = 0,  /* write the `done` entry */
    VERDICT_RETRY,     /* give it back with attempt + 1, avoiding this node */
    VERDICT_AMBIGUOUS, /* the same, after chunks were sent: the client drops those */
    VERDICT_FINAL,     /* write an `error` entry with `code` */
    VERDICT_DROP,      /* write nothing: somebody else has the request */
    VERDICT_CLASS_COUNT
};

/* The protocol's `code`, where this class has one. */
enum verdict_code {
    VERDICT_CODE_NONE = 0,
    VERDICT_CODE_INVALID_REQUEST,
    VERDICT_CODE_REPLY_TOO_LARGE,
    VERDICT_CODE_CANCELLED,
    VERDICT_CODE_DEADLINE_EXCEEDED,
    VERDICT_CODE_COUNT
};

/* Bytes of the sentence, with NUL. */
#define VERDICT_SENTENCE_MAX 512

/* How much of the body of a refusal is worth keeping for `text`. Ollama's are far shorter; a
 * runner's log may be quoted in one. */
#define VERDICT_TEXT_MAX 4096

struct verdict {
    enum verdict_class class;
    enum verdict_code code; /* VERDICT_CODE_NONE unless VERDICT_FINAL */
    bool refresh_tags;      /* the model is missing here: ask /api/tags again */
    bool suspect_model;     /* a hang: probe the model before it gets more work */
    bool still_busy;        /* closing the request may not stop Ollama at once (it notices a
                             * disconnect only at the next token): poll before new work */
    const char *note;       /* short advice for the operator's log, or NULL; static */
    char sentence[VERDICT_SENTENCE_MAX]; /* for people: one line of UTF-8; "" for DONE and DROP */
};

/* Fills *ret in any case; nothing in the input can make it fail. */
void verdict_decide(const struct verdict_input *input, struct verdict *ret);

/* "done", "retry", ...; "connect-failed", ...; the protocol's word ("invalid_request", "" for
 * VERDICT_CODE_NONE). Never NULL. */
const char *verdict_class_name(enum verdict_class class);
const char *verdict_event_name(enum verdict_event event);
const char *verdict_code_name(enum verdict_code code);

#endif
