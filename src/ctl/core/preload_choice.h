#ifndef CTL_PRELOAD_CHOICE_H
#define CTL_PRELOAD_CHOICE_H

/* Where an operator's preload goes. Pure. */

#include "common/model_name.h"

#include "fleet_seen.h"

struct err;

struct preload_choice {
    const struct seen_node *node;
    bool is_resident;                /* it is in memory there already */
    char unload[MODEL_NAME_MAX + 1]; /* what is in memory now and makes way; "" if nothing is */
};

/* On `node_id`, or if that is absent on the best: a node that has it in memory, else an idle one
 * that has it installed, without another model in memory if there is one, then the coolest.
 * `model` is canonical. Returns 0, -ENOENT (no such node; no node has the model) or -ECANCELED (all
 * that have it are busy or take no work), with *err. */
int preload_choose(const struct fleet_seen *fleet, struct span node_id, const char *model,
                   struct preload_choice *ret, struct err *err);

/* Has the node that model in the array called `list` ("installed", "models")? */
bool seen_has_model(const struct seen_node *node, const char *list, const char *model);

#endif
