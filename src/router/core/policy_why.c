/* The words of a decision, and figures for those who look. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy_private.h"

struct text {
    char *buf;
    size_t cap, len;
};

static void add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(text->buf + text->len, text->cap - text->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        text->len += (size_t)n;
    if (text->len >= text->cap)
        text->len = text->cap - 1; /* cut */
}

/* Every move says why, so what every sentence has is put together without printf: of the 31,900
 * instructions that a sentence took, nine tenths were its. */
static void add_text(struct text *text, const char *more)
{
    size_t len = strlen(more), room = text->cap - 1 - text->len;

    len = len < room ? len : room; /* cut */
    memcpy(text->buf + text->len, more, len);
    text->len += len;
    text->buf[text->len] = '\0';
}

static void add_number(struct text *text, uint64_t n)
{
    char number[SPAN_NUMBER_MAX];

    (void)span_u64_text(n, number);
    add_text(text, number);
}

#define SHOWN_MAX_S 999999999.9

/* "12.3"; a cost is never negative, and what is as good as infinite is cut. */
static void add_tenths(struct text *text, double value)
{
    char digits[16], *at = digits + sizeof digits;
    double shown = value > 0.0 ? value < SHOWN_MAX_S ? value : SHOWN_MAX_S : 0.0;
    uint64_t tenths = (uint64_t)(shown * 10.0 + 0.5);

    *--at = '\0';
    *--at = (char)('0' + tenths % 10);
    *--at = '.';
    do {
        tenths /= 10;
        *--at = (char)('0' + tenths % 10);
    } while (tenths >= 10);
    add_text(text, at);
}

static const char *const reasons[POLICY_REASON_COUNT] = {
    [POLICY_BY_HOLDER] = "holder",       [POLICY_BY_HOME] = "home",
    [POLICY_BY_SWAP] = "swap",           [POLICY_BY_PULL] = "pull",
    [POLICY_BY_PULL_SWAP] = "pull-swap", [POLICY_BY_RULE] = "rule",
    [POLICY_FOR_HOME] = "for-home",      [POLICY_FOR_COOLER] = "for-cooler",
    [POLICY_FOR_HOLDER] = "for-holder",  [POLICY_FOR_FASTER] = "for-faster",
    [POLICY_FOR_NODE] = "for-node",      [POLICY_BY_DEMAND] = "demand",
};

/* The words before the name of the node that a KEEP is about, and behind it. */
struct reason_words {
    const char *text, *behind; /* `behind` NULL: no name */
};

static const struct reason_words reason_words[POLICY_REASON_COUNT] = {
    [POLICY_BY_HOLDER] = {"the cheapest free node with the model in memory", NULL},
    [POLICY_BY_HOME] = {"the node that has this conversation", NULL},
    [POLICY_BY_SWAP] = {"loading the model there is cheaper than waiting", NULL},
    [POLICY_BY_PULL] = {"a slot came free, and this request gains most from it", NULL},
    [POLICY_BY_PULL_SWAP] = {"a slot came free, and it is worth loading the model", NULL},
    [POLICY_BY_RULE] = {"by the rule of policy = ", NULL},
    [POLICY_FOR_HOME] = {"its conversation is on ", ", which is busy and worth waiting for"},
    [POLICY_FOR_COOLER] =
        {"", " is free but throttled by its firmware; another node will be free soon"},
    [POLICY_FOR_HOLDER] = {"a node with the model will be free sooner than another could load it",
                           NULL},
    [POLICY_FOR_FASTER] =
        {"a node with the model, on a faster or cooler board, is busy, but will be done sooner "
         "than the free one",
         NULL},
    [POLICY_FOR_NODE] = {"no node can take it now", NULL},
    [POLICY_BY_DEMAND] = {"with one more node that has the model its requests would wait less",
                          NULL},
};

static const char *const verdict_words[POLICY_VERDICT_COUNT] = {
    [POLICY_UNKNOWN] = "without usable health",
    [POLICY_MAY_WORK] = "may work",
    [POLICY_LOST] = "lost",
    [POLICY_LATE_NODE] = "silent for too long",
    [POLICY_DRAINED] = "drained",
    [POLICY_UNAVAILABLE] = "says it is unavailable",
    [POLICY_HOT] = "too hot",
    [POLICY_MEMORY] = "short of memory",
    [POLICY_ON_HOLD] = "on hold after a failure",
};

const char *policy_reason_name(enum policy_reason reason)
{
    assert(reason < POLICY_REASON_COUNT);
    return reasons[reason];
}

const char *policy_verdict_words(enum policy_verdict verdict)
{
    assert(verdict < POLICY_VERDICT_COUNT);
    return verdict_words[verdict];
}

/* --- why not
 * ---------------------------------------------------------------------------------------------- */

