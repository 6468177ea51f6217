#ifndef SIM_ROUTE_H
#define SIM_ROUTE_H

#include "conn.h"

/* What server->serve calls: finds out who answers a request. `context` is the struct sim. */
void route_serve(void *context, struct conn *conn, const struct http_request *request);

/* Ollama's check of the Host header when bound to loopback, and of Origin. Pure. */
bool route_host_allowed(const char *host);
bool route_origin_allowed(const char *origin);

#endif
