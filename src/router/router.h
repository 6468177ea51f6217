#ifndef ROUTER_H
#define ROUTER_H

/*
 * The router daemon: takes requests from P:requests and gives each to the node that will answer it
 * soonest. Owns its connections, the window and the fleet. One event loop, one thread.
 */

struct options;
struct options_program;
struct router;
struct router_config;

/* `program` and `options` are borrowed for the router's life (SIGHUP reads the settings again),
 * `config` is copied. Stops the process if memory or descriptors are gone; NULL after printing why
 * if the settings cannot be used (the password file). */
struct router *router_new(const struct options_program *program, const struct options *options,
                          const struct router_config *config);

/* Runs until SIGTERM; returns the exit status. */
int router_run(struct router *router);

void router_free(struct router *router);

#endif
