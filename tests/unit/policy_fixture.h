#ifndef POLICY_FIXTURE_H
#define POLICY_FIXTURE_H

/* A window, a policy and a small fleet for tests. Nodes are Pi 5 with one slot unless changed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "test.h"

#ifndef FIX_NODES
#define FIX_NODES 16
#endif
#define FIX_MODELS 4
#define FIX_NAMES  64

struct fix {
    struct names names;
    struct window window;
    struct policy *policy;
    struct policy_settings settings;
    void *memory[3];
    uint32_t model[FIX_MODELS];
    struct policy_heard heard[FIX_NODES];
    struct policy_installed installed[FIX_NODES][FIX_MODELS];
    int64_t now_ms;
    uint64_t next_id;
};

static inline void *fix_zeroed(size_t bytes)
{
    void *mem = calloc(1, bytes);

    assert_non_null(mem);
    return mem;
}

/* Model m has a file of m + 1 GB; every node answers 20 prompt and 5 output tokens/s, loads in 10
 * s. */
static inline void fix_node(struct fix *f, uint32_t node)
{
    for (uint32_t m = 0; m < FIX_MODELS; m++) {
        f->installed[node][m] = (struct policy_installed){
            .model = f->model[m],
            .bytes = (int64_t)(m + 1) * 1000000000,
            .n = 100,
            .prompt_tps_milli = 20000,
            .gen_tps_milli = 5000,
            .load_ms = 10000,
            .tokens_out_milli = 100000,
        };
    }
    f->heard[node] = (struct policy_heard){
        .id_hash = node + 1,
        .measured_ms = f->now_ms,
        .temp_mc = 50000,
        .ram_permille = 300,
        .throttled = HEALTH_UNKNOWN,
        .under_voltage = HEALTH_UNKNOWN,
        .freq_capped = HEALTH_UNKNOWN,
        .ram_bytes = INT64_C(8000000000),
        .board = POLICY_BOARD_PI5,
        .slots = 1,
        .credit = 1,
        .sessions_max = 4,
        .loading = POLICY_NONE,
        .installed = f->installed[node],
        .installed_n = FIX_MODELS,
    };
}

static inline void fix_hear(struct fix *f, uint32_t node)
{
    f->heard[node].measured_ms = f->now_ms;
    assert_true(policy_heard(f->policy, node, &f->heard[node], f->now_ms));
}

/* The next decision; a move is carried out. POLICY_NOTHING if there is none. */
static inline struct policy_decision fix_next(struct fix *f)
{
    struct policy_decision decision = {.act = POLICY_NOTHING};

    if (policy_next(f->policy, f->now_ms, &decision) && decision.act == POLICY_MOVE) {
        window_take(&f->window, decision.request);
        window_remove(&f->window, decision.request);
    } else if (decision.act != POLICY_KEEP && decision.act != POLICY_PRELOAD) {
        decision.act = POLICY_NOTHING;
    }
    return decision;
}

/* Nobody waits yet: there is nothing to decide. */
static inline void fix_up(struct fix *f, uint32_t node, int resident)
{
    fix_node(f, node);
    if (resident >= 0)
        f->installed[node][resident].is_resident = true;
    fix_hear(f, node);
    policy_verdict(f->policy, node, POLICY_MAY_WORK, false, f->now_ms);
    assert_int_equal(fix_next(f).act, POLICY_NOTHING);
}

static inline void fix_make(struct fix *f)
{
    static const char *const names[FIX_MODELS] = {"a:1b", "b:2b", "c:3b", "d:4b"};
    const struct window_sizes window = {256, 0};
    const struct policy_sizes sizes = {FIX_NODES, FIX_NODES * FIX_MODELS, 64};

    memset(f, 0, sizeof *f);
    f->now_ms = 1000000;
    f->next_id = 1;
    f->memory[0] = fix_zeroed(names_bytes(FIX_NAMES));
    names_init(&f->names, f->memory[0], FIX_NAMES);
    f->memory[1] = fix_zeroed(window_bytes(window, FIX_NAMES));
    window_init(&f->window, f->memory[1], window, &f->names, 1);
    for (int i = 0; i < FIX_MODELS; i++)
        f->model[i] = names_hold(&f->names, span_str(names[i]));
    policy_settings_default(&f->settings);
    f->memory[2] = fix_zeroed(policy_bytes(sizes, &f->window));
    f->policy = policy_init(f->memory[2], sizes, &f->window, &f->settings, 1, f->now_ms);
}

static inline void fix_free(struct fix *f)
{
    for (int i = 0; i < 3; i++)
        free(f->memory[i]);
}

/* A request of 100 prompt tokens. */
static inline uint32_t fix_ask_entry(struct fix *f, int model, struct window_entry entry)
{
    char id[32];
    struct window_added added;

    (void)snprintf(id, sizeof id, "r%llu", (unsigned long long)f->next_id);
    entry.id = (struct stream_id){(uint64_t)f->now_ms, f->next_id++};
    entry.request_id = span_str(id);
    entry.model = names_text(&f->names, f->model[model]);
    if (entry.submitted_ms == 0)
        entry.submitted_ms = f->now_ms;
    entry.deadline_ms = f->now_ms + 3600000;
    entry.attempt = entry.attempt ? entry.attempt : 1;
    entry.bytes = 1;
    if (entry.prompt_tokens == 0)
        entry.prompt_tokens = 100;
    added = window_add(&f->window, &entry, f->now_ms, f->now_ms, 0);
    assert_int_equal(added.outcome, WINDOW_ADDED);
    policy_arrived(f->policy, added.index, f->now_ms);
    return added.index;
}

static inline uint32_t fix_ask(struct fix *f, int model, uint64_t session)
{
    return fix_ask_entry(
        f, model, (struct window_entry){.priority = REQUEST_NORMAL, .session_hash = session});
}

static inline void fix_done(struct fix *f, uint32_t node, int model, uint64_t session,
                            int64_t run_ms)
{
    const struct policy_report report = {
        .model = f->model[model],
        .is_done = true,
        .run_ms = run_ms,
        .session = session,
        .prompt_tokens = 100,
        .output_tokens = 100,
    };

    policy_left(f->policy, node, &report, f->now_ms);
}

#endif