static bool has_failed_it(const struct policy *policy, const struct policy_decision *decision,
                          uint32_t node)
{
    struct policy_want want = {.tried = ""};

    if (decision->request != POLICY_NONE && window_at(policy->window, decision->request))
        want.tried = window_tried(policy->window, decision->request);
    return policy_has_failed_it(policy, &want, node);
}

/* It has a free slot and the model on its disk. */
static const char *why_not_load(const struct policy *policy, uint32_t node, uint32_t pair)
{
    const struct policy_node *n = &policy->nodes[node];

    if (!policy_pair_fits(policy, &policy->pairs[pair]))
        return "too little memory for the model";
    if (!n->is_idle)
        return "busy with another model";
    return n->heat.is_resting ? "resting from heat, would have to load it"
                              : "would have to load it";
}

/* In a few words, why this node does not have it. */
static const char *why_not(const struct policy *policy, const struct policy_decision *decision,
                           uint32_t node)
{
    const struct policy_node *n = &policy->nodes[node];
    uint32_t pair = policy_pair_find(policy, node, decision->model);

    if (n->verdict != POLICY_MAY_WORK)
        return verdict_words[n->verdict];
    if (pair == POLICY_NONE)
        return "without the model";
    if (policy->pairs[pair].place == POLICY_PLACE_AVOID)
        return "avoided for this model";
    if (policy->pairs[pair].place == POLICY_PLACE_ELSEWHERE)
        return "model pinned elsewhere";
    if (policy->pairs[pair].is_suspect)
        return "the model hung there";
    if (n->loading != POLICY_NONE)
        return n->loading == pair ? "loading it now" : "loading another model";
    if (decision->act == POLICY_PRELOAD && policy->pairs[pair].is_in[PAIRS_RESIDENT])
        return "has it in memory";
    if (!n->is_open)
        return "no slot free";
    if (has_failed_it(policy, decision, node))
        return "has failed it before";
    if (!policy->pairs[pair].is_in[PAIRS_RESIDENT])
        return why_not_load(policy, node, pair);
    if (n->heat.is_resting)
        return "hot, which costs more";
    return n->is_failing ? "has failed others lately" : "costs more";
}

/* Those that are not named, in numbers. */
static void rest_add(struct text *text, const struct policy *policy,
                     const struct policy_decision *decision, uint32_t unnamed)
{
    const struct policy_model *model = &policy->models[decision->model];
    const struct {
        const char *before;
        uint32_t n;
    } parts[] = {
        {", and ", unnamed},
        {" more: ", model->list[PAIRS_HOLDING].n},
        {" have the model, ", model->list[PAIRS_RESIDENT].n},
        {" in memory, ", model->list[PAIRS_OPEN].n},
    };
    const char *separator = " of them free; of the fleet ";

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        add_text(text, parts[i].before);
        add_number(text, parts[i].n);
    }
    for (int v = 0; v < POLICY_VERDICT_COUNT; v++) {
        if (policy->verdicts[v] == 0)
            continue;
        add_text(text, separator);
        add_number(text, policy->verdicts[v]);
        add_text(text, " ");
        add_text(text, verdict_words[v]);
        separator = ", ";
    }
}

/* The first nodes by number: in a small fleet all of them. */
static void others_add(struct text *text, const struct policy *policy,
                       const struct policy_decision *decision, const struct policy_words *words)
{
    uint32_t named = 0, others = policy->nodes_n - (decision->node != POLICY_NONE);
    const char *separator = "; others: ";

    for (uint32_t i = 0; i < policy->nodes_high && named < POLICY_WHY_OTHERS; i++) {
        if (!policy->nodes[i].is_known || i == decision->node)
            continue;
        add_text(text, separator);
        add_text(text, words->node(i, words->arg));
        add_text(text, " ");
        add_text(text, why_not(policy, decision, i));
        separator = ", ";
        named++;
    }
    if (others <= named)
        return;
    rest_add(text, policy, decision, others - named);
}

/* --- why
 * ----------------------------------------------------------------------------------------------------
 */

static void cost_add(struct text *text, const struct policy_cost *cost)
{
    const struct {
        const char *before;
        double seconds;
    } parts[] = {
        {"", policy_cost_sum(cost)},       {" s (wait ", cost->wait_s}, {", load ", cost->load_s},
        {", service ", cost->service_s},   {", heat ", cost->heat_s},   {", harm ", cost->harm_s},
        {"; cache saved ", cost->saved_s},
    };

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        add_text(text, parts[i].before);
        add_tenths(text, parts[i].seconds);
    }
    add_text(text, ")");
}

