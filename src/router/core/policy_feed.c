#include "policy_feed.h"

#include "common/json.h"
#include "common/model_name.h"

#define MIB INT64_C(1048576)

/* --- verdict and load --------------------------------------------------------------------------
 */

static enum policy_verdict by_health(const struct fleet *fleet, const struct node *node)
{
    const struct node_health *health = &node->health;

    if (node->drained)
        return POLICY_DRAINED;
    if (node->state != NODE_UP)
        return POLICY_UNAVAILABLE;
    if (health->temp_mc != HEALTH_UNKNOWN && health->temp_mc >= fleet->limits.temp_max_mc)
        return POLICY_HOT;
    if (health->ram_permille != HEALTH_UNKNOWN &&
        health->ram_permille >= fleet->limits.ram_max_pct * 10)
        return POLICY_MEMORY;
    return POLICY_MAY_WORK;
}

enum policy_verdict policy_feed_verdict(const struct fleet *fleet, uint32_t index, int64_t now_ms)
{
    const struct node *node = fleet_at(fleet, index);
    enum policy_verdict verdict;

    if (!node || node->is_gone)
        return POLICY_UNKNOWN;
    switch (node->state) {
    case NODE_NEW:
        return POLICY_UNKNOWN;
    case NODE_LOST:
        return POLICY_LOST;
    case NODE_LATE:
        return POLICY_LATE_NODE;
    case NODE_UP:
    case NODE_UNAVAILABLE:
    case NODE_STATE_COUNT:
        break;
    }
    verdict = by_health(fleet, node);
    if (verdict == POLICY_MAY_WORK && now_ms < node->hold_until_ms)
        return POLICY_ON_HOLD;
    return verdict;
}

void policy_feed_node(struct policy *policy, const struct fleet *fleet, uint32_t index,
                      int64_t now_ms)
{
    const struct node *node = fleet_at(fleet, index);

    policy_load(policy, index, node->in_flight, node->is_full, now_ms);
    policy_verdict(policy, index, policy_feed_verdict(fleet, index, now_ms),
                   node_is_failing(node, now_ms), now_ms);
}

void policy_feed_all(struct policy *policy, const struct fleet *fleet, int64_t now_ms)
{
    uint32_t cursor = 0, index;

    while ((index = fleet_each(fleet, &cursor)) != FLEET_NONE)
        policy_feed_node(policy, fleet, index, now_ms);
}

/* --- a heartbeat -------------------------------------------------------------------------------
 */

static int64_t milli_of(struct span number)
{
    int64_t milli;

    return node_health_milli(number, &milli) && milli > 0 ? milli : 0;
}

static struct policy_installed *find(struct policy_feed *feed, uint32_t n,
                                     const struct fleet *fleet, struct span key)
{
    char name[MODEL_NAME_MAX + 1];
    uint32_t model;

    if (!model_name_canonical(key, name)) /* without its quotes; names have no escapes */
        return NULL;
    model = names_find(fleet->models, span_str(name));
    for (uint32_t i = 0; i < n; i++) {
        if (feed->installed[i].model == model)
            return &feed->installed[i];
    }
    return NULL;
}

static void take_rates(struct policy_feed *feed, uint32_t n, const struct fleet *fleet,
                       struct span rates)
{
    enum { PROMPT_TPS = 0, GEN_TPS, TOKENS_OUT, LOAD_MS, N, COUNT };
    static const char *const names[COUNT] = {"prompt_tps", "gen_tps", "tokens_out", "load_ms", "n"};
    struct span rate[COUNT];
    struct json_iter it;

    for (json_begin(&it, rates); json_next(&it);) {
        struct policy_installed *installed = find(feed, n, fleet, it.key);
        int64_t count;
        if (!installed)
            continue;
        json_get_all(it.value, names, COUNT, rate);
        installed->prompt_tps_milli = milli_of(rate[PROMPT_TPS]);
        installed->gen_tps_milli = milli_of(rate[GEN_TPS]);
        installed->tokens_out_milli = milli_of(rate[TOKENS_OUT]);
        installed->load_ms = milli_of(rate[LOAD_MS]) / 1000;
        if (json_to_i64(rate[N], &count) && count > 0)
            installed->n = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    }
}

