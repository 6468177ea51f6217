#ifndef SIM_INFO_H
#define SIM_INFO_H

#include "sim.h"

/* The endpoints that tell about the server. Each answers the request, at once. */

void info_version(struct sim *sim, struct conn *conn);
void info_ps(struct sim *sim, struct conn *conn);
void info_tags(struct sim *sim, struct conn *conn);
void info_show(struct sim *sim, struct conn *conn, const struct http_request *request);

#endif
