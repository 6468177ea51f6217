#ifndef ROUTER_PLACE_RULES_H
#define ROUTER_PLACE_RULES_H

/*
 * Where an operator wants models, and where not: the settings `pin` and `avoid`. Pure.
 *
 *     pin   = llama3.2:3b = pi-1, pi-2; gemma3:1b = pi-3
 *     avoid = llama3.1:8b = pi-7, pi-8
 *
 * A pinned model runs only on the nodes of its list, the first ones preferred. A model is not run
 * on the nodes that it avoids. Both hold for requests, swaps and preloads. Rules are separated by
 * semicolons; model names are as clients write them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct err;

#define PLACE_TEXT_MAX  4095 /* bytes of one setting */
#define PLACE_TEXT_SIZE (PLACE_TEXT_MAX + 1)

/* Borrows the texts of the settings. */
struct place_rules {
    const char *pin, *avoid;
};

/* Are the rules well formed? Returns 0, or -EINVAL with a sentence in *err. */
int place_rules_check(const char *text, struct err *err);

/* What the rules say of the model (canonical name) on the node: 0 nothing; 1, 2, ... the node's
 * place in the model's list; -1 avoided; -2 pinned to other nodes. */
int32_t place_rules_ask(const struct place_rules *rules, struct span model, struct span node);

#endif
