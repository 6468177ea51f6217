#include "verdict.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

#include "error_text.h"

/* Flags of a row. */
enum {
    TAGS = 1 << 0,    /* refresh_tags */
    SUSPECT = 1 << 1, /* suspect_model */
    BUSY = 1 << 2,    /* still_busy */
};

/*
 * The table: the first row that fits decides. `from`..`to` is the range of HTTP statuses, of
 * VERDICT_EVENT_HTTP_STATUS only (0..0: any). `pattern` is what Ollama's text must begin with, "*"
 * standing for any run of characters. `lead` begins the sentence; Ollama's text follows.
 */
struct row {
    const char *pattern;
    enum verdict_event event;
    int from;
    int to;
    enum verdict_class class;
    enum verdict_code code;
    unsigned flags;
    const char *lead;
    const char *note;
};

#define HTTP(from, to, pattern)  pattern, VERDICT_EVENT_HTTP_STATUS, from, to
#define LINE(pattern)            pattern, VERDICT_EVENT_ERROR_LINE, 0, 0
#define EVENT(name)              "", VERDICT_EVENT_##name, 0, 0
#define RETRY(flags, lead, note) VERDICT_RETRY, VERDICT_CODE_NONE, flags, lead, note
#define FINAL(code, flags, lead) VERDICT_FINAL, VERDICT_CODE_##code, flags, lead, NULL
#define REFUSED                  FINAL(INVALID_REQUEST, 0, "Ollama refused the request")

/* Texts of status 500. Until Ollama 0.12.5 every error after scheduling came as a line of an answer
 * with status 200, and errors in the middle of a stream still do: so each text stands for both. */
#define BOTH(pattern, ...)                                                                         \
    {HTTP(500, 500, pattern), __VA_ARGS__},                                                        \
    {                                                                                              \
        LINE(pattern), __VA_ARGS__                                                                 \
    }

#define FAILED "Ollama failed the request"

#define TOO_BIG                                                                                    \
    "the model needs more memory than this node has free: list fewer or smaller models here"
#define RUNNER   "the model's runner died: look into Ollama's log and for the kernel's OOM killer"
#define TOO_SLOW "loading took too long: raise OLLAMA_LOAD_TIMEOUT, or use faster storage"

