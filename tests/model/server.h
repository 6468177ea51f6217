#ifndef MODEL_SERVER_H
#define MODEL_SERVER_H

/*
 * Redis as a function: (state, call) -> (state, answer). The states are those of a real, private
 * redis-server, each kept as DUMPs and numbered; two states with the same view (view.h) are one. A
 * call is carried out by the server once for each state and remembered, because the same call in
 * the same state always ends the same way: ids are counters (look.lua), and every time that a
 * script compares is either long ago or far away.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"
#include "view.h"

struct answer {
    char word[14];   /* the first element, or "!" and the first word of an error */
    uint8_t number;  /* an entry's id, an epoch, or beat.lua's verdict */
    uint8_t is_same; /* nothing changed in Redis */
};

enum verdict { VERDICT_RUN = 0, VERDICT_CANCEL, VERDICT_LOST };

/* A gate that is taken out of one script, to see that the explorer notices. */
struct breakage {
    const char *name;
    enum script script;
    const char *from, *to; /* the first occurrence of a text of the script, and what replaces it */
};

/* Starts the server, in the state 0: two nodes never registered, no request. `breakage` may be
 * NULL. Exits with a message if it cannot. */
void server_up(const struct breakage *breakage);
void server_down(void);

/* Carries out the call in that state; returns the state after it. */
uint32_t server_call(uint32_t state, const struct call *call, struct answer *ret_answer);

/* Good until the next server_call(). */
const struct view *server_view(uint32_t state);

struct server_figures {
    uint32_t states;
    uint64_t calls; /* carried out by the server, not remembered */
};
struct server_figures server_figures(void);

#endif
