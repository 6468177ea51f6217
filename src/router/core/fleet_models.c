#include "fleet_models.h"

#include <assert.h>
#include <string.h>

#include "common/json.h"
#include "common/model_name.h"

/* One more node has the model. NAME_NONE if there are too many different ones. */
static uint32_t model_take(struct fleet *fleet, struct span name)
{
    uint32_t i = names_find(fleet->models, name);

    if (i == NAME_NONE || fleet->model_nodes[i] == 0) {
        if (fleet->models_n == FLEET_MODELS_MAX)
            return NAME_NONE;
        i = names_hold(fleet->models, name);
        if (i == NAME_NONE)
            return NAME_NONE;
        fleet->models_n++;
    }
    fleet->model_nodes[i]++;
    return i;
}

static void model_give(struct fleet *fleet, uint32_t model, int64_t now_ms)
{
    assert(fleet->model_nodes[model] > 0);
    if (--fleet->model_nodes[model] > 0)
        return;
    fleet->models_n--;
    fleet->model_lost_ms[model] = now_ms > 0 ? now_ms : 1;
    names_drop(fleet->models, model);
}

/* Puts `model` into n ascending indexes. False if it is there already. */
static bool index_insert(uint32_t *index, uint32_t *n, uint32_t model)
{
    uint32_t i = *n;

    if (node_models_has(index, *n, model))
        return false;
    for (; i > 0 && index[i - 1] > model; i--)
        index[i] = index[i - 1];
    index[i] = model;
    ++*n;
    return true;
}

/* Adds up to `max` elements of a list of names to what the node has. */
static void models_add(struct fleet *fleet, struct node_models *models, struct span list,
                       uint32_t max)
{
    char name[MODEL_NAME_MAX + 1];
    struct json_iter it;

    json_begin(&it, list);
    for (uint32_t seen = 0; seen < max && json_next(&it); seen++) {
        if (!node_health_model(it.value, name))
            continue;
        uint32_t model = model_take(fleet, span_str(name));
        if (model != NAME_NONE && !index_insert(models->index, &models->n, model))
            fleet->model_nodes[model]--; /* it is listed twice: more than one is left */
    }
}

/* The elements of a list of names that are among `models`. */
static void few_fill(const struct fleet *fleet, struct node_few_models *few,
                     const struct node_models *models, struct span list)
{
    char name[MODEL_NAME_MAX + 1];
    struct json_iter it;

    few->n = 0;
    json_begin(&it, list);
    for (uint32_t seen = 0; seen < NODE_RESIDENT_MAX && json_next(&it); seen++) {
        if (!node_health_model(it.value, name))
            continue;
        uint32_t model = names_find(fleet->models, span_str(name));
        if (model != NAME_NONE && node_models_has(models->index, models->n, model))
            (void)index_insert(few->index, &few->n, model);
    }
}

/* What somebody else has loaded otherwise is in memory, but not for us. */
static void few_remove(struct node_few_models *few, const struct node_few_models *others)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < few->n; i++) {
        if (!node_models_has(others->index, others->n, few->index[i]))
            few->index[n++] = few->index[i];
    }
    few->n = n;
}

static bool indexes_equal(const uint32_t *a, uint32_t a_n, const uint32_t *b, uint32_t b_n)
{
    return a_n == b_n && memcmp(a, b, a_n * sizeof *a) == 0;
}

bool fleet_models_update(struct fleet *fleet, struct node *node, const struct node_health *health,
                         int64_t now_ms)
{
    struct node_models models;
    struct node_few_models resident, suspect, foreign;

    /* The new ones are counted before the old ones are given up, so that no index changes hands. */
    models.n = 0;
    models_add(fleet, &models, health->installed, NODE_INSTALLED_MAX);
    models_add(fleet, &models, health->resident, NODE_RESIDENT_MAX);
    few_fill(fleet, &resident, &models, health->resident);
    few_fill(fleet, &foreign, &models, health->foreign);
    few_remove(&resident, &foreign);
    few_fill(fleet, &suspect, &models, health->suspect);
    bool is_same =
        indexes_equal(models.index, models.n, node->models.index, node->models.n) &&
        indexes_equal(resident.index, resident.n, node->resident.index, node->resident.n) &&
        indexes_equal(suspect.index, suspect.n, node->suspect.index, node->suspect.n);
    for (uint32_t i = 0; i < node->models.n; i++)
        model_give(fleet, node->models.index[i], now_ms);
    node->models = models;
    node->resident = resident;
    node->suspect = suspect;
    return !is_same;
}

void fleet_models_forget(struct fleet *fleet, struct node *node, int64_t now_ms)
{
    for (uint32_t i = 0; i < node->models.n; i++)
        model_give(fleet, node->models.index[i], now_ms);
    node->models.n = node->resident.n = node->suspect.n = 0;
}

int64_t fleet_model_absent_ms(const struct fleet *fleet, uint32_t model, int64_t now_ms)
{
    if (fleet->model_nodes[model] > 0)
        return 0;
    if (fleet->model_lost_ms[model] == 0)
        return INT64_MAX;
    return now_ms - fleet->model_lost_ms[model];
}
