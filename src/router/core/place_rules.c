#include "place_rules.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/model_name.h"
#include "common/node_id.h"

static struct span trimmed(struct span text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t')) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Cuts the text before the first `separator` off *rest. False at the end. */
static bool piece_take(struct span *rest, char separator, struct span *ret)
{
    const char *end;

    if (!rest->ptr)
        return false;
    end = memchr(rest->ptr, separator, rest->len);
    if (!end) {
        *ret = trimmed(*rest);
        *rest = (struct span){NULL, 0};
        return true;
    }
    size_t len = (size_t)(end - rest->ptr);
    *ret = trimmed((struct span){rest->ptr, len});
    *rest = (struct span){end + 1, rest->len - len - 1};
    return true;
}

/* "MODEL = node, node" */
static bool rule_split(struct span rule, struct span *ret_model, struct span *ret_nodes)
{
    struct span rest = rule;

    return piece_take(&rest, '=', ret_model) && rest.ptr &&
           (*ret_nodes = trimmed(rest), ret_nodes->len > 0);
}

static int nodes_check(struct span nodes, struct err *err)
{
    struct span node;

    while (piece_take(&nodes, ',', &node)) {
        if (!node_id_valid(node))
            return err_set(err, -EINVAL, "\"%.*s\" is no node id", SPAN_ARG(node));
    }
    return 0;
}

static int rule_check(struct span rule, struct err *err)
{
    char name[MODEL_NAME_MAX + 1];
    struct span model, nodes;

    if (!rule_split(rule, &model, &nodes)) {
        return err_set(err, -EINVAL, "\"%.*s\" should be MODEL = node, node", SPAN_ARG(rule));
    }
    if (!model_name_canonical(model, name))
        return err_set(err, -EINVAL, "\"%.*s\" is no model name", SPAN_ARG(model));
    return nodes_check(nodes, err);
}

int place_rules_check(const char *text, struct err *err)
{
    struct span rest = span_str(text), rule;

    if (rest.len > PLACE_TEXT_MAX)
        return err_set(err, -EINVAL, "too long (at most %d bytes)", PLACE_TEXT_MAX);
    while (piece_take(&rest, ';', &rule)) {
        int rc = rule.len > 0 ? rule_check(rule, err) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The place of the node in the model's list: from 1; 0 if the model has a list without it; -1 if it
 * has no list. */
static int32_t place_in(const char *text, struct span model, struct span node)
{
    char name[MODEL_NAME_MAX + 1];
    struct span rest = span_str(text ? text : ""), rule, of, nodes, one;
    int32_t result = -1;

    while (piece_take(&rest, ';', &rule)) {
        if (!rule_split(rule, &of, &nodes) || !model_name_canonical(of, name) ||
            !span_is(model, name))
            continue;
        result = 0;
        for (int32_t place = 1; piece_take(&nodes, ',', &one); place++) {
            if (one.len == node.len && memcmp(one.ptr, node.ptr, one.len) == 0)
                return place;
        }
    }
    return result;
}

int32_t place_rules_ask(const struct place_rules *rules, struct span model, struct span node)
{
    int32_t pinned = place_in(rules->pin, model, node);

    if (place_in(rules->avoid, model, node) > 0)
        return -1;
    if (pinned == 0)
        return -2;
    return pinned > 0 ? pinned : 0;
}
