#ifndef SIM_ERRORS_H
#define SIM_ERRORS_H

#include <stddef.h>

#include "profile.h"

/* Where in a request's life an error arises; this decides about its form in old versions. */
enum error_stage {
    ERROR_BEFORE,  /* checking the request, or loading: always a real status */
    ERROR_RUNNING, /* after scheduling: until 0.12.5 a streamed request gets 200 and a line */
};

/* One of the errors that Ollama is known to answer with, under a name for `--fault status=NAME`. */
struct named_error {
    const char *name;
    int status;
    const char *type;      /* NULL: application/json; charset=utf-8 with {"error": text} */
    const char *text;      /* exact; %m is the model of the request; NULL: empty body */
    const char *head_text; /* what >= 0.30 says instead; NULL: the same */
    enum error_stage stage;
};

/* NULL: no such name. */
const struct named_error *error_find(const char *name);

/* The i-th, NULL at the end. */
const struct named_error *error_at(size_t i);

/* Writes the text for that profile and model into out. Returns out. Pure. */
const char *error_text(const struct named_error *error, const struct profile *profile,
                       const char *model, char *out, size_t size);

#endif
