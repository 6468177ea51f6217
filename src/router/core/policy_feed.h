#ifndef ROUTER_POLICY_FEED_H
#define ROUTER_POLICY_FEED_H

/*
 * What the fleet knows, told to the policy: heartbeats with what the workers measured, and who may
 * get work. Pure. The fleet judges what is true of a node (state, drain, limits of temperature and
 * memory, holds after failures); the policy is only told the verdict.
 */

#include <stdint.h>

#include "fleet.h"
#include "place_rules.h"
#include "policy.h"

#define POLICY_FEED_PAIRS_MAX (NODE_INSTALLED_MAX + NODE_RESIDENT_MAX)

/* The working memory of one heartbeat: too large for a stack. */
struct policy_feed {
    const struct place_rules *rules; /* borrowed; set by the owner */
    struct policy_installed installed[POLICY_FEED_PAIRS_MAX];
    int64_t fed_ms[FLEET_NODES_MAX]; /* last_seen_ms of the heartbeat that was told last, by node */
};

/* The value `json` of P:health, which fleet_health() has just accepted for that node, goes on to
 * the policy, unless it was told already. False if the policy had no room for some of its models.
 */
bool policy_feed_health(struct policy_feed *feed, struct policy *policy, const struct fleet *fleet,
                        uint32_t index, struct span json, struct fleet_time at);

/* Why a node may get nothing, or POLICY_MAY_WORK. */
enum policy_verdict policy_feed_verdict(const struct fleet *fleet, uint32_t index, int64_t now_ms);

/* Tells the policy verdict and load of one node, or of all: O(1), O(nodes). */
void policy_feed_node(struct policy *policy, const struct fleet *fleet, uint32_t index,
                      int64_t now_ms);
void policy_feed_all(struct policy *policy, const struct fleet *fleet, int64_t now_ms);

#endif
