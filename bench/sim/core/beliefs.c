#include "beliefs.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "real.h"
#include "sim_time.h"

#define JUMP_START_C 10.0
#define JUMP_WEIGHT  0.3
#define FIT_DECAY    0.98
#define FIT_STEADY_C 68.0 /* of the prior */
#define FIT_TAU_S    150.0
#define REPORT_S     5.0
#define CACHE_MB_S   1200.0
#define CACHE_SHARE  0.9 /* of the free memory that is believed to cache files */
#define HEAT_PRICE   0.5
#define HEAT_ON_C    75.0
#define THROTTLES_C  80.0
#define HEAT_SLOW    0.04 /* slower, per degree above 80 */

void beliefs_init(struct beliefs *beliefs, const struct view *view)
{
    beliefs->view = view;
    beliefs->nodes = grow_new(view->n_nodes, sizeof *beliefs->nodes);
    for (uint32_t i = 0; i < view->n_nodes; i++) {
        beliefs->nodes[i] = (struct belief){
            .model = VIEW_NONE,
            .files = grow_new(view->n_models, sizeof(uint32_t)),
            .steady_c = FIT_STEADY_C,
            .tau_s = FIT_TAU_S,
            .jump_c = JUMP_START_C,
        };
    }
}

void beliefs_free(struct beliefs *beliefs)
{
    for (uint32_t i = 0; i < beliefs->view->n_nodes; i++)
        free(beliefs->nodes[i].files);
    free(beliefs->nodes);
}

/* --- models and conversations ----------------------------------------------------------------- */

static void drop_file(struct belief *belief, uint32_t model)
{
    uint32_t i = 0;

    while (i < belief->n_files && belief->files[i] != model)
        i++;
    if (i == belief->n_files)
        return;
    memmove(&belief->files[i], &belief->files[i + 1],
            (belief->n_files - i - 1) * sizeof belief->files[0]);
    belief->n_files--;
}

static void note_load(const struct view *view, struct belief *belief, double ram_gb, uint32_t model)
{
    double room = CACHE_SHARE * (ram_gb - view->size_gb[model] * 1.15 - 0.25), used = 0;

    if (belief->model != VIEW_NONE) {
        drop_file(belief, belief->model);
        belief->files[belief->n_files++] = belief->model;
    }
    drop_file(belief, model);
    for (uint32_t i = 0; i < belief->n_files; i++)
        used += view->size_gb[belief->files[i]];
    while (belief->n_files > 0 && used > room) {
        used -= view->size_gb[belief->files[0]];
        drop_file(belief, belief->files[0]);
    }
}

void beliefs_sent(struct beliefs *beliefs, uint32_t id, uint32_t node)
{
    const struct view *view = beliefs->view;
    const struct ask *ask = &view->asks[id];
    struct belief *belief = &beliefs->nodes[node];
    uint32_t i = 0;

    if (belief->model != ask->model) {
        note_load(view, belief, view->nodes[node].ram_gb, ask->model);
        belief->n_warm = 0;
        belief->model = ask->model;
    }
    while (i < belief->n_warm && belief->warm[i].session != ask->session)
        i++;
    if (i == belief->n_warm && belief->n_warm >= view->nodes[node].kv)
        i = 0;
    if (i < belief->n_warm) {
        memmove(&belief->warm[i], &belief->warm[i + 1],
                (belief->n_warm - i - 1) * sizeof belief->warm[0]);
        belief->n_warm--;
    }
    belief->warm[belief->n_warm++] = (struct belief_warm){
        ask->session, ask->app, ask->prompt_tokens + (int32_t)view->answer_tokens[ask->model]};
}

void beliefs_lost(struct beliefs *beliefs, uint32_t node)
{
    beliefs->nodes[node].model = VIEW_NONE;
    beliefs->nodes[node].n_warm = 0;
    beliefs->nodes[node].is_busy = false;
}

double beliefs_load_s(const struct beliefs *beliefs, uint32_t node, uint32_t model)
{
    const struct view *view = beliefs->view;
    const struct belief *belief = &beliefs->nodes[node];
    double speed = view->nodes[node].nominal_speed;

    if (belief->model == model)
        return 0;
    for (uint32_t i = 0; i < belief->n_files; i++) {
        if (belief->files[i] == model)
            return 0.8 / (speed < 0.4 ? 0.4 : speed) + view->size_gb[model] * 1000 / CACHE_MB_S;
    }
    return view->load_s[view_pair(view, node, model)];
}

static int32_t cached_tokens(const struct belief *belief, const struct ask *ask)
{
    int32_t tokens = 0;

    if (belief->model != ask->model)
        return 0;
    for (uint32_t i = 0; i < belief->n_warm; i++) {
        if (belief->warm[i].session == ask->session) {
            tokens = belief->warm[i].tokens;
            break;
        }
        if (belief->warm[i].app == ask->app)
            tokens = ask->system_tokens;
    }
    return tokens < ask->prompt_tokens - 1 ? tokens : ask->prompt_tokens - 1;
}

