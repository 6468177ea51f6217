/*
 * What is known of speeds: measured figures, and before there are any the board's and the file's.
 * Sources of the priors: docs/routing.md, "Before anything is measured".
 */
#include "policy_private.h"

static const struct policy_board_prior priors[POLICY_BOARD_COUNT] = {
    /*                       memory   prompt  disk   speed */
    [POLICY_BOARD_OTHER] = {9.5e9, 60.0, 85e6, 1.0},
    [POLICY_BOARD_PI3] = {1.0e9, 3.0, 20e6, 0.4}, /* assumed: no measurement found */
    [POLICY_BOARD_PI4] = {3.3e9, 9.5, 42e6, 0.4},
    [POLICY_BOARD_PI5] = {9.5e9, 60.0, 85e6, 1.0},
};

enum policy_board policy_board_of(struct span board)
{
    static const struct {
        const char *text;
        enum policy_board board;
    } boards[] = {
        {"Raspberry Pi 5", POLICY_BOARD_PI5},
        {"Raspberry Pi 500", POLICY_BOARD_PI5},
        {"Raspberry Pi 4", POLICY_BOARD_PI4},
        {"Raspberry Pi 400", POLICY_BOARD_PI4},
        {"Raspberry Pi Compute Module 4", POLICY_BOARD_PI4},
        {"Raspberry Pi Compute Module 5", POLICY_BOARD_PI5},
        {"Raspberry Pi 3", POLICY_BOARD_PI3},
    };

    for (size_t i = 0; i < sizeof boards / sizeof boards[0]; i++) {
        struct span text = span_str(boards[i].text);
        if (board.len >= text.len && span_is((struct span){board.ptr, text.len}, boards[i].text))
            return boards[i].board;
    }
    return POLICY_BOARD_OTHER;
}

double policy_board_speed(enum policy_board board)
{
    return priors[board].speed;
}

/* A model whose size nobody tells is taken for one of 3e9 parameters. */
static double bytes_or_guess(const struct policy_pair *pair)
{
    return pair->bytes > 0.0 ? pair->bytes : 2.0e9;
}

/* The prior counts for what is missing to PRIOR_ANSWERS. */
static double blend(double prior, int64_t measured_milli, uint32_t n)
{
    double measured = (double)measured_milli / 1000.0;

    if (measured_milli <= 0)
        return prior;
    if (n >= PRIOR_ANSWERS)
        return measured;
    return (prior * (double)(PRIOR_ANSWERS - n) + measured * (double)n) / (double)PRIOR_ANSWERS;
}

/* What the other nodes of the board have seen of the model says more than its file: a quantization,
 * a cooler, a card that all of them have. */
static double scaled(double prior, double measured)
{
    return measured > 0.0 ? prior * measured : prior;
}

/* What one node measures is off by chance, and who takes the fastest of several takes the luckiest.
 * So a figure is drawn towards the mean of the board's nodes, the more the nearer to it it is
 * (after James and Stein 1961): small differences are noise, large ones have a cause. */
static double drawn(const struct policy *policy, const struct policy_pair *pair, double own,
                    double siblings)
{
    double nodes = (double)policy->models[pair->model].list[PAIRS_HOLDING].n;
    double off = (own - siblings) / siblings, noise;

    if (nodes <= SIBLINGS_FEW || policy->nodes[pair->node].board == POLICY_BOARD_OTHER)
        return own;
    noise = SIBLING_NOISE * SIBLING_NOISE * (1.0 - SIBLINGS_FEW / nodes);
    return siblings + (own - siblings) * (off * off / (off * off + noise));
}

static void measured_add(double *measured, double prior, int64_t milli)
{
    double seen;

    if (milli <= 0)
        return;
    seen = policy_clamp((double)milli / 1000.0 / prior, MEASURED_MIN, MEASURED_MAX);
    *measured = *measured > 0.0 ? *measured + MEASURED_SHARE * (seen - *measured) : seen;
}

