#include "fleet.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/node_id.h"

#include "fleet_models.h"

size_t fleet_bytes(uint32_t capacity, uint32_t names_capacity)
{
    return index_pool_bytes(capacity) + index_table_bytes(capacity) +
           carve_bytes(capacity * sizeof(struct node)) + carve_bytes(capacity * sizeof(bool)) +
           carve_bytes(names_capacity * sizeof(uint32_t)) +
           carve_bytes(names_capacity * sizeof(int64_t));
}

void fleet_init(struct fleet *fleet, void *mem, uint32_t capacity, struct names *models)
{
    char *at = mem;

    assert(capacity > 0 && capacity <= FLEET_NODES_MAX);
    *fleet = (struct fleet){.models = models};
    index_pool_init(&fleet->pool, &at, capacity);
    index_table_init(&fleet->by_id, &at, capacity);
    fleet->nodes = carve(&at, capacity * sizeof(struct node));
    fleet->seen = carve(&at, capacity * sizeof(bool));
    fleet->model_nodes = carve(&at, models->pool.capacity * sizeof(uint32_t));
    fleet->model_lost_ms = carve(&at, models->pool.capacity * sizeof(int64_t));
}

void fleet_limits_set(struct fleet *fleet, const struct fleet_limits *limits)
{
    fleet->limits = *limits;
    for (uint32_t i = 0; i < fleet->pool.high; i++)
        fleet->nodes[i].fingerprint = 0; /* the same value may mean something else now */
}

void fleet_grace(struct fleet *fleet, int64_t until_ms)
{
    fleet->grace_until_ms = until_ms;
}

/* --- nodes come and go ------------------------------------------------------------------------ */

uint32_t fleet_find(const struct fleet *fleet, struct span node_id)
{
    uint32_t i = index_table_first(&fleet->by_id, span_hash(node_id));

    while (i != INDEX_NONE && !span_is(node_id, fleet->nodes[i].id))
        i = index_table_next(&fleet->by_id, i);
    return i;
}

static uint32_t node_make(struct fleet *fleet, struct span node_id, int64_t now_ms)
{
    uint32_t i = index_pool_take(&fleet->pool);

    if (i == INDEX_NONE)
        return i;
    struct node *node = &fleet->nodes[i];
    *node = (struct node){.in_use = true, .heard_ms = now_ms};
    (void)span_copy(node_id, node->id, sizeof node->id);
    index_table_add(&fleet->by_id, span_hash(node_id), i);
    return i;
}

void fleet_remove(struct fleet *fleet, uint32_t index, int64_t now_ms)
{
    struct node *node = &fleet->nodes[index];

    assert(index < fleet->pool.high && node->in_use);
    fleet_models_forget(fleet, node, now_ms);
    index_table_remove(&fleet->by_id, span_hash(span_str(node->id)), index);
    node->in_use = false;
    index_pool_give(&fleet->pool, index);
}

const struct node *fleet_at(const struct fleet *fleet, uint32_t index)
{
    if (index >= fleet->pool.high || !fleet->nodes[index].in_use)
        return NULL;
    return &fleet->nodes[index];
}

uint32_t fleet_each(const struct fleet *fleet, uint32_t *cursor)
{
    while (*cursor < fleet->pool.high) {
        uint32_t i = (*cursor)++;
        if (fleet->nodes[i].in_use)
            return i;
    }
    return FLEET_NONE;
}

uint32_t fleet_count(const struct fleet *fleet)
{
    return fleet->pool.n;
}

/* --- silence ---------------------------------------------------------------------------------- */

/* How long the node has been silent. */
static int64_t silence_ms(const struct node *node, struct fleet_time at)
{
    int64_t by_redis_ms = at.redis_ms - node->health.last_seen_ms;

    if (node->health.last_seen_ms == 0 || by_redis_ms < 0)
        return at.now_ms - node->heard_ms;
    return by_redis_ms;
}

/* The event that its silence is; a heartbeat if it is not silent. */
static enum node_event silence_event(const struct fleet *fleet, const struct node *node,
                                     struct fleet_time at)
{
    int64_t silent_ms = silence_ms(node, at);

