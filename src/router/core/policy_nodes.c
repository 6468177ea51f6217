/* Nodes and what is on them: pairs, residency, who is open and who is idle. */
#include <assert.h>
#include <string.h>

#include "common/model_memory.h"

#include "policy_private.h"

struct policy_links policy_pair_links(const struct policy *policy, enum policy_pair_list list)
{
    return (struct policy_links){(char *)&policy->pairs[0].link[list], sizeof policy->pairs[0]};
}

struct policy_links policy_idle_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->nodes[0].idle_link, sizeof policy->nodes[0]};
}

struct policy_links policy_fresh_node_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->nodes[0].fresh_link, sizeof policy->nodes[0]};
}

struct policy_links policy_known_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->models[0].known_link, sizeof policy->models[0]};
}

struct policy_links policy_waiting_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->models[0].waiting_link, sizeof policy->models[0]};
}

struct policy_links policy_fresh_request_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->requests[0].fresh_link,
                                 sizeof policy->requests[0]};
}

static uint64_t pair_hash(uint32_t node, uint32_t model)
{
    return (uint64_t)node << 32 | model;
}

uint32_t policy_pair_find(const struct policy *policy, uint32_t node, uint32_t model)
{
    uint32_t i = index_table_first(&policy->pair_table, pair_hash(node, model));

    while (i != INDEX_NONE && (policy->pairs[i].node != node || policy->pairs[i].model != model))
        i = index_table_next(&policy->pair_table, i);
    return i;
}

bool policy_node_holds(const struct policy *policy, uint32_t node, uint32_t model)
{
    const struct policy_node *n = &policy->nodes[node];

    for (uint32_t i = 0; i < n->resident_n; i++) {
        if (policy->pairs[n->resident[i]].model == model)
            return true;
    }
    return false;
}

/* --- lists of pairs -----------------------------------------------------------------------------
 */

static void pair_put(struct policy *policy, uint32_t pair, enum policy_pair_list list, bool in)
{
    struct policy_pair *p = &policy->pairs[pair];
    struct policy_list *of = &policy->models[p->model].list[list];

    if (p->is_in[list] == in)
        return;
    p->is_in[list] = in;
    if (in) {
        policy_list_push(policy_pair_links(policy, list), of, pair);
    } else {
        policy_list_drop(policy_pair_links(policy, list), of, pair);
    }
}

bool policy_pair_usable(const struct policy *policy, const struct policy_pair *pair)
{
    return policy->nodes[pair->node].verdict == POLICY_MAY_WORK && !pair->is_suspect &&
           pair->place >= 0;
}

static bool node_has_credit(const struct policy_node *node)
{
    return node->in_flight < node->credit && !node->is_full;
}

/* A node that loads a model takes nothing until it has it: what is sent meanwhile would stall in
 * Ollama behind the load, or make it load yet another one. */
void policy_node_refresh(struct policy *policy, uint32_t node, int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];
    bool may = n->is_known && n->verdict == POLICY_MAY_WORK;
    bool loads = n->loading != POLICY_NONE && now_ms < n->loading_until_ms;
    bool open = may && node_has_credit(n) && !loads;
    bool idle = open && n->in_flight == 0;

    if (open && !n->is_open)
        policy_slot_freed(policy, node);
    n->is_open = open;
    for (uint32_t i = 0; i < n->resident_n; i++) {
        uint32_t pair = n->resident[i];
        pair_put(policy, pair, PAIRS_OPEN,
                 open && policy_pair_usable(policy, &policy->pairs[pair]));
    }
    if (idle != n->is_idle && idle) {
        policy_list_push(policy_idle_links(policy), &policy->idle, node);
    } else if (idle != n->is_idle) {
        policy_list_drop(policy_idle_links(policy), &policy->idle, node);
    }
    n->is_idle = idle;
    if (n->in_flight == 0 && n->loading == POLICY_NONE)
        n->busy_since_ms = INT64_MIN;
    policy->is_dirty = true;
}