/* Seconds to load: reading is the node's own, once it has loaded anything. */
static double load_prior(const struct policy_node *node, double disk_bps, double bytes,
                         double measured)
{
    double init_s = INIT_S / node->speed;

    if (node->load_bps > 0.0)
        return init_s + bytes / node->load_bps;
    return scaled(init_s + bytes / disk_bps, measured);
}

void policy_learn_pair(struct policy *policy, uint32_t pair,
                       const struct policy_installed *installed)
{
    struct policy_pair *p = &policy->pairs[pair];
    struct policy_model *m = &policy->models[p->model];
    struct policy_node *node = &policy->nodes[p->node];
    struct policy_measured *seen = &m->measured[node->board];
    const struct policy_board_prior *prior = &priors[node->board];
    double init_s = INIT_S / node->speed;

    p->n = installed->n;
    p->bytes = installed->bytes > 0 ? (double)installed->bytes : p->bytes;
    double bytes = bytes_or_guess(p);
    double gen_tps = prior->memory_bps / bytes;
    double prompt_tps = prior->prompt_k * PARAMETER_BYTES * 1e9 / bytes;
    measured_add(&seen->gen, gen_tps, installed->gen_tps_milli);
    measured_add(&seen->prompt, prompt_tps, installed->prompt_tps_milli);
    measured_add(&seen->load, init_s + bytes / prior->disk_bps, installed->load_ms);
    gen_tps = scaled(gen_tps, seen->gen);
    prompt_tps = scaled(prompt_tps, seen->prompt);
    p->gen_tps = drawn(policy, p, blend(gen_tps, installed->gen_tps_milli, p->n), gen_tps);
    p->prompt_tps =
        drawn(policy, p, blend(prompt_tps, installed->prompt_tps_milli, p->n), prompt_tps);
    p->load_s =
        blend(load_prior(node, prior->disk_bps, bytes, seen->load), installed->load_ms, p->n);
    if (m->service_s <= 0.0)
        m->service_s = PROMPT_PRIOR / p->prompt_tps + TOKENS_PRIOR / p->gen_tps;
    if (installed->load_ms > 0 && (double)installed->load_ms / 1000.0 > init_s)
        node->load_bps = bytes / ((double)installed->load_ms / 1000.0 - init_s);
}

void policy_learn_done(struct policy *policy, const struct policy_report *report)
{
    struct policy_model *m = &policy->models[report->model];

    if (report->output_tokens > 0) {
        double tokens = (double)report->output_tokens;
        if (m->output_tokens <= 0.0)
            m->output_tokens = TOKENS_PRIOR;
        m->output_tokens += OUTPUT_SHARE * (tokens - m->output_tokens);
    }
    if (report->run_ms >= 0 && !report->was_cold) {
        double seconds = (double)report->run_ms / 1000.0;
        double share = 1.0 / (double)(PRIOR_ANSWERS + ++m->service_n);
        if (m->service_s <= 0.0)
            m->service_s = SERVICE_PRIOR_S;
        m->service_s += policy_max(share, SERVICE_SHARE) * (seconds - m->service_s);
    }
}

/* The typical load time of a model, the median over a sample of the nodes that have its file, and
 * the fastest board among them. Each call looks at others. */
void policy_learn_load(struct policy *policy, uint32_t model)
{
    struct policy_model *m = &policy->models[model];
    uint32_t sample[SAMPLE_HOLDERS];
    double sorted[SAMPLE_HOLDERS];
    uint32_t n = policy_sample(policy_pair_links(policy, PAIRS_HOLDING), &m->list[PAIRS_HOLDING],
                               SAMPLE_HOLDERS, sample);

    m->speed *= PLACE_FAST_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        if (policy_pair_usable(policy, &policy->pairs[sample[i]]))
            m->speed = policy_max(m->speed, policy->nodes[policy->pairs[sample[i]].node].speed);
        double load_s = policy->pairs[sample[i]].load_s;
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] > load_s; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = load_s;
    }
    if (n > 0)
        m->load_s = m->load_s > 0.0 ? 0.5 * (m->load_s + sorted[n / 2]) : sorted[n / 2];
}
