#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

/*
 * What systemd is told about this process: sd_notify(3), a datagram of lines to $NOTIFY_SOCKET.
 * Without that variable every function does nothing. Never blocks: a message that the socket does
 * not take is lost, and those that matter are repeated (notify_alive()) or follow a state.
 *
 * Not libsystemd's sd_notify(): a program of two lines has 136 kB without it and 869 kB and seven
 * more libraries with it (Pss of smaps_rollup, Debian 12, amd64), a large part of what a worker may
 * have. The protocol is documented for others to speak: sd_notify(3), "Standalone Implementations".
 *
 *     STARTING --notify_ready--> READY <--notify_reloaded / notify_reloading--> RELOADING
 *         any --notify_stopping--> STOPPING
 *
 * STARTING lasts as long as Redis is away, which is no failure: until READY each notify_alive()
 * asks for more time to start, so a start only times out if the event loop is stuck.
 */

#include <stdint.h>

/* Looks at the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. Called by loop_new(). */
void notify_open(void);

/* How often notify_alive() is to be called, ms: a third of the watchdog's time, and at most
 * NOTIFY_ALIVE_MAX_MS. 0: nobody listens. */
int64_t notify_alive_interval_ms(void);
#define NOTIFY_ALIVE_MAX_MS    10000
#define NOTIFY_START_EXTEND_MS 30000 /* what each notify_alive() asks for before READY */

/* The event loop turns. */
void notify_alive(void);

/* Redis answers and the scripts are loaded; only the first call says so. */
void notify_ready(void);

/* SIGHUP: before and after the settings are read. */
void notify_reloading(void);
void notify_reloaded(void);

/* SIGTERM: the stop takes at most `at_most_ms`, whatever TimeoutStopSec says. */
void notify_stopping(int64_t at_most_ms);

/* One line for `systemctl status`; nothing is sent if it is the last one again. */
void notify_status(const char *text);

#endif