void policy_slot_freed(struct policy *policy, uint32_t node)
{
    struct policy_node *n = &policy->nodes[node];

    policy->is_dirty = true;
    if (n->is_fresh)
        return;
    n->is_fresh = true;
    policy_list_push(policy_fresh_node_links(policy), &policy->fresh_nodes, node);
}

/* --- residency ----------------------------------------------------------------------------------
 */

static int64_t duty_milli(const struct policy_node *node)
{
    return (int64_t)(node->heat.duty * 1000.0);
}

void policy_drop_resident(struct policy *policy, uint32_t node, uint32_t pair)
{
    struct policy_node *n = &policy->nodes[node];
    struct policy_pair *p = &policy->pairs[pair];
    uint32_t i = 0;

    while (i < n->resident_n && n->resident[i] != pair)
        i++;
    if (i == n->resident_n)
        return;
    n->resident[i] = n->resident[--n->resident_n];
    pair_put(policy, pair, PAIRS_OPEN, false);
    pair_put(policy, pair, PAIRS_RESIDENT, false);
    policy->models[p->model].duty_milli -= duty_milli(n);
    policy_warm_forget(policy, node, p->model);
}

static void resident_add(struct policy *policy, uint32_t node, uint32_t pair)
{
    struct policy_node *n = &policy->nodes[node];

    if (policy->pairs[pair].is_in[PAIRS_RESIDENT] || n->resident_n == POLICY_RESIDENT_MAX)
        return;
    n->resident[n->resident_n++] = pair;
    policy->pairs[pair].is_cached = false;
    pair_put(policy, pair, PAIRS_RESIDENT, true);
    policy->models[policy->pairs[pair].model].duty_milli += duty_milli(n);
}

void policy_duty_set(struct policy *policy, uint32_t node, double duty)
{
    struct policy_node *n = &policy->nodes[node];
    int64_t before = duty_milli(n);

    n->heat.duty = duty;
    for (uint32_t i = 0; i < n->resident_n; i++) {
        uint32_t model = policy->pairs[n->resident[i]].model;
        policy->models[model].duty_milli += duty_milli(n) - before;
    }
}

static double memory_of(const struct policy_pair *pair)
{
    return model_memory_bytes(pair->bytes);
}

static double memory_usable(const struct policy_node *node)
{
    return node->ram_bytes > 0.0 ? model_memory_usable(node->ram_bytes) : 1e18;
}

bool policy_pair_fits(const struct policy *policy, const struct policy_pair *pair)
{
    return memory_of(pair) <= memory_usable(&policy->nodes[pair->node]);
}

/* Which go is Ollama's choice; the one that was used least lately is as good a guess as any. They
 * stand in the order in which they became resident. */
uint32_t policy_would_evict(const struct policy *policy, uint32_t node, uint32_t pair,
                            uint32_t evicted[POLICY_RESIDENT_MAX])
{
    const struct policy_node *n = &policy->nodes[node];
    double room = memory_usable(n) - memory_of(&policy->pairs[pair]);
    uint32_t left = n->resident_n, gone = 0;

    for (uint32_t i = 0; i < n->resident_n; i++)
        room -= memory_of(&policy->pairs[n->resident[i]]);
    while (left > 0 && (left >= n->resident_max || room < 0.0)) {
        room += memory_of(&policy->pairs[n->resident[gone]]);
        evicted[gone] = n->resident[gone];
        gone++;
        left--;
    }
    return gone;
}

double policy_cache_room(const struct policy *policy, uint32_t loaded)
{
    const struct policy_node *n = &policy->nodes[policy->pairs[loaded].node];

    return PAGE_CACHE_SHARE * (memory_usable(n) - memory_of(&policy->pairs[loaded]));
}