static const struct row table[] = {
    /* What every node would say. */
    BOTH("option \"*\" must be of type", REFUSED),
    BOTH("invalid format:", REFUSED),
    BOTH("the input length exceeds the context length", REFUSED),
    BOTH("the prompt is longer than the context length", REFUSED),
    /* What another node may do better. */
    BOTH("model requires more system memory", RETRY(0, FAILED, TOO_BIG)),
    BOTH("memory layout cannot be allocated", RETRY(0, FAILED, TOO_BIG)),
    BOTH("llama-server reported out-of-memory", RETRY(0, FAILED, TOO_BIG)),
    BOTH("llama runner process has terminated", RETRY(0, FAILED, RUNNER)),
    BOTH("llama-server process has terminated", RETRY(0, FAILED, RUNNER)),
    BOTH("model runner has unexpectedly stopped", RETRY(0, FAILED, RUNNER)),
    BOTH("an error was encountered while running the model", RETRY(0, FAILED, RUNNER)),
    BOTH("error reading llm response", RETRY(0, FAILED, RUNNER)),
    BOTH("error reading llama-server response", RETRY(0, FAILED, RUNNER)),
    BOTH("timed out waiting for llama", RETRY(0, FAILED, TOO_SLOW)),
    BOTH("unexpected server status", RETRY(0, FAILED, RUNNER)),
    BOTH("no slots available", RETRY(0, FAILED, "the runner's slots are taken")),
    BOTH("model '*' not found", RETRY(TAGS, "the model is not on this node", NULL)),
    BOTH("model \"*\" not found", RETRY(TAGS, "the model is not on this node", NULL)),
    BOTH("server busy", RETRY(0, "Ollama is busy", "its own queue is full: who else uses it?")),
    {LINE("*"), RETRY(0, FAILED, NULL)},
    {HTTP(500, 500, "*"), RETRY(0, FAILED, NULL)},

    {HTTP(401, 401, "*"), RETRY(0, "Ollama is not signed in for this model", "a cloud model")},
    {HTTP(403, 403, "*remote model inference"),
     RETRY(0, "Ollama does not run cloud models here", "cloud models are switched off")},
    {HTTP(403, 403, "*"),
     RETRY(0, "Ollama refused the worker",
           "its check of the Host header: use 127.0.0.1 in the setting `ollama`")},
    {HTTP(404, 404, "404 page not found"),
     RETRY(0, "Ollama does not know the endpoint", "this Ollama is too old, or it is none")},
    {HTTP(404, 404, "*"), RETRY(TAGS, "the model is not on this node", NULL)},
    {HTTP(405, 405, "*"),
     RETRY(0, "Ollama does not take the method", "this Ollama is too old, or it is none")},
    {HTTP(408, 409, "*"), RETRY(0, FAILED, NULL)},
    {HTTP(421, 421, "*"), RETRY(0, FAILED, NULL)},
    {HTTP(425, 425, "*"), RETRY(0, FAILED, NULL)},
    {HTTP(429, 429, "*"), RETRY(0, "Ollama limits the rate", "a cloud model, or a proxy")},
    {HTTP(499, 499, "*"), RETRY(0, "Ollama gave the request up", NULL)},
    {HTTP(400, 499, "*"), REFUSED},
    {HTTP(503, 503, "*"), RETRY(0, "Ollama is busy", "its own queue is full: who else uses it?")},
    {HTTP(501, 599, "*"), RETRY(0, FAILED, NULL)},
    {HTTP(0, 0, "*"), RETRY(0, "Ollama gave an answer with an unknown status", "is it Ollama?")},

    {EVENT(DONE), VERDICT_DONE, VERDICT_CODE_NONE, 0, "", NULL},
    {EVENT(CONNECT_FAILED), RETRY(0, "Ollama cannot be reached", "is ollama.service running?")},
    {EVENT(ENDED), RETRY(0, "Ollama ended its answer without \"done\":true",
                         "it does so after 30 equal tokens, or when its runner closes")},
    {EVENT(CUT), RETRY(0, "the connection to Ollama broke", "did ollama.service restart?")},
    {EVENT(NO_FIRST_BYTE), RETRY(SUSPECT | BUSY, "Ollama sent nothing within first_byte_timeout",
                                 "a hung runner: restart ollama.service if the probe fails too")},
    {EVENT(STALL),
     RETRY(SUSPECT | BUSY, "Ollama fell silent for stall_timeout in the middle of its answer",
           "a hung runner: restart ollama.service if the probe fails too")},
    {EVENT(GARBAGE), RETRY(BUSY, "what came is no answer of Ollama's", "is it Ollama?")},
    {EVENT(TOO_LARGE), FINAL(REPLY_TOO_LARGE, BUSY, "the answer is larger than reply_max")},
    {EVENT(NO_MEMORY), RETRY(BUSY, "the worker has run out of memory",
                             "fewer slots, a smaller reply_max, or less beside it")},
    {EVENT(CANCELLED), FINAL(CANCELLED, BUSY, "the request was cancelled")},
    {EVENT(DEADLINE),
     FINAL(DEADLINE_EXCEEDED, BUSY, "the deadline passed while the request was running")},
    {EVENT(LOST), VERDICT_DROP, VERDICT_CODE_NONE, BUSY, "", NULL},
};

enum { ROW_COUNT = sizeof table / sizeof table[0] };

/* Does text begin with the pattern? "*" takes any run of characters, also none. Backs up to the
 * last "*" only, which is enough: O(text * pattern). */
static bool begins_with(const char *text, const char *pattern)
{
    const char *star = NULL;
    const char *retry = NULL;

    while (*pattern) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*text && *text == *pattern) {
            text++;
            pattern++;
        } else if (star && *retry) {
            text = ++retry;
            pattern = star;
        } else {
            return false;
        }
    }
    return true;
}

