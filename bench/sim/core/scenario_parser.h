#ifndef SIM_SCENARIO_PARSER_H
#define SIM_SCENARIO_PARSER_H

/* Inside the scenario parser only: its state, and the statements that are in files of their own. */

#include <stdbool.h>

#include "scenario.h"
#include "scenario_words.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Statements that may stand once; one bit each. */
enum statement {
    SAID_NOT_COUNTED = 0,
    SAID_ABOUT = 1 << 0,
    SAID_SPREAD = 1 << 1,
    SAID_USE = 1 << 2,
    SAID_LOAD = 1 << 3,
    SAID_DURATION = 1 << 4,
    SAID_WARMUP = 1 << 5,
    SAID_DRAIN = 1 << 6,
    SAID_SESSION = 1 << 7,
    SAID_PROMPT = 1 << 8,
    SAID_ANSWER = 1 << 9,
    SAID_THINK = 1 << 10,
    SAID_CONTEXT = 1 << 11,
    SAID_BURST = 1 << 12,
    SAID_SHIFT = 1 << 13,
    SAID_TRACE = 1 << 14,
    SAID_HEALTH = 1 << 15,
    SAID_NOTICE = 1 << 16,
};

struct parser {
    struct scenario *out;
    const struct scenario_includes *includes;
    struct words words;
    unsigned said; /* of enum statement */
    unsigned depth;
    struct err *err;
};

/* Word `i` as a name, into SCENARIO_NAME_MAX + 1 bytes. */
int parser_name(struct parser *parser, uint32_t i, char *ret);

/* The keys from word `from` on. */
int parser_keys(struct parser *parser, uint32_t from, const struct words_key *list, size_t n);

/* Is there room for one more of `max`? 0 or a fault. */
int parser_room(struct parser *parser, uint32_t n, uint32_t max);

int parse_model(struct parser *parser);
int parse_board(struct parser *parser);
int parse_kit(struct parser *parser);
int parse_nodes(struct parser *parser);

#endif
