#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"

/*
 * What goes wrong on purpose. Pure: a set of armed faults, and the question "what happens to this
 * request?", answered as one plan of values that the shell carries out.
 *
 * A fault is armed by `NAME[=ARG][,count=N][,after=K][,model=M][,path=P][,text=T]`: it skips the
 * first K requests that it fits, then strikes N times (without count: for ever). text= takes the
 * rest of the line.
 */

enum {
    FAULT_COUNT_MAX = 64,
    FAULT_TEXT_MAX = 512,
    FAULT_PATH_MAX = 64,
};

enum fault_kind {
    FAULT_CONNECT_REFUSE,
    FAULT_HANG_ACCEPT,
    FAULT_HANG_HEADERS,
    FAULT_HANG_AFTER,
    FAULT_CUT_AFTER,
    FAULT_RESET_AFTER,
    FAULT_CLEAN_END_AFTER,
    FAULT_ERROR_LINE_AFTER,
    FAULT_STATUS,
    FAULT_GARBAGE,
    FAULT_LONG_LINE,
    FAULT_SPLIT,
    FAULT_MERGE,
    FAULT_SLOW_PREFILL,
    FAULT_SLOW_TOKENS,
    FAULT_REPEAT31,
    FAULT_EMPTY_CHUNKS,
    FAULT_ESCAPE_UNICODE,
    FAULT_TRUNCATED_JSON,
    FAULT_WRONG_CONTENT_LENGTH,
    FAULT_BIG_EMBED,
    FAULT_LOAD_HANG,
    FAULT_PS_BLOCK,
    FAULT_PS_500_EMPTY,
    FAULT_PS_DEAD_RUNNER,
    FAULT_TAGS_500,
    FAULT_VERSION_404,
    FAULT_KINDS
};

enum fault_argument { ARGUMENT_NONE, ARGUMENT_NUMBER, ARGUMENT_TIME, ARGUMENT_SIZE, ARGUMENT_TEXT };

/* The requests that a fault fits when it names no path. */
enum fault_place { PLACE_INFERENCE, PLACE_API, PLACE_PS, PLACE_TAGS, PLACE_VERSION, PLACE_AT_ONCE };

struct fault_kind_info {
    const char *name;
    enum fault_argument argument;
    enum fault_place place;
    const char *standard; /* its argument when none is given */
    const char *help;
};

struct fault {
    enum fault_kind kind;
    int64_t number; /* ARGUMENT_NUMBER, bytes, or ns */
    char word[32];  /* ARGUMENT_TEXT */
    int64_t count;  /* strikes left; -1: for ever */
    int64_t after;  /* fitting requests to let through first */
    uint64_t struck;
    char model[MODEL_NAME_MAX];
    char path[FAULT_PATH_MAX];
    char text[FAULT_TEXT_MAX];
};

struct fault_set {
    struct fault faults[FAULT_COUNT_MAX];
    size_t count;
};

/* What strikes one request. */
struct fault_plan {
    bool on[FAULT_KINDS];
    int64_t number[FAULT_KINDS];
    char status[32]; /* name of an entry in errors.h, or a number */
    char text[FAULT_TEXT_MAX];
};

/* The table's row for that kind. */
const struct fault_kind_info *fault_info(enum fault_kind kind);

/* Reads one fault. 0, or -EINVAL with a sentence in `why`. */
int fault_parse(const char *spec, struct fault *ret_fault, char *why, size_t why_size);

/* Arms it. 0, or -ENOSPC when FAULT_COUNT_MAX are armed. */
int faults_add(struct fault_set *set, const struct fault *fault);

/* Disarms all, or those of one kind name. Returns how many. */
size_t faults_clear(struct fault_set *set, const char *name);

/* The plan for a request, using up counts. `model` may be "" (none). */
void faults_take(struct fault_set *set, const char *path, const char *model,
                 struct fault_plan *ret_plan);

/* Whether such a fault is armed, fits `model`, and strikes now (using up its count); sets *ret. */
bool faults_strike(struct fault_set *set, enum fault_kind kind, const char *model, int64_t *ret);

/* Whether the path is one that runs a model. */
bool path_infers(const char *path);

#endif