static bool row_fits(const struct row *row, const struct verdict_input *input, const char *text)
{
    if (row->event != input->event)
        return false;
    if (input->event == VERDICT_EVENT_HTTP_STATUS && row->to != 0 &&
        (input->http_status < row->from || input->http_status > row->to))
        return false;
    return begins_with(text, row->pattern);
}

static const struct row *find_row(const struct verdict_input *input, const char *text)
{
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (row_fits(&table[i], input, text))
            return &table[i];
    }
    assert(false && "every event has a row that takes any text");
    return &table[0];
}

/* lead, " (HTTP n)", ": ", text; cut at a character. */
static void write_sentence(const struct row *row, const struct verdict_input *input,
                           const char *text, char *ret)
{
    char status[32] = "";
    char whole[2 * VERDICT_SENTENCE_MAX];

    if (input->event == VERDICT_EVENT_HTTP_STATUS)
        (void)snprintf(status, sizeof status, " (HTTP %d)", input->http_status);
    (void)snprintf(whole, sizeof whole, "%s%s%s%s", row->lead, status, *text ? ": " : "", text);
    error_text(span_str(whole), ret, VERDICT_SENTENCE_MAX);
}

void verdict_decide(const struct verdict_input *input, struct verdict *ret)
{
    char text[VERDICT_SENTENCE_MAX];

    error_text(input->text, text, sizeof text);
    const struct row *row = find_row(input, text);
    *ret = (struct verdict){
        .class = row->class,
        .code = row->code,
        .refresh_tags = (row->flags & TAGS) != 0,
        .suspect_model = (row->flags & SUSPECT) != 0,
        .still_busy = (row->flags & BUSY) != 0,
        .note = row->note,
    };
    if (row->class == VERDICT_RETRY && input->chunks_sent)
        ret->class = VERDICT_AMBIGUOUS;
    if (row->class == VERDICT_RETRY || row->class == VERDICT_FINAL)
        write_sentence(row, input, text, ret->sentence);
}

const char *verdict_class_name(enum verdict_class class)
{
    static const char *const names[VERDICT_CLASS_COUNT] = {
        [VERDICT_DONE] = "done",   [VERDICT_RETRY] = "retry", [VERDICT_AMBIGUOUS] = "ambiguous",
        [VERDICT_FINAL] = "final", [VERDICT_DROP] = "drop",
    };

    assert(class < VERDICT_CLASS_COUNT);
    return names[class];
}

const char *verdict_event_name(enum verdict_event event)
{
    static const char *const names[VERDICT_EVENT_COUNT] = {
        [VERDICT_EVENT_DONE] = "done",
        [VERDICT_EVENT_CONNECT_FAILED] = "connect-failed",
        [VERDICT_EVENT_HTTP_STATUS] = "http-status",
        [VERDICT_EVENT_ERROR_LINE] = "error-line",
        [VERDICT_EVENT_ENDED] = "ended",
        [VERDICT_EVENT_CUT] = "cut",
        [VERDICT_EVENT_NO_FIRST_BYTE] = "no-first-byte",
        [VERDICT_EVENT_STALL] = "stall",
        [VERDICT_EVENT_GARBAGE] = "garbage",
        [VERDICT_EVENT_TOO_LARGE] = "too-large",
        [VERDICT_EVENT_NO_MEMORY] = "no-memory",
        [VERDICT_EVENT_CANCELLED] = "cancelled",
        [VERDICT_EVENT_DEADLINE] = "deadline",
        [VERDICT_EVENT_LOST] = "lost",
    };

    assert(event < VERDICT_EVENT_COUNT);
    return names[event];
}

const char *verdict_code_name(enum verdict_code code)
{
    static const char *const names[VERDICT_CODE_COUNT] = {
        [VERDICT_CODE_NONE] = "",
        [VERDICT_CODE_INVALID_REQUEST] = "invalid_request",
        [VERDICT_CODE_REPLY_TOO_LARGE] = "reply_too_large",
        [VERDICT_CODE_CANCELLED] = "cancelled",
        [VERDICT_CODE_DEADLINE_EXCEEDED] = "deadline_exceeded",
    };

    assert(code < VERDICT_CODE_COUNT);
    return names[code];
}
