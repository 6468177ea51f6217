/* What is told to the policy, and what it answers, as lines (tap.h). */
#include <inttypes.h>

#include "policy_private.h"
#include "tap.h"

static struct span name_of(const struct policy *policy, uint32_t model)
{
    return model == POLICY_NONE ? span_str("-") : names_text(policy->window->models, model);
}

void policy_tap(struct policy *policy, const struct tap *tap)
{
    const struct window *window = policy->window;

    policy->tap = policy->window->tap = policy->window->models->tap = tap;
    tap_line(tap,
             "orion-record %d %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32
             " %016" PRIx64 " %016" PRIx64 " %" PRId64,
             TAP_VERSION, policy->sizes.nodes, policy->sizes.pairs, policy->sizes.sessions,
             window->sizes.capacity, window->sizes.parked_max, window->models->pool.capacity,
             window->seed, policy->random, policy->start_ms);
    names_tap_all(window->models);
    policy_tap_settings(policy);
}

void policy_tap_settings(const struct policy *policy)
{
    const struct policy_settings *s = &policy->settings;

    tap_line(
        policy->tap,
        "settings %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
        (int)s->kind, (int)s->placement, (int)s->homes, s->lambda_t_permille, s->swap_margin_ms,
        s->swap_factor_pct, s->home_wait_pct, s->chwbl_load_pct, s->place_phase_ms);
}

static void tap_installed(const struct policy *policy, const struct policy_installed *installed)
{
    tap_line(policy->tap,
             "has %.*s %" PRId32 " %d %d %" PRId64 " %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64
             " %" PRId64,
             SPAN_ARG(name_of(policy, installed->model)), installed->place,
             (int)installed->is_resident, (int)installed->is_suspect, installed->bytes,
             installed->n, installed->prompt_tps_milli, installed->gen_tps_milli,
             installed->load_ms, installed->tokens_out_milli);
}

void policy_tap_heard(const struct policy *policy, uint32_t node, const struct policy_heard *heard,
                      int64_t now_ms)
{
    if (!policy->tap)
        return;
    for (uint32_t i = 0; i < heard->installed_n; i++)
        tap_installed(policy, &heard->installed[i]);
    for (uint32_t i = 0; i < heard->sessions_n; i++)
        tap_line(policy->tap, "warm %016" PRIx64, heard->sessions[i]);
    tap_line(policy->tap,
             "heard %" PRIu32 " %016" PRIx64 " %" PRId64 " %" PRId32 " %" PRId32 " %" PRId32
             " %" PRId32 " %" PRId32 " %" PRId64 " %d %" PRIu32 " %" PRIu32 " %" PRIu32
             " %.*s %d %" PRId64,
             node, heard->id_hash, heard->measured_ms, heard->temp_mc, heard->ram_permille,
             heard->throttled, heard->under_voltage, heard->freq_capped, heard->ram_bytes,
             (int)heard->board, heard->slots, heard->credit, heard->sessions_max,
             SPAN_ARG(name_of(policy, heard->loading)), (int)heard->tells_loading, now_ms);
}

void policy_tap_call(const struct policy *policy, const char *name, uint32_t a, int64_t b,
                     int64_t now_ms)
{
    tap_line(policy->tap, "%s %" PRIu32 " %" PRId64 " %" PRId64, name, a, b, now_ms);
}

void policy_tap_model(const struct policy *policy, const char *name, uint32_t node, uint32_t model,
                      int64_t more, int64_t now_ms)
{
    if (policy->tap) {
        tap_line(policy->tap, "%s %" PRIu32 " %.*s %" PRId64 " %" PRId64, name, node,
                 SPAN_ARG(name_of(policy, model)), more, now_ms);
    }
}

void policy_tap_left(const struct policy *policy, uint32_t node, const struct policy_report *report,
                     int64_t now_ms)
{
    if (!policy->tap)
        return;
    tap_line(
        policy->tap,
        "left %" PRIu32 " %.*s %d %d %" PRId64 " %016" PRIx64 " %" PRId64 " %" PRId64 " %" PRId64,
        node, SPAN_ARG(name_of(policy, report->model)), (int)report->is_done, (int)report->was_cold,
        report->run_ms, report->session, report->prompt_tokens, report->output_tokens, now_ms);
}

static void tap_cost(const struct policy *policy, const struct policy_cost *cost)
{
    tap_line(policy->tap,
             "cost %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64
             " %016" PRIx64,
             tap_bits(cost->wait_s), tap_bits(cost->load_s), tap_bits(cost->service_s),
             tap_bits(cost->heat_s), tap_bits(cost->harm_s), tap_bits(cost->saved_s));
}

/* The costs stand before the decision, as the models before the heartbeat. */
void policy_tap_next(const struct policy *policy, const struct policy_decision *decision,
                     int64_t now_ms)
{
    if (!policy->tap)
        return;
    if (!decision) {
        tap_line(policy->tap, "none %" PRId64, now_ms);
        return;
    }
    tap_cost(policy, &decision->cost);
    tap_cost(policy, &decision->runner_up_cost);
    tap_line(policy->tap,
             "next %" PRId64 " %d %s %" PRIu32 " %" PRIu32 " %.*s %.*s %" PRIu32 " %d %" PRIu32
             " %016" PRIx64 " %016" PRIx64,
             now_ms, (int)decision->act, policy_reason_name(decision->reason), decision->request,
             decision->node, SPAN_ARG(name_of(policy, decision->model)),
             SPAN_ARG(name_of(policy, decision->evict)), decision->considered, (int)decision->again,
             decision->runner_up, tap_bits(decision->gain_s), tap_bits(decision->loss_s));
}