/* --- heat ------------------------------------------------------------------------------------- */

void beliefs_busy(struct beliefs *beliefs, uint32_t node, bool is_busy)
{
    beliefs->nodes[node].is_busy = is_busy;
    beliefs->nodes[node].busy_ns = beliefs->view->now_ns;
}

/* Two weak pseudo-observations on the prior's line, at 50 and 60 C, and the line through it all. */
static void fit(struct belief *belief)
{
    double c0 = 1 - real_exp(-REPORT_S / FIT_TAU_S);
    double n = belief->n + 2, x = belief->x + 110;
    double y = belief->y + c0 * (FIT_STEADY_C - 50) + c0 * (FIT_STEADY_C - 60);
    double xx = belief->xx + 2500 + 3600;
    double xy = belief->xy + 50 * c0 * (FIT_STEADY_C - 50) + 60 * c0 * (FIT_STEADY_C - 60);
    double determinant = n * xx - x * x;

    if (determinant <= 1e-6)
        return;
    double c = -(n * xy - x * y) / determinant;

    c = c < 0.005 ? 0.005 : c > 0.2 ? 0.2 : c;
    belief->steady_c = y / n / c + x / n;
    if (belief->steady_c < 50)
        belief->steady_c = 50;
    if (belief->steady_c > 110)
        belief->steady_c = 110;
    belief->tau_s = -REPORT_S / real_log(1 - c);
}

static void learn_heat(struct belief *belief, double temp_c, int64_t now_ns)
{
    double busy_s = sim_s(now_ns - belief->busy_ns), rise_c = temp_c - belief->temp_c;

    if (!belief->has_temp || !belief->is_busy)
        return;
    if (belief->temp_ns - belief->busy_ns > 10 * SIM_SECOND && temp_c < 80 && belief->temp_c < 80) {
        belief->n = belief->n * FIT_DECAY + 1;
        belief->x = belief->x * FIT_DECAY + belief->temp_c;
        belief->y = belief->y * FIT_DECAY + rise_c;
        belief->xx = belief->xx * FIT_DECAY + belief->temp_c * belief->temp_c;
        belief->xy = belief->xy * FIT_DECAY + belief->temp_c * rise_c;
        fit(belief);
    }
    if (belief->temp_ns <= belief->busy_ns && busy_s >= 2.5 && busy_s <= 5.5) {
        double jump_c = rise_c - 1 < 3 ? 3 : rise_c - 1 > 20 ? 20 : rise_c - 1;
        belief->jump_c += JUMP_WEIGHT * (jump_c - belief->jump_c);
    }
}

void beliefs_heard(struct beliefs *beliefs, uint32_t node)
{
    const struct view_node *seen = &beliefs->view->nodes[node];
    struct belief *belief = &beliefs->nodes[node];

    if (seen->in_flight == 0 && seen->resident != VIEW_NONE)
        belief->model = seen->resident;
    learn_heat(belief, seen->temp_c, beliefs->view->now_ns);
    belief->temp_c = seen->temp_c;
    belief->temp_ns = beliefs->view->now_ns;
    belief->has_temp = true;
}

/* How much longer, and how unwelcome, `busy_s` of work there would be. */
static double heat_factor(const struct beliefs *beliefs, uint32_t node, double busy_s)
{
    const struct view_node *seen = &beliefs->view->nodes[node];
    const struct belief *belief = &beliefs->nodes[node];
    bool was_busy = belief->is_busy && seen->heard_ns - belief->busy_ns > 3 * SIM_SECOND;
    double temp_c = seen->temp_c + (was_busy ? 0 : belief->jump_c), end_c = temp_c, factor = 1;

    if (belief->steady_c > temp_c)
        end_c += (belief->steady_c - temp_c) * (1 - real_exp(-busy_s / belief->tau_s));

    double middle_c = (temp_c + end_c) / 2;
    double price = (middle_c - HEAT_ON_C) / 3, slow = middle_c - THROTTLES_C;

    if (price > 0)
        factor += HEAT_PRICE * (price < 1 ? price : 1);
    if (slow > 0)
        factor += HEAT_SLOW * (slow < 6 ? slow : 6);
    return factor;
}

double beliefs_service_s(const struct beliefs *beliefs, const struct ask *ask, uint32_t node)
{
    const struct view *view = beliefs->view;
    uint32_t pair = view_pair(view, node, ask->model);
    int32_t tokens = ask->prompt_tokens - cached_tokens(&beliefs->nodes[node], ask);
    double service_s =
        tokens / view->prefill_tps[pair] + view->answer_tokens[ask->model] / view->decode_tps[pair];

    return service_s * heat_factor(beliefs, node, service_s);
}
