#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "text.h"

static const struct fault_kind_info infos[FAULT_KINDS] = {
    [FAULT_CONNECT_REFUSE] = {"connect-refuse", ARGUMENT_TIME, PLACE_AT_ONCE, "5s",
                              "close the port and all connections for that time"},
    [FAULT_HANG_ACCEPT] = {"hang-accept", ARGUMENT_NONE, PLACE_API, "",
                           "take connections and requests, answer nothing"},
    [FAULT_HANG_HEADERS] = {"hang-headers", ARGUMENT_NONE, PLACE_API, "",
                            "send half of the headers, then nothing"},
    [FAULT_HANG_AFTER] = {"hang-after", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                          "send that many lines, then nothing"},
    [FAULT_CUT_AFTER] = {"cut-after", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                         "send that many lines, then close in the middle of the body (FIN)"},
    [FAULT_RESET_AFTER] = {"reset-after", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                           "send that many lines, then reset the connection (RST)"},
    [FAULT_CLEAN_END_AFTER] = {"clean-end-after", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                               "send that many lines, then end the body without done:true"},
    [FAULT_ERROR_LINE_AFTER] = {"error-line-after", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                                "send that many lines, then an error line (text=)"},
    [FAULT_STATUS] = {"status", ARGUMENT_TEXT, PLACE_INFERENCE, "500",
                      "answer with a named error (see --help-errors), or a status and text="},
    [FAULT_GARBAGE] = {"garbage", ARGUMENT_NUMBER, PLACE_INFERENCE, "1",
                       "after that many lines a line that is no JSON (text=), then go on"},
    [FAULT_LONG_LINE] = {"long-line", ARGUMENT_SIZE, PLACE_INFERENCE, "20MB",
                         "the second token is one of that many bytes"},
    [FAULT_SPLIT] = {"split", ARGUMENT_NUMBER, PLACE_API, "1",
                     "that many bytes in each TCP segment"},
    [FAULT_MERGE] = {"merge", ARGUMENT_NUMBER, PLACE_INFERENCE, "3",
                     "that many lines in one chunk and segment"},
    [FAULT_SLOW_PREFILL] = {"slow-prefill", ARGUMENT_TIME, PLACE_INFERENCE, "60s",
                            "evaluating the prompt takes that long"},
    [FAULT_SLOW_TOKENS] = {"slow-tokens", ARGUMENT_TIME, PLACE_INFERENCE, "1s",
                           "each token takes that long"},
    [FAULT_REPEAT31] = {"repeat31", ARGUMENT_NONE, PLACE_INFERENCE, "",
                        "31 equal tokens, then a clean end without done:true"},
    [FAULT_EMPTY_CHUNKS] = {"empty-chunks", ARGUMENT_NONE, PLACE_INFERENCE, "",
                            "a line with empty content before each token"},
    [FAULT_ESCAPE_UNICODE] = {"escape-unicode", ARGUMENT_NONE, PLACE_INFERENCE, "",
                              "characters above U+007F as \\u escapes, surrogate pairs included"},
    [FAULT_TRUNCATED_JSON] = {"truncated-json", ARGUMENT_NONE, PLACE_INFERENCE, "",
                              "half of the last line, then a clean end"},
    [FAULT_WRONG_CONTENT_LENGTH] = {"wrong-content-length", ARGUMENT_SIZE, PLACE_INFERENCE, "1000",
                                    "promise that many bytes too many, then close"},
    [FAULT_BIG_EMBED] = {"big-embed", ARGUMENT_SIZE, PLACE_INFERENCE, "32MB",
                         "an embedding whose text has at least that many bytes"},
    [FAULT_LOAD_HANG] = {"load-hang", ARGUMENT_NONE, PLACE_INFERENCE, "",
                         "a load that this request starts never ends"},
    [FAULT_PS_BLOCK] = {"ps-block", ARGUMENT_TIME, PLACE_PS, "10s", "/api/ps answers that late"},
    [FAULT_PS_500_EMPTY] = {"ps-500-empty", ARGUMENT_NONE, PLACE_PS, "",
                            "/api/ps answers 500 with an empty body"},
    [FAULT_PS_DEAD_RUNNER] = {"ps-dead-runner", ARGUMENT_TIME, PLACE_AT_ONCE, "0s",
                              "an idle runner dies, stays listed; the next request needs that long "
                              "to notice, then reloads"},
    [FAULT_TAGS_500] = {"tags-500", ARGUMENT_NONE, PLACE_TAGS, "", "/api/tags answers 500"},
    [FAULT_VERSION_404] = {"version-404", ARGUMENT_NONE, PLACE_VERSION, "",
                           "/api/version answers 404"},
};

const struct fault_kind_info *fault_info(enum fault_kind kind)
{
    return &infos[kind];
}

