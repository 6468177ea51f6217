#include "preload_choice.h"

#include <errno.h>

#include "common/err.h"
#include "common/json.h"

bool seen_has_model(const struct seen_node *node, const char *list, const char *model)
{
    char name[MODEL_NAME_MAX + 64], canonical[MODEL_NAME_MAX + 1];
    struct json_iter it;

    for (json_begin(&it, json_get(node->json, list)); json_next(&it);) {
        if (json_string_decode(it.value, name, sizeof name) &&
            model_name_canonical(span_str(name), canonical) && span_is(span_str(canonical), model))
            return true;
    }
    return false;
}

/* In memory, and not as somebody else has loaded it. */
static bool holds(const struct seen_node *node, const char *model)
{
    return seen_has_model(node, "models", model) && !seen_has_model(node, "foreign", model);
}

/* The first model in memory; "" if none is. */
static void first_resident(const struct seen_node *node, char *ret)
{
    char name[MODEL_NAME_MAX + 64];
    struct json_iter it;

    ret[0] = '\0';
    json_begin(&it, json_get(node->json, "models"));
    if (json_next(&it) && json_string_decode(it.value, name, sizeof name))
        (void)model_name_canonical(span_str(name), ret);
}

/* The smaller, the better; below 0: not at all. */
static double rank(const struct seen_node *node, const char *model)
{
    if (!seen_takes_work(node))
        return -1;
    if (holds(node, model))
        return 0;
    if (node->length > 0 || !seen_has_model(node, "installed", model))
        return -1;
    double temp = node->temp_c == SEEN_UNKNOWN ? 100 : node->temp_c + 101;
    return temp + (node->n_resident > 0 ? 1000 : 0);
}

static int choose_best(const struct fleet_seen *fleet, const char *model,
                       const struct seen_node **ret, struct err *err)
{
    double best = -1;
    bool installed = false;

    for (size_t i = 0; i < fleet->n_nodes; i++) {
        const struct seen_node *node = &fleet->nodes[i];
        double mine = rank(node, model);
        installed = installed || seen_has_model(node, "installed", model);
        if (mine >= 0 && (best < 0 || mine < best)) {
            best = mine;
            *ret = node;
        }
    }
    if (best >= 0)
        return 0;
    if (!installed)
        return err_set(err, -ENOENT, "no node has the model %s installed", model);
    return err_set(err, -ECANCELED, "no node that has %s is idle and takes work now", model);
}

static int choose_named(const struct fleet_seen *fleet, struct span node_id, const char *model,
                        const struct seen_node **ret, struct err *err)
{
    const struct seen_node *node = seen_find(fleet, node_id);

    if (!node) {
        return err_set(err, -ENOENT, "no node %.*s (orionctl status lists them)",
                       SPAN_ARG(node_id));
    }
    if (!seen_has_model(node, "installed", model) && !seen_has_model(node, "models", model))
        return err_set(err, -ENOENT, "%.*s has no model %s", SPAN_ARG(node_id), model);
    *ret = node;
    return 0;
}

int preload_choose(const struct fleet_seen *fleet, struct span node_id, const char *model,
                   struct preload_choice *ret, struct err *err)
{
    const struct seen_node *node = NULL;
    int rc = node_id.ptr ? choose_named(fleet, node_id, model, &node, err)
                         : choose_best(fleet, model, &node, err);

    if (rc < 0 || !node) /* the second follows from the first; an analyzer cannot see it */
        return rc;
    *ret = (struct preload_choice){.node = node, .is_resident = holds(node, model)};
    first_resident(node, ret->unload);
    return 0;
}
