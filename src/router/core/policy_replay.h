#ifndef ROUTER_POLICY_REPLAY_H
#define ROUTER_POLICY_REPLAY_H

/*
 * Plays a record (tap.h) again: makes the same calls to a window and a policy of its own and
 * compares what the policy answers, bit for bit. The way to ask "why there?" after the fact: before
 * each decision the caller may look at the policy. Pure; memory is handed in.
 *
 *     header line -> policy_replay_bytes() -> policy_replay_begin()
 *     every further line -> policy_replay_line()
 *
 * A record that does not begin with the header (a router that was started without --record) cannot
 * be played. Names of models come and go as they did: the record says which index each had, for a
 * name that leaves all nodes and comes back may have another one, and the policy goes by indexes.
 */

#include "common/span.h"

#include "policy.h"

struct err;

#define POLICY_REPLAY_HAS_MAX 1024 /* models, and conversations, of one heartbeat */

struct policy_replay {
    struct names names;
    struct window window;
    struct policy *policy;
    uint64_t *named; /* set of indexes that a line of the record has made, and holds */
    uint32_t nodes;
    uint64_t lines, decisions, differences;
    struct policy_decision decision; /* the policy's last answer; act POLICY_NOTHING: none */
    struct policy_installed installed[POLICY_REPLAY_HAS_MAX];
    uint64_t sessions[POLICY_REPLAY_HAS_MAX];
    uint32_t installed_n, sessions_n;
    uint64_t costs[12]; /* of the decision that is about to be told */
    uint32_t costs_n;
};

/* Bytes of memory for the record with this first line; 0 if it is none of this version. */
size_t policy_replay_bytes(struct span line);

/* `mem` is policy_replay_bytes() zeroed bytes, borrowed as long as the replay lives. */
void policy_replay_begin(struct policy_replay *replay, void *mem, struct span line);

/* One further line, without its newline. Returns 0; 1 if the policy now decides otherwise, with
 * what is different in *err; -EINVAL with *err if the line cannot be understood. */
int policy_replay_line(struct policy_replay *replay, struct span line, struct err *err);

#endif
