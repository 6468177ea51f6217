#include <assert.h>
#include <string.h>

#include "fleet_seen.h"

static const char *const names[SEEN_ORDER_COUNT] = {
    [SEEN_BY_NODE] = "node",  [SEEN_BY_STATE] = "state", [SEEN_BY_TEMP] = "temp",
    [SEEN_BY_CPU] = "cpu",    [SEEN_BY_RAM] = "ram",     [SEEN_BY_BUSY] = "busy",
    [SEEN_BY_SPEED] = "speed"};

const char *seen_order_name(enum seen_order order)
{
    assert(order < SEEN_ORDER_COUNT);
    return names[order];
}

bool seen_order_parse(const char *name, enum seen_order *ret)
{
    for (size_t i = 0; i < SEEN_ORDER_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum seen_order)i;
            return true;
        }
    }
    return false;
}

/* The larger, the earlier. Nodes stand in the order of their ids already. */
static double rank(const struct seen_node *node, enum seen_order order)
{
    switch (order) {
    case SEEN_BY_NODE:
        return 0;
    case SEEN_BY_STATE:
        return node->state;
    case SEEN_BY_TEMP:
        return node->temp_c;
    case SEEN_BY_CPU:
        return node->cpu_pct;
    case SEEN_BY_RAM:
        return node->ram_pct;
    case SEEN_BY_BUSY:
        return (double)node->length;
    case SEEN_BY_SPEED:
        return node->gen_tps;
    case SEEN_ORDER_COUNT:
        break;
    }
    assert(false);
    return 0;
}

void seen_sort(const struct fleet_seen *fleet, enum seen_order order, bool reversed, uint16_t *ret)
{
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        double value = rank(&fleet->nodes[i], order);
        size_t at = i;
        for (; at > 0 && value > rank(&fleet->nodes[ret[at - 1]], order); at--)
            ret[at] = ret[at - 1];
        ret[at] = (uint16_t)i;
    }
    for (size_t i = 0; reversed && i < fleet->n_nodes / 2; i++) {
        uint16_t other = ret[fleet->n_nodes - 1 - i];
        ret[fleet->n_nodes - 1 - i] = ret[i];
        ret[i] = other;
    }
}
