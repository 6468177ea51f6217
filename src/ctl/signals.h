#ifndef CTL_SIGNALS_H
#define CTL_SIGNALS_H

/*
 * Ctrl-C, SIGTERM, SIGHUP, SIGQUIT, a resized window and Ctrl-Z, as flags. They are blocked but
 * while signals_poll() waits, so that none can come between a look at the flags and the wait.
 * SIGPIPE is ignored: who writes learns of it from write().
 */

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

void signals_init(void);

/* How often a signal has come that asks us to end (INT, TERM, HUP, QUIT). */
unsigned signals_stops(void);

/* Forgets them: the first has been obeyed. */
void signals_clear(void);

/* The last of them; 0 if there was none. */
int signals_last(void);

/* Has the window changed its size since the last call? */
bool signals_resized(void);

/* Has Ctrl-Z been pressed since the last call? Only after signals_catch_suspend(). */
void signals_catch_suspend(void);
bool signals_suspended(void);

/* poll() with these signals let through. What poll() returns; -1 with EINTR if one has come. */
int signals_poll(struct pollfd *fds, nfds_t n, int64_t timeout_ms);

/* Lets the signals through while something blocks that is not ours (connect, getaddrinfo, read of
 * stdin), so that it returns with EINTR. */
void signals_open(void);
void signals_close(void);

#endif
