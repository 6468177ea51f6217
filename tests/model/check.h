#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

/*
 * The invariants of ARCHITECTURE.md, told once more and not in Lua. Each answers NULL or a sentence
 * about what is wrong, which begins with the number of the invariant.
 */

#include "action.h"

/* Had this step the right to what it did? Invariants 2, 4, 5, 6, 7, 9, looked at before and after.
 */
const char *check_step(const struct world *before, const struct outcome *outcome);

/* Is what is there now consistent? Invariants 1, 3, 4, 5, 7, 9. */
const char *check_state(const struct world *world);

/* Lets everything work from here on (all run, nothing is lost, nobody is silent) and looks at the
 * end: one terminal entry, no leftovers. `ret_steps`: of that schedule. */
const char *check_end(const struct world *world, unsigned *ret_steps);

#endif