static int kind_find(const char *name, size_t len, enum fault_kind *ret_kind)
{
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (strlen(infos[i].name) == len && strncmp(infos[i].name, name, len) == 0) {
            *ret_kind = (enum fault_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

static int copy_word(char *out, size_t size, const char *value)
{
    if (strlen(value) >= size)
        return -EINVAL;
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int parse_argument(struct fault *fault, const char *value)
{
    int r = -EINVAL;
    switch (infos[fault->kind].argument) {
    case ARGUMENT_NONE:
        return value[0] == '\0' ? 0 : -EINVAL;
    case ARGUMENT_NUMBER:
        return text_integer(value, 0, 1000000000, &fault->number);
    case ARGUMENT_TIME:
        r = text_duration(value, &fault->number);
        return r == 0 && fault->number >= 0 ? 0 : -EINVAL;
    case ARGUMENT_SIZE:
        r = text_size(value, &fault->number);
        return r == 0 && fault->number <= 1 << 30 ? 0 : -EINVAL;
    case ARGUMENT_TEXT:
        return copy_word(fault->word, sizeof(fault->word), value);
    }
    return r;
}

static int parse_pair(struct fault *fault, const char *key, const char *value)
{
    if (strcmp(key, "count") == 0)
        return text_integer(value, 1, INT64_MAX, &fault->count);
    if (strcmp(key, "after") == 0)
        return text_integer(value, 0, INT64_MAX, &fault->after);
    if (strcmp(key, "path") == 0)
        return copy_word(fault->path, sizeof(fault->path), value);
    if (strcmp(key, "model") == 0)
        return model_canonical(value, fault->model) ? 0 : -EINVAL;
    return -EINVAL;
}

/* The `,key=value` part. `text=` takes all that is left, commas included. */
static int parse_pairs(struct fault *fault, char *rest)
{
    while (*rest == ',') {
        rest++;
        if (strncmp(rest, "text=", 5) == 0)
            return copy_word(fault->text, sizeof(fault->text), rest + 5);
        char *end = rest + strcspn(rest, ",");
        char saved = *end;
        *end = '\0';
        char *value = strchr(rest, '=');
        if (value == NULL)
            return -EINVAL;
        *value++ = '\0';
        if (parse_pair(fault, rest, value) != 0)
            return -EINVAL;
        *end = saved;
        rest = end;
    }
    return *rest == '\0' ? 0 : -EINVAL;
}

int fault_parse(const char *spec, struct fault *ret_fault, char *why, size_t why_size)
{
    struct fault fault = {.count = -1};
    char copy[1024];
    size_t name_length = strcspn(spec, "=,");
    if (kind_find(spec, name_length, &fault.kind) != 0 || strlen(spec) >= sizeof(copy)) {
        snprintf(why, why_size, "fault %.200s: no such fault (--help lists them)", spec);
        return -EINVAL;
    }
    memcpy(copy, spec, strlen(spec) + 1);
    char *argument = copy + name_length;
    char *rest = argument + strcspn(argument, ",");
    char standard[32];
    bool given = *argument == '=';
    snprintf(standard, sizeof(standard), "%s", infos[fault.kind].standard);
    char saved = *rest;
    *rest = '\0';
    int r = parse_argument(&fault, given ? argument + 1 : standard);
    *rest = saved;
    if (r != 0 || parse_pairs(&fault, rest) != 0) {
        snprintf(why, why_size,
                 "fault %.200s: want NAME[=ARG][,count=N][,after=K][,model=M][,path=P][,text=T]",
                 spec);
        return -EINVAL;
    }
    *ret_fault = fault;
    return 0;
}

int faults_add(struct fault_set *set, const struct fault *fault)
{
    if (set->count == FAULT_COUNT_MAX)
        return -ENOSPC;
    set->faults[set->count++] = *fault;
    return 0;
}

size_t faults_clear(struct fault_set *set, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++)
        if (name != NULL && strcmp(infos[set->faults[i].kind].name, name) != 0)
            set->faults[kept++] = set->faults[i];
    size_t cleared = set->count - kept;
    set->count = kept;
    return cleared;
}

bool path_infers(const char *path)
{
    return strcmp(path, "/api/generate") == 0 || strcmp(path, "/api/chat") == 0 ||
           strcmp(path, "/api/embed") == 0 || strcmp(path, "/api/embeddings") == 0;
}

static bool place_fits(enum fault_place place, const char *path)
{
    switch (place) {
    case PLACE_INFERENCE:
        return path_infers(path);
    case PLACE_API:
        return true;
    case PLACE_PS:
        return strcmp(path, "/api/ps") == 0;
    case PLACE_TAGS:
        return strcmp(path, "/api/tags") == 0;
    case PLACE_VERSION:
        return strcmp(path, "/api/version") == 0;
    case PLACE_AT_ONCE:
        return false;
    }
    return false;
}

/* Uses up one `after` or one `count` of a fault that fits. True: it strikes. */
static bool fault_use(struct fault *fault)
{
    if (fault->count == 0)
        return false;
    if (fault->after > 0) {
        fault->after--;
        return false;
    }
    if (fault->count > 0)
        fault->count--;
    fault->struck++;
    return true;
}

static bool model_fits(const struct fault *fault, const char *model)
{
    return fault->model[0] == '\0' || strcasecmp(fault->model, model) == 0;
}

void faults_take(struct fault_set *set, const char *path, const char *model,
                 struct fault_plan *ret_plan)
{
    char canonical[MODEL_NAME_MAX];
    struct fault_plan plan = {0};
    model_canonical(model, canonical);
    for (size_t i = 0; i < set->count; i++) {
        struct fault *fault = &set->faults[i];
        enum fault_place place = infos[fault->kind].place;
        bool fits = fault->path[0] != '\0' && place != PLACE_AT_ONCE
                        ? strcmp(fault->path, path) == 0
                        : place_fits(place, path);
        if (!fits || !model_fits(fault, canonical) || plan.on[fault->kind] || !fault_use(fault))
            continue;
        plan.on[fault->kind] = true;
        plan.number[fault->kind] = fault->number;
        if (fault->kind == FAULT_STATUS)
            memcpy(plan.status, fault->word, sizeof(plan.status));
        if (fault->text[0] != '\0')
            memcpy(plan.text, fault->text, sizeof(plan.text));
    }
    *ret_plan = plan;
}

bool faults_strike(struct fault_set *set, enum fault_kind kind, const char *model, int64_t *ret)
{
    for (size_t i = 0; i < set->count; i++) {
        struct fault *fault = &set->faults[i];
        if (fault->kind != kind || !model_fits(fault, model) || !fault_use(fault))
            continue;
        *ret = fault->number;
        return true;
    }
    return false;
}
