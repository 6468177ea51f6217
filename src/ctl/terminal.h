#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

/*
 * The terminal while `top` has it: another screen, no cursor, keys without Enter and without an
 * echo. It is given back on every way out: terminal_leave(), and by itself when a signal kills us
 * that nobody can obey (SIGSEGV, SIGABRT ...).
 */

#include <stdbool.h>

struct buf;

/* False if stdin or stdout is no terminal. Keys that make signals (Ctrl-C, Ctrl-Z) go on doing so.
 */
bool terminal_enter(void);
void terminal_leave(void); /* nothing if it is not ours */

/* Shows lines (separated by '\n') from the top left corner on, and clears what is left. */
void terminal_show(struct buf *lines);

#endif
