#ifndef SIM_ROUTED_H
#define SIM_ROUTED_H

/*
 * The router's own policies in the simulator: window.h and policy.h of router_core, driven as the
 * router's shell drives them, with decoded values and virtual time in milliseconds.
 *
 *     late            the policy of docs/routing.md; a node has as many requests as slots (1)
 *     chwbl, chwbl-prefix, least-conn, first-resident
 *                     the simple policies of the same library, with unlimited credit: each request
 *                     is sent at once, as a load balancer in front of the nodes would
 *
 * Options (--option KEY=VALUE), each a setting of struct policy_settings but for the last five:
 *
 *     placement 0|1   homes 0|1   lambda_t_permille   swap_margin_ms   swap_factor_pct
 *     home_wait_pct   chwbl_load_pct
 *     credit N        requests that a node may have; 0: as above
 *     routers N       so many routers over one fleet: each request is read by one of them, by
 *                     chance. They learn of each other's moves and of every answer at once
 *                     (P:events), and a move to a node that is full is refused (move.lua)
 *     learn 0|1       1: a speed is known only once that node has answered with that model, as in a
 *                     fleet that has just been started; 0: speeds are known, with their error
 *     record FILE     what `orion-router --record FILE` writes, of the first router. One run only:
 *                     the file must not be there yet. `orion-sim --replay FILE` plays it again
 *     why 0|1         writes each decision to standard error, in the policy's own words
 */

#include "view.h"

extern const struct sim_policy routed_late, routed_chwbl, routed_chwbl_prefix, routed_least_conn,
    routed_first_resident;

/* Are these options, as --option gives them, known and in range? If not, *ret_wrong is where the
 * wrong one begins. */
bool routed_options_check(const char *options, const char **ret_wrong);

#endif
