#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "sim.h"

/*
 * The control path, which no fault touches:
 *   GET  /sim/state     counters, models, faults
 *   GET  /sim/requests  the last 32 request bodies of POST /api/..., as JSON strings
 *   POST /sim/faults    {"clear":true|"NAME", "set":[...], "add":[...]}; an item is the text that
 *                       --fault takes, or an object with name, arg, count, after, model, path, text
 *   POST /sim/config    {"speed":X, "version_profile":"V", "models":{"NAME":{"gen_tps":X, ...}}}
 *   POST /sim/reset     counters, bodies and faults back to nothing
 */
void control_serve(struct sim *sim, struct conn *conn, const struct http_request *request);

/* Arms a fault; those that act at once do. 0, or -EINVAL with a sentence. */
int control_arm(struct sim *sim, const char *spec, struct conn *conn, char *why, size_t why_size);

/* Writes the state as JSON. */
void state_write(const struct sim *sim, struct evbuffer *out);

/* The index of a path in counters.by_path. */
size_t state_path_index(const char *path);

#endif
