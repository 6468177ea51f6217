#include "node.h"

#include <assert.h>

/* The whole state machine: next_state[current][event]. Every cell is written out on purpose. */
static const enum node_state next_state[NODE_STATE_COUNT][NODE_EVENT_COUNT] = {
    /* clang-format off */
    /*                      HEARTBEAT_OK  .._UNAVAILABLE     LATE       LOST      */
    [NODE_NEW]         = {  NODE_UP,      NODE_UNAVAILABLE,  NODE_LATE, NODE_LOST },
    [NODE_UP]          = {  NODE_UP,      NODE_UNAVAILABLE,  NODE_LATE, NODE_LOST },
    [NODE_UNAVAILABLE] = {  NODE_UP,      NODE_UNAVAILABLE,  NODE_LATE, NODE_LOST },
    [NODE_LATE]        = {  NODE_UP,      NODE_UNAVAILABLE,  NODE_LATE, NODE_LOST },
    [NODE_LOST]        = {  NODE_UP,      NODE_UNAVAILABLE,  NODE_LOST, NODE_LOST },
    /* clang-format on */
};

_Static_assert(NODE_STATE_COUNT == 5, "a new state needs a row above and a name below");

bool node_apply(struct node *node, enum node_event event, enum node_state *ret_from)
{
    assert(node->state < NODE_STATE_COUNT);
    assert(event < NODE_EVENT_COUNT);

    enum node_state from = node->state;
    enum node_state to = next_state[from][event];

    if (to == from)
        return false;
    node->state = to;
    *ret_from = from;
    return true;
}

void node_failed(struct node *node, int64_t now_ms)
{
    int64_t hold_ms = NODE_HOLD_MIN_MS;

    if (now_ms - node->failed_ms > NODE_FAIL_MEMORY_MS)
        node->fails = 0;
    for (uint32_t i = 0; i < node->fails && hold_ms < NODE_HOLD_MAX_MS; i++)
        hold_ms *= 2;
    if (hold_ms > NODE_HOLD_MAX_MS)
        hold_ms = NODE_HOLD_MAX_MS;
    if (node->fails < UINT32_MAX)
        node->fails++;
    node->failed_ms = now_ms;
    node->hold_until_ms = now_ms + hold_ms;
}

void node_succeeded(struct node *node)
{
    node->fails = 0;
    node->hold_until_ms = 0;
}

bool node_is_failing(const struct node *node, int64_t now_ms)
{
    return node->fails >= NODE_FAILS_DEMOTE && now_ms - node->failed_ms <= NODE_FAIL_MEMORY_MS;
}

bool node_models_has(const uint32_t *index, uint32_t n, uint32_t model)
{
    uint32_t low = 0, high = n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (index[middle] < model) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n && index[low] == model;
}

bool node_has_model(const struct node *node, uint32_t model)
{
    return node_models_has(node->models.index, node->models.n, model);
}

bool node_is_resident(const struct node *node, uint32_t model)
{
    return node_models_has(node->resident.index, node->resident.n, model);
}

bool node_is_suspect(const struct node *node, uint32_t model)
{
    return node_models_has(node->suspect.index, node->suspect.n, model);
}

const char *node_state_name(enum node_state state)
{
    static const char *const names[NODE_STATE_COUNT] = {
        [NODE_NEW] = "new",   [NODE_UP] = "up",     [NODE_UNAVAILABLE] = "unavailable",
        [NODE_LATE] = "late", [NODE_LOST] = "lost",
    };

    assert(state < NODE_STATE_COUNT);
    return names[state];
}

bool node_is_warm(const struct node *node, uint64_t session_hash)
{
    for (uint32_t i = 0; session_hash != 0 && i < node->health.n_sessions; i++) {
        if (node->health.sessions[i] == session_hash)
            return true;
    }
    return false;
}
