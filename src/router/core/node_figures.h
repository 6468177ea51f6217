#ifndef ROUTER_NODE_FIGURES_H
#define ROUTER_NODE_FIGURES_H

/*
 * The part of a node's health that only the metrics show: `counters`, and from `rates` the speed of
 * the model in its memory. Pure. What is not there, or no sane number, is -1: no decision hangs on
 * it.
 */

#include <stdint.h>

#include "common/span.h"

#define NODE_FIGURES_TPS_MAX 1000000 /* tokens/s; beyond is nonsense */

struct node_figures {
    int64_t refused_ends, swaps, preloads; /* since the worker started */
    int32_t gen_mtps; /* thousandths of tokens/s that the first resident model is written at */
};

/* `health` is an object that json_check() has accepted. */
void node_figures_decode(struct span health, struct node_figures *ret);

#endif
