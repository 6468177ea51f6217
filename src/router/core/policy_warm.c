/* Which node has which conversation: homes, and what is warm on each node. */
#include <assert.h>

#include "policy_private.h"

static struct policy_links home_links(const struct policy *policy)
{
    return (struct policy_links){(char *)&policy->homes[0].link, sizeof policy->homes[0]};
}

/* --- conversation -> node
 * ------------------------------------------------------------------------- */

static uint32_t home_find(const struct policy *policy, uint64_t session)
{
    uint32_t i = index_table_first(&policy->home_table, session);

    while (i != INDEX_NONE && policy->homes[i].session != session)
        i = index_table_next(&policy->home_table, i);
    return i;
}

static void home_remove(struct policy *policy, uint32_t home)
{
    index_table_remove(&policy->home_table, policy->homes[home].session, home);
    policy_list_drop(home_links(policy), &policy->homes_by_age, home);
    index_pool_give(&policy->home_pool, home);
}

uint32_t policy_home_of(const struct policy *policy, uint64_t session, uint32_t model)
{
    uint32_t i;

    if (session == 0 || !policy->settings.homes)
        return POLICY_NONE;
    i = home_find(policy, session);
    if (i == INDEX_NONE || policy->homes[i].model != model)
        return POLICY_NONE;
    uint32_t node = policy->homes[i].node;
    if (policy->nodes[node].verdict != POLICY_MAY_WORK || !policy_node_holds(policy, node, model))
        return POLICY_NONE;
    return node;
}

static struct policy_warm *warm_find(struct policy_node *node, uint64_t session)
{
    for (uint32_t i = 0; i < node->warm_n; i++) {
        if (node->warm[i].session == session)
            return &node->warm[i];
    }
    return NULL;
}

static void warm_drop(struct policy_node *node, uint32_t at)
{
    node->warm_n--;
    for (uint32_t i = at; i < node->warm_n; i++)
        node->warm[i] = node->warm[i + 1];
}

/* The conversation at `at` is warm there no longer, and lives nowhere if it lived there. */
static void warm_evict(struct policy *policy, struct policy_node *node, uint32_t at)
{
    if (node->warm[at].is_home) {
        uint32_t home = home_find(policy, node->warm[at].session);
        if (home != INDEX_NONE)
            home_remove(policy, home);
    }
    warm_drop(node, at);
}

static void home_expire(struct policy *policy, int64_t now_ms)
{
    uint32_t oldest = policy->homes_by_age.head;

    if (oldest == POLICY_NONE)
        return;
    if (policy->home_pool.n < policy->sizes.sessions &&
        now_ms - policy->homes[oldest].last_ms <= SESSION_TTL_MS)
        return;
    struct policy_warm *warm =
        warm_find(&policy->nodes[policy->homes[oldest].node], policy->homes[oldest].session);
    if (warm)
        warm->is_home = false;
    home_remove(policy, oldest);
}

static void home_set(struct policy *policy, uint64_t session, uint32_t node, uint32_t model,
                     int64_t now_ms)
{
    uint32_t i = home_find(policy, session);

    if (i != INDEX_NONE) {
        struct policy_warm *warm = warm_find(&policy->nodes[policy->homes[i].node], session);
        if (warm)
            warm->is_home = false;
        policy_list_drop(home_links(policy), &policy->homes_by_age, i);
    } else {
        home_expire(policy, now_ms);
        i = index_pool_take(&policy->home_pool);
        assert(i != INDEX_NONE); /* home_expire() made room */
        index_table_add(&policy->home_table, session, i);
    }
    policy->homes[i] = (struct policy_home){session, node, model, now_ms, {0, 0}};
    policy_list_push(home_links(policy), &policy->homes_by_age, i);
}

/* --- what is warm on a node
 * ----------------------------------------------------------------------- */

void policy_warm_max_set(struct policy_node *node, uint32_t told)
{
    uint32_t max = told;

    if (max == 0)
        max = node->board == POLICY_BOARD_PI5 || node->board == POLICY_BOARD_OTHER ? 4 : 1;
    node->warm_max = max < POLICY_WARM_MAX ? max : POLICY_WARM_MAX;
}

void policy_warm_touch(struct policy *policy, uint32_t node, const struct policy_talk *talk,
                       int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];
    struct policy_warm *warm;

    if (talk->session == 0 || !policy->settings.homes)
        return;
    home_set(policy, talk->session, node, talk->model, now_ms);
    warm = warm_find(n, talk->session);
    if (warm)
        warm_drop(n, (uint32_t)(warm - n->warm));
    while (n->warm_n >= n->warm_max)
        warm_evict(policy, n, 0);
    n->warm[n->warm_n++] = (struct policy_warm){
        .session = talk->session,
        .prefix = talk->prefix,
        .last_ms = now_ms,
        .model = talk->model,
        .tokens = talk->tokens,
        .is_home = true,
    };
}

/* Who does not tell which conversation has ended means, on a node with one slot, the last. */
void policy_warm_done(struct policy *policy, uint32_t node, const struct policy_report *report,
                      int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];
    int64_t tokens = report->prompt_tokens + report->output_tokens;
    struct policy_warm *warm = NULL;

    if (report->session != 0) {
        warm = warm_find(n, report->session);
    } else if (n->slots == 1 && n->warm_n > 0 && n->warm[n->warm_n - 1].model == report->model) {
        warm = &n->warm[n->warm_n - 1];
    }
    if (!warm)
        return;
    warm->last_ms = now_ms;
    if (tokens > 0)
        warm->tokens = (double)tokens;
}

void policy_warm_forget(struct policy *policy, uint32_t node, uint32_t model)
{
    struct policy_node *n = &policy->nodes[node];

    for (uint32_t i = n->warm_n; i-- > 0;) {
        if (model == POLICY_NONE || n->warm[i].model == model)
            warm_evict(policy, n, i);
    }
}

/* What is warm there according to the node itself: another router's conversations, ours after a
 * restart; and what it no longer lists, although it had the time to. */
void policy_warm_heard(struct policy *policy, uint32_t node, const struct policy_heard *heard,
                       int64_t now_ms)
{
    struct policy_node *n = &policy->nodes[node];

    if (!policy->settings.homes || n->resident_n == 0)
        return;
    for (uint32_t i = heard->sessions_n; i-- > 0;) { /* oldest first */
        const struct policy_talk talk = {
            .session = heard->sessions[i],
            .model = policy->pairs[n->resident[n->resident_n - 1]].model,
            .tokens = -1.0,
        };
        if (talk.session == 0 || warm_find(n, talk.session) ||
            home_find(policy, talk.session) != INDEX_NONE || i >= n->warm_max)
            continue;
        policy_warm_touch(policy, node, &talk, now_ms);
    }
}
