#include "policy_words.h"

#include "router_state.h"

static const char *node_name(uint32_t node, void *arg)
{
    const struct router *router = arg;
    const struct node *n = fleet_at(&router->fleet, node);

    return n ? n->id : "?";
}

static const char *model_name(uint32_t model, void *arg)
{
    const struct router *router = arg;

    return names_text(&router->names, model).ptr;
}

void policy_words_say(struct router *router, const struct policy_decision *decision, char *buf,
                      size_t cap)
{
    const struct policy_words words = {node_name, model_name, router};

    policy_why(router->policy, decision, &words, buf, cap);
}