    if (silent_ms > fleet->limits.node_lost_ms && at.now_ms >= fleet->grace_until_ms)
        return NODE_EV_LOST;
    if (silent_ms > fleet->limits.node_late_ms)
        return NODE_EV_LATE;
    return node->health.available ? NODE_EV_HEARTBEAT_OK : NODE_EV_HEARTBEAT_UNAVAILABLE;
}

static void change_state(struct node *node, enum node_event event, struct fleet_change *change)
{
    if (node_apply(node, event, &change->from))
        change->what |= FLEET_STATE;
    change->to = node->state;
}

static struct fleet_change change_of(const struct fleet *fleet, uint32_t index)
{
    enum node_state state = fleet->nodes[index].state;

    return (struct fleet_change){.node = index, .from = state, .to = state};
}

size_t fleet_sweep(struct fleet *fleet, struct fleet_time at, struct fleet_change *out, size_t n)
{
    size_t found = 0;

    for (uint32_t i = 0; i < fleet->pool.high && found < n; i++) {
        struct node *node = &fleet->nodes[i];
        if (!node->in_use)
            continue;
        enum node_event event = silence_event(fleet, node, at);
        if (event != NODE_EV_LATE && event != NODE_EV_LOST)
            continue; /* only a health value makes a node come back */
        out[found] = change_of(fleet, i);
        change_state(node, event, &out[found]);
        if (out[found].what)
            found++;
    }
    return found;
}

void fleet_round_begin(struct fleet *fleet)
{
    memset(fleet->seen, 0, fleet->pool.high * sizeof fleet->seen[0]);
}

size_t fleet_round_end(struct fleet *fleet, struct fleet_change *out, size_t n)
{
    size_t found = 0;

    for (uint32_t i = 0; i < fleet->pool.high && found < n; i++) {
        struct node *node = &fleet->nodes[i];
        if (!node->in_use || fleet->seen[i] || node->is_gone)
            continue;
        node->is_gone = true;
        out[found] = change_of(fleet, i);
        out[found++].what = FLEET_GONE;
    }
    return found;
}

/* --- health ----------------------------------------------------------------------------------- */

/* Is this refusal another one than the last? */
static bool is_news(uint64_t *last, const struct err *err)
{
    uint64_t hash = span_hash(span_str(err->msg));

    if (*last == hash)
        return false;
    *last = hash;
    return true;
}

static int refuse_field(struct fleet *fleet, int code, const char *why, struct span node_id,
                        struct fleet_change *ret_change, struct err *err)
{
    (void)err_set(err, code, "health of \"%.*s\" refused: %s", SPAN_ARG(node_id), why);
    if (is_news(&fleet->news_hash, err))
        ret_change->what |= FLEET_REFUSED;
    return code;
}

static int refuse_value(struct node *node, struct fleet_change *ret_change, struct err *err)
{
    struct err why = *err;

    (void)err_set(err, -EINVAL, "health of node %s refused: %s", node->id, why.msg);
    if (is_news(&node->news_hash, err))
        ret_change->what |= FLEET_REFUSED;
    node->is_refused = true;
    return -EINVAL;
}

static void heat_update(const struct fleet *fleet, struct node *node, struct fleet_change *change)
{
    bool is_hot =
        node->health.temp_mc != HEALTH_UNKNOWN && node->health.temp_mc >= fleet->limits.temp_max_mc;

    if (is_hot != node->is_hot)
        change->what |= is_hot ? FLEET_HOT : FLEET_COOL;
    node->is_hot = is_hot;
}

/* Takes over a good value. */
static void health_accept(struct fleet *fleet, struct node *node, const struct node_health *health,
                          int64_t now_ms, struct fleet_change *change)
{
    bool is_first = node->health.last_seen_ms == 0;

    if (fleet_models_update(fleet, node, health, now_ms))
        change->what |= FLEET_MODELS;
    if (!is_first && node->health.slots != health->slots)
        change->what |= FLEET_SLOTS;
    if (node->state == NODE_UNAVAILABLE && !health->available &&
        strcmp(node->health.reason, health->reason) != 0)
        change->what |= FLEET_REASON;
    if (node->health.last_seen_ms != health->last_seen_ms)
        node->heard_ms = now_ms;
    if (node->is_refused)
        change->what |= FLEET_ACCEPTED;
    node->is_refused = false;
    node->news_hash = 0;
    node->health = *health;
    node->health.resident = node->health.installed = node->health.suspect = node->health.foreign =
        (struct span){NULL, 0};
    heat_update(fleet, node, change);
}

