#ifndef ROUTER_POLICY_WORDS_H
#define ROUTER_POLICY_WORDS_H

/*
 * Decisions in words, with the names that this router knows.
 */

#include <stddef.h>
#include <stdint.h>

#include "policy.h"

struct router;

void policy_words_say(struct router *router, const struct policy_decision *decision, char *buf,
                      size_t cap);

#endif