static void node_add(struct text *text, const struct policy *policy, uint32_t node)
{
    const struct policy_node *n = &policy->nodes[node];

    double now_c = n->heat.now_c;

    if (n->heat.now_ms != INT64_MIN) {
        add_text(text, now_c < 0.0 ? ", -" : ", ");
        add_tenths(text, now_c < 0.0 ? -now_c : now_c);
        add_text(text, " C");
    }
    if (n->is_failing)
        add(text, ", failing");
}

static void place_add(struct text *text, const struct policy *policy,
                      const struct policy_decision *decision)
{
    uint32_t pair = policy_pair_find(policy, decision->node, decision->model);

    if (pair != POLICY_NONE && policy->pairs[pair].place > 0)
        add(text, ", pinned (choice %" PRId32 ")", policy->pairs[pair].place);
}

static void evict_add(struct text *text, const struct policy_decision *decision,
                      const struct policy_words *words)
{
    if (decision->evict == POLICY_NONE)
        return;
    add_text(text, "; unloads ");
    add_text(text, words->model(decision->evict, words->arg));
}

static void move_add(struct text *text, const struct policy *policy,
                     const struct policy_decision *decision, const struct policy_words *words)
{
    add_text(text, reason_words[decision->reason].text);
    if (decision->reason == POLICY_BY_RULE)
        add_text(text, policy_kind_name(policy->settings.kind));
    add_text(text, ": ");
    cost_add(text, &decision->cost);
    node_add(text, policy, decision->node);
    place_add(text, policy, decision);
    evict_add(text, decision, words);
    if (decision->again)
        add(text, "; every node that could take it has failed it before");
    if (decision->runner_up == POLICY_NONE)
        return;
    add_text(text, "; next best ");
    add_text(text, words->node(decision->runner_up, words->arg));
    add_text(text, " ");
    cost_add(text, &decision->runner_up_cost);
}

static void keep_add(struct text *text, const struct policy_decision *decision,
                     const struct policy_words *words)
{
    const struct reason_words *reason = &reason_words[decision->reason];

    add(text, "waits: %s", reason->text);
    if (reason->behind) {
        add(text, "%s%s",
            decision->node == POLICY_NONE ? "a node" : words->node(decision->node, words->arg),
            reason->behind);
    }
    if (decision->cost.wait_s > 0.0 && decision->cost.wait_s < WAIT_FOREVER_S)
        add(text, ", in about %.0f s", decision->cost.wait_s);
}

static void preload_add(struct text *text, const struct policy *policy,
                        const struct policy_decision *decision, const struct policy_words *words)
{
    add(text, "%s: %.3f s of waiting saved per second, %.3f s caused elsewhere; loads in %.1f s",
        reason_words[decision->reason].text, decision->gain_s, decision->loss_s,
        decision->cost.load_s);
    place_add(text, policy, decision);
    evict_add(text, decision, words);
}

void policy_why(const struct policy *policy, const struct policy_decision *decision,
                const struct policy_words *words, char *buf, size_t cap)
{
    struct text text = {.buf = buf, .cap = cap};

    assert(cap > 0);
    buf[0] = '\0';
    switch (decision->act) {
    case POLICY_MOVE:
        move_add(&text, policy, decision, words);
        others_add(&text, policy, decision, words);
        break;
    case POLICY_KEEP:
        keep_add(&text, decision, words);
        others_add(&text, policy, decision, words);
        break;
    case POLICY_PRELOAD:
        preload_add(&text, policy, decision, words);
        others_add(&text, policy, decision, words);
        break;
    case POLICY_NOTHING:
        break;
    }
}

/* --- views
 * ----------------------------------------------------------------------------------------------------
 */

struct policy_node_view policy_node_view(const struct policy *policy, uint32_t node)
{
    const struct policy_node *n = &policy->nodes[node];

    return (struct policy_node_view){
        .is_known = n->is_known,
        .is_failing = n->is_failing,
        .is_resting = n->heat.is_resting,
        .verdict = n->verdict,
        .in_flight = n->in_flight,
        .resident_n = n->resident_n,
        .loading = n->loading == POLICY_NONE || !n->is_known ? POLICY_NONE
                                                             : policy->pairs[n->loading].model,
        .rests = n->heat.rests,
        .duty = n->heat.duty,
        .heat_tss_c = n->heat.tss_c,
        .heat_tau_s = n->heat.tau_s,
    };
}

struct policy_pair_view policy_pair_view(const struct policy *policy, uint32_t node, uint32_t model)
{
    uint32_t pair = policy_pair_find(policy, node, model);
    const struct policy_pair *p = pair == POLICY_NONE ? NULL : &policy->pairs[pair];

    if (!p)
        return (struct policy_pair_view){0};
    return (struct policy_pair_view){true, p->is_in[PAIRS_RESIDENT], policy_load_time(policy, p),
                                     p->prompt_tps, p->gen_tps};
}
