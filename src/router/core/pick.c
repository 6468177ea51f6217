#include "pick.h"

#include <assert.h>
#include <string.h>

#include "common/request.h"

/* Reasons that have to do with the node alone; PICK_OK if there is none. */
static enum pick_verdict judge_health(const struct fleet *fleet, const struct node *node)
{
    const struct node_health *health = &node->health;

    if (node->is_gone)
        return PICK_GONE;
    switch (node->state) {
    case NODE_NEW:
        return PICK_NEW;
    case NODE_LOST:
        return PICK_LOST;
    case NODE_LATE:
        return PICK_LATE;
    case NODE_UP:
    case NODE_UNAVAILABLE:
    case NODE_STATE_COUNT:
        break;
    }
    if (node->drained)
        return PICK_DRAINED;
    if (node->state != NODE_UP)
        return PICK_UNAVAILABLE;
    if (health->temp_mc != HEALTH_UNKNOWN && health->temp_mc >= fleet->limits.temp_max_mc)
        return PICK_HOT;
    if (health->ram_permille != HEALTH_UNKNOWN &&
        health->ram_permille >= fleet->limits.ram_max_pct * 10)
        return PICK_MEMORY;
    return PICK_OK;
}

/* Reasons that will pass by themselves. */
static enum pick_verdict judge_load(const struct fleet *fleet, uint32_t index, int64_t now_ms)
{
    const struct node *node = &fleet->nodes[index];

    if (now_ms < node->hold_until_ms)
        return PICK_ON_HOLD;
    if (node->is_full || node->in_flight >= fleet_credit(fleet, index))
        return PICK_NO_CREDIT;
    return PICK_OK;
}

/* The verdict on one node, its failing this request earlier left out if `again`. */
static enum pick_verdict judge(const struct fleet *fleet, const struct pick_request *request,
                               uint32_t node_index, int64_t now_ms, bool again)
{
    const struct node *node = fleet_at(fleet, node_index);

    assert(node);
    enum pick_verdict verdict = judge_health(fleet, node);
    if (verdict != PICK_OK)
        return verdict;
    if (!node_has_model(node, request->model))
        return PICK_NO_MODEL;
    if (node_is_suspect(node, request->model))
        return PICK_SUSPECT;
    if (!again && request->tried.len > 0 && node_list_has(request->tried, span_str(node->id)))
        return PICK_FAILED_IT;
    return judge_load(fleet, node_index, now_ms);
}

/* An unknown temperature ranks behind every known one. */
static int32_t heat_rank(const struct node *node)
{
    return node->health.temp_mc == HEALTH_UNKNOWN ? INT32_MAX : node->health.temp_mc;
}

/* Is a strictly the better of two candidates? The rules are in pick.h, in this order. */
static bool is_better(const struct node *a, const struct node *b,
                      const struct pick_request *request, int64_t now_ms)
{
    bool a_failing = node_is_failing(a, now_ms), b_failing = node_is_failing(b, now_ms);
    if (a_failing != b_failing)
        return b_failing;

    bool a_resident = node_is_resident(a, request->model);
    bool b_resident = node_is_resident(b, request->model);
    if (a_resident != b_resident)
        return a_resident;

    /* in_flight/slots compared by cross-multiplying: exact, and no division. */
    uint64_t a_load = (uint64_t)a->in_flight * (uint64_t)b->health.slots;
    uint64_t b_load = (uint64_t)b->in_flight * (uint64_t)a->health.slots;
    if (a_load != b_load)
        return a_load < b_load;

    bool a_warm = node_is_warm(a, request->session_hash);
    bool b_warm = node_is_warm(b, request->session_hash);
    if (a_warm != b_warm)
        return a_warm;

    if (heat_rank(a) != heat_rank(b))
        return heat_rank(a) < heat_rank(b);
    return strcmp(a->id, b->id) < 0;
}

/* One pass over all nodes. */
static struct pick_result pass(const struct fleet *fleet, const struct pick_request *request,
                               int64_t now_ms, bool again, uint8_t *verdicts)
{
    struct pick_result result = {.node = FLEET_NONE, .again = again};
    uint32_t cursor = 0, i;

    while ((i = fleet_each(fleet, &cursor)) != FLEET_NONE) {
        enum pick_verdict verdict = judge(fleet, request, i, now_ms, again);
        verdicts[i] = (uint8_t)verdict;
        result.counts[verdict]++;
        if (verdict != PICK_OK)
            continue;
        if (result.node == FLEET_NONE ||
            is_better(&fleet->nodes[i], &fleet->nodes[result.node], request, now_ms))
            result.node = i;
    }
    return result;
}

struct pick_result pick_node(const struct fleet *fleet, const struct pick_request *request,
                             int64_t now_ms, uint8_t *verdicts)
{
    struct pick_result result = pass(fleet, request, now_ms, false, verdicts);
    const uint32_t *counts = result.counts;

    if (counts[PICK_FAILED_IT] > 0 && counts[PICK_OK] == 0 && counts[PICK_ON_HOLD] == 0 &&
        counts[PICK_NO_CREDIT] == 0)
        result = pass(fleet, request, now_ms, true, verdicts);
    return result;
}

void pick_open_models(const struct fleet *fleet, int64_t now_ms, uint64_t *open)
{
    uint32_t cursor = 0, i;

    memset(open, 0, NAMES_SET_WORDS(fleet->models->pool.capacity) * sizeof *open);
    while ((i = fleet_each(fleet, &cursor)) != FLEET_NONE) {
        const struct node *node = &fleet->nodes[i];
        if (judge_health(fleet, node) != PICK_OK || judge_load(fleet, i, now_ms) != PICK_OK)
            continue;
        for (uint32_t m = 0; m < node->models.n; m++) {
            if (!node_is_suspect(node, node->models.index[m]))
                names_set_add(open, node->models.index[m]);
        }
    }
}