/* The page cache keeps the files of what was evicted, the newest first, as far as there is room. */
static void cache_trim(struct policy *policy, uint32_t node, uint32_t loaded)
{
    struct policy_node *n = &policy->nodes[node];
    double room = policy_cache_room(policy, loaded);

    for (;;) {
        uint32_t oldest = POLICY_NONE;
        double sum = 0.0;

        for (uint32_t i = n->pairs; i != POLICY_NONE; i = policy->pairs[i].next) {
            const struct policy_pair *p = &policy->pairs[i];
            if (!p->is_cached)
                continue;
            sum += p->bytes;
            if (oldest == POLICY_NONE || p->cached_order < policy->pairs[oldest].cached_order)
                oldest = i;
        }
        if (sum <= room || oldest == POLICY_NONE)
            return;
        policy->pairs[oldest].is_cached = false;
    }
}

void policy_make_resident(struct policy *policy, uint32_t node, uint32_t pair)
{
    uint32_t evicted[POLICY_RESIDENT_MAX];
    uint32_t gone;

    if (policy->pairs[pair].is_in[PAIRS_RESIDENT])
        return;
    gone = policy_would_evict(policy, node, pair, evicted);
    for (uint32_t i = 0; i < gone; i++) {
        policy_drop_resident(policy, node, evicted[i]);
        policy->pairs[evicted[i]].is_cached = true;
        policy->pairs[evicted[i]].cached_order = ++policy->cached_order;
    }
    resident_add(policy, node, pair);
    cache_trim(policy, node, pair);
}

/* --- pairs come and go ---------------------------------------------------------------------------
 */

/* A names-table index may have been another model's. */
void policy_model_check(struct policy *policy, uint32_t model)
{
    struct policy_model *m = &policy->models[model];
    uint64_t hash = span_hash(names_text(policy->window->models, model));

    if (m->name_hash == hash)
        return;
    *m = (struct policy_model){
        .name_hash = hash, .is_waiting = m->is_waiting, .waiting_link = m->waiting_link};
    for (int i = 0; i < PAIRS_LISTS; i++)
        policy_list_clear(&m->list[i]);
    m->token_ratio = 1.0;
    m->home_share = RETURN_CHANCE;
    m->queue_from = POLICY_NONE;
    m->lambda_ms = policy->start_ms;
}

uint32_t policy_pair_make(struct policy *policy, uint32_t node, uint32_t model)
{
    uint32_t i = index_pool_take(&policy->pair_pool);

    if (i == INDEX_NONE)
        return i;
    if (policy->models[model].list[PAIRS_HOLDING].n == 0)
        policy_model_check(policy, model);
    policy->pairs[i] =
        (struct policy_pair){.node = node, .model = model, .next = policy->nodes[node].pairs};
    policy->nodes[node].pairs = i;
    index_table_add(&policy->pair_table, pair_hash(node, model), i);
    pair_put(policy, i, PAIRS_HOLDING, true);
    if (policy->models[model].list[PAIRS_HOLDING].n == 1)
        policy_list_push(policy_known_links(policy), &policy->known, model);
    return i;
}

static void pair_remove(struct policy *policy, uint32_t pair, uint32_t *link)
{
    struct policy_pair *p = &policy->pairs[pair];
    struct policy_node *n = &policy->nodes[p->node];

    policy_drop_resident(policy, p->node, pair);
    if (n->loading == pair)
        n->loading = POLICY_NONE;
    pair_put(policy, pair, PAIRS_HOLDING, false);
    if (policy->models[p->model].list[PAIRS_HOLDING].n == 0)
        policy_list_drop(policy_known_links(policy), &policy->known, p->model);
    index_table_remove(&policy->pair_table, pair_hash(p->node, p->model), pair);
    *link = p->next;
    index_pool_give(&policy->pair_pool, pair);
}

void policy_pairs_sweep(struct policy *policy, uint32_t node, bool all)
{
    uint32_t *link = &policy->nodes[node].pairs;

    while (*link != POLICY_NONE) {
        if (all || !policy->pairs[*link].is_listed) {
            pair_remove(policy, *link, link);
        } else {
            link = &policy->pairs[*link].next;
        }
    }
}
