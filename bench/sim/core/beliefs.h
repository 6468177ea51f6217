#ifndef SIM_BELIEFS_H
#define SIM_BELIEFS_H

/*
 * What a router that sends early could know of one node, from its own history and health reports:
 * which model and which conversations are there, which files its page cache holds, and how it heats
 * up. For the baseline `ect`; the router's own policy has its own (src/router/core).
 *
 * HEAT, after docs/routing.md: while the node is busy, dT over one report = c * (Tss - T) is fitted
 * by least squares that forget (0.98 per report) with a weak prior (Tss 68 C, tau 150 s), and the
 * jump of the die when work begins is averaged.
 */

#include <stdbool.h>
#include <stdint.h>

#include "view.h"

struct belief_warm {
    uint32_t session, app;
    int32_t tokens;
};

struct belief {
    uint32_t model; /* or VIEW_NONE */
    uint32_t n_warm;
    struct belief_warm warm[VIEW_KV_MAX]; /* oldest first */
    uint32_t n_files;
    uint32_t *files; /* page cache, oldest first; n_models of room */
    bool is_busy, has_temp;
    int64_t busy_ns, temp_ns; /* since when; of the last reading */
    double temp_c;
    double n, x, y, xx, xy; /* sums of the fit */
    double steady_c, tau_s; /* its result */
    double jump_c;
};

struct beliefs {
    const struct view *view;
    struct belief *nodes;
};

void beliefs_init(struct beliefs *beliefs, const struct view *view);
void beliefs_free(struct beliefs *beliefs);

/* A request was sent there: its model and its conversation are there from then on. */
void beliefs_sent(struct beliefs *beliefs, uint32_t ask, uint32_t node);
void beliefs_busy(struct beliefs *beliefs, uint32_t node, bool is_busy);
void beliefs_heard(struct beliefs *beliefs, uint32_t node);
void beliefs_lost(struct beliefs *beliefs, uint32_t node);

/* Expected seconds. */
double beliefs_load_s(const struct beliefs *beliefs, uint32_t node, uint32_t model);
double beliefs_service_s(const struct beliefs *beliefs, const struct ask *ask, uint32_t node);

#endif