int fleet_health(struct fleet *fleet, struct span node_id, struct span json, struct fleet_time at,
                 struct fleet_change *ret_change, struct err *err)
{
    struct node_health health;
    uint32_t index;

    *ret_change = (struct fleet_change){.node = FLEET_NONE};
    if (!node_id_valid(node_id)) {
        return refuse_field(fleet, -EINVAL, "a node id is 1 to 64 of A-Z a-z 0-9 . _ -", node_id,
                            ret_change, err);
    }
    index = fleet_find(fleet, node_id);
    bool is_new = index == INDEX_NONE;
    if (is_new)
        index = node_make(fleet, node_id, at.now_ms);
    if (index == INDEX_NONE) {
        return refuse_field(fleet, -ENOSPC, "too many nodes are known already", node_id, ret_change,
                            err);
    }
    struct node *node = &fleet->nodes[index];
    *ret_change = change_of(fleet, index);
    ret_change->what |= (is_new ? FLEET_JOINED : 0U) | (node->is_gone ? FLEET_BACK : 0U);
    node->is_gone = false;
    fleet->seen[index] = true;
    uint64_t fingerprint = span_fingerprint(json);
    if (fingerprint != node->fingerprint || node->is_refused) {
        node->fingerprint = fingerprint;
        if (node_health_decode(json, node_id, &health, err) < 0)
            return refuse_value(node, ret_change, err);
        node_figures_decode(json, &node->figures);
        health_accept(fleet, node, &health, at.now_ms, ret_change);
    }
    change_state(node, silence_event(fleet, node, at), ret_change);
    return 0;
}

/* --- drain ------------------------------------------------------------------------------------ */

void fleet_drained_none(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->pool.high; i++)
        fleet->nodes[i].drained = false;
}

bool fleet_drained(struct fleet *fleet, struct span node_id, bool drained)
{
    uint32_t i = fleet_find(fleet, node_id);

    if (i == INDEX_NONE || fleet->nodes[i].drained == drained)
        return false;
    fleet->nodes[i].drained = drained;
    return true;
}

/* --- load ------------------------------------------------------------------------------------- */

static struct node *node_at(struct fleet *fleet, uint32_t index)
{
    assert(index < fleet->pool.high && fleet->nodes[index].in_use);
    return &fleet->nodes[index];
}

uint32_t fleet_credit(const struct fleet *fleet, uint32_t index)
{
    int64_t slots = fleet->nodes[index].health.slots;

    if (slots <= 0 || fleet->limits.prefetch < 0)
        return 0;
    return (uint32_t)(slots + (fleet->limits.prefetch < 100000 ? fleet->limits.prefetch : 100000));
}

void fleet_routed(struct fleet *fleet, uint32_t index)
{
    struct node *node = node_at(fleet, index);

    if (node->in_flight < UINT32_MAX)
        node->in_flight++;
}

void fleet_left(struct fleet *fleet, uint32_t index)
{
    struct node *node = node_at(fleet, index);

    node->is_full = false;
    if (node->in_flight > 0)
        node->in_flight--;
}

void fleet_length(struct fleet *fleet, uint32_t index, uint64_t length)
{
    struct node *node = node_at(fleet, index);

    node->in_flight = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
    if (node->in_flight < fleet_credit(fleet, index))
        node->is_full = false;
}

void fleet_full(struct fleet *fleet, uint32_t index)
{
    node_at(fleet, index)->is_full = true;
}

void fleet_failed(struct fleet *fleet, uint32_t index, int64_t now_ms)
{
    node_failed(node_at(fleet, index), now_ms);
}

void fleet_succeeded(struct fleet *fleet, uint32_t index)
{
    node_succeeded(node_at(fleet, index));
}