static void take_sizes(struct policy_feed *feed, uint32_t n, const struct fleet *fleet,
                       struct span sizes)
{
    struct json_iter it;

    for (json_begin(&it, sizes); json_next(&it);) {
        struct policy_installed *installed = find(feed, n, fleet, it.key);
        int64_t milli;
        if (installed && node_health_milli(it.value, &milli) && milli > 0)
            installed->bytes = milli / 1000 * MIB;
    }
}

static uint32_t take_models(struct policy_feed *feed, const struct fleet *fleet,
                            const struct place_rules *rules, const struct node *node)
{
    for (uint32_t i = 0; i < node->models.n; i++) {
        uint32_t model = node->models.index[i];
        feed->installed[i] = (struct policy_installed){
            .model = model,
            .place = place_rules_ask(rules, names_text(fleet->models, model), span_str(node->id)),
            .is_resident = node_is_resident(node, model),
            .is_suspect = node_is_suspect(node, model),
        };
    }
    return node->models.n;
}

static uint32_t take_loading(const struct fleet *fleet, struct span loading)
{
    char name[MODEL_NAME_MAX + 1];

    if (!node_health_model(loading, name))
        return POLICY_NONE;
    return names_find(fleet->models, span_str(name));
}

static enum policy_board take_board(struct span name)
{
    char board[64];

    if (!json_string_decode(name, board, sizeof board))
        return POLICY_BOARD_OTHER;
    return policy_board_of(span_str(board));
}

static uint32_t small_integer(struct span number)
{
    int64_t value;

    return json_to_i64(number, &value) && value > 0 && value < 1000000 ? (uint32_t)value : 0;
}

bool policy_feed_health(struct policy_feed *feed, struct policy *policy, const struct fleet *fleet,
                        uint32_t index, struct span json, struct fleet_time at)
{
    enum { RAM_TOTAL_MB = 0, BOARD, RATES, SIZES_MB, LOADING, SESSIONS_MAX, COUNT };
    static const char *const names[COUNT] = {"ram_total_mb", "board",   "rates",
                                             "sizes_mb",     "loading", "sessions_max"};
    const struct node *node = fleet_at(fleet, index);
    const struct node_health *health = &node->health;
    struct span given[COUNT];
    struct policy_heard heard;
    uint32_t n;

    if (feed->fed_ms[index] == health->last_seen_ms)
        return true;
    feed->fed_ms[index] = health->last_seen_ms;
    n = take_models(feed, fleet, feed->rules, node);
    json_get_all(json, names, COUNT, given);
    take_rates(feed, n, fleet, given[RATES]);
    take_sizes(feed, n, fleet, given[SIZES_MB]);
    heard = (struct policy_heard){
        .id_hash = span_hash(span_str(node->id)),
        .measured_ms = at.now_ms - (at.redis_ms - health->last_seen_ms),
        .temp_mc = health->temp_mc,
        .ram_permille = health->ram_permille,
        .throttled = health->throttled,
        .under_voltage = health->under_voltage,
        .freq_capped = health->freq_capped,
        .ram_bytes = (int64_t)small_integer(given[RAM_TOTAL_MB]) * MIB,
        .board = take_board(given[BOARD]),
        .slots = health->slots > 0 ? (uint32_t)health->slots : 0,
        .credit = fleet_credit(fleet, index),
        .sessions_max = small_integer(given[SESSIONS_MAX]),
        .loading = take_loading(fleet, given[LOADING]),
        .tells_loading = json_type(given[LOADING]) != JSON_NONE,
        .installed = feed->installed,
        .installed_n = n,
        .sessions = health->sessions,
        .sessions_n = health->n_sessions,
    };
    return policy_heard(policy, index, &heard, at.now_ms);
}
