#ifndef COMMON_MODEL_NAME_H
#define COMMON_MODEL_NAME_H

/*
 * One spelling for each model, as Ollama itself normalises names, so that what a client asks for
 * can be compared with what /api/ps and /api/tags list. Pure.
 *
 * A name is [host/][namespace/]model[:tag]. Source of the rules: Ollama, types/model/name.go.
 */

#include <stdbool.h>

#include "common/span.h"

/* Bytes of the longest name we take, without NUL: Ollama allows 350 for the host and 80 for each of
 * namespace, model and tag; nobody has such names, so the limit is lower and named in the error. */
#define MODEL_NAME_MAX 255

/* Writes the canonical form with NUL: blanks around it dropped, lower case, "registry.ollama.ai/"
 * and then "library/" dropped, ":latest" added if there is no tag. buf has MODEL_NAME_MAX + 1 bytes
 * and is left alone on failure.
 *
 * False if it is no name for Ollama either, or too long once canonical: each part must be there, is
 * made of A-Z a-z 0-9 _ - . (no '.' in a namespace; the host may have ':' and a port) and begins
 * with a letter, a digit or '_'; namespace, model and tag have at most 80 bytes. */
bool model_name_canonical(struct span name, char *buf);

#endif
