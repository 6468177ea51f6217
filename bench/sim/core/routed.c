#include "routed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "names.h"
#include "policy.h"
#include "rng.h"
#include "routed_options.h"
#include "sim_time.h"
#include "tap.h"
#include "window.h"

#define DECISIONS_MAX    100000 /* at one moment; more is a policy that goes round in circles */
#define WINDOW_CAPACITY  32768
#define SESSIONS_MAX     65536
#define CREDIT_UNLIMITED 1000000
#define DEADLINE_MS      INT64_C(86400000)
#define ANSWERS_BEHIND   100   /* the beliefs count as measured */
#define RAM_SYSTEM_BYTES 1.5e9 /* what a board has besides view_node.ram_gb */

/* One router. */
struct router {
    struct names names;
    struct window window;
    struct policy *policy;
    void *names_mem, *window_mem, *policy_mem;
};

struct routed {
    const struct view *view;
    struct routed_options options;
    struct rng rng;
    uint64_t seed; /* of the names of nodes, too: hashing has luck of its own */
    struct router routers[ROUTED_ROUTERS_MAX];
    uint32_t n_routers;
    uint32_t credit;
    char (*model_names)[32];
    uint32_t *models;                   /* index in the names tables, by model; the same in all */
    uint32_t *model_of_name;            /* the other way round */
    struct policy_installed *installed; /* of one node */
    uint32_t *answers, *loads;          /* by pair: so many were seen */
    FILE *record;                       /* or NULL */
    struct tap tap;
};

static int64_t now_ms(const struct routed *routed)
{
    return routed->view->now_ns / 1000000;
}

static uint64_t session_key(uint32_t session)
{
    return rng_mix(session + UINT64_C(0x100000000));
}

/* --- health ----------------------------------------------------------------------------------- */

static uint32_t fill_installed(struct routed *routed, uint32_t node)
{
    const struct view *view = routed->view;
    uint32_t n = 0;

    for (uint32_t m = 0; m < view->n_models; m++) {
        uint32_t pair = view_pair(view, node, m);
        if (!view->fits[pair])
            continue;
        bool knows = !routed->options.learn || routed->answers[pair] > 0;
        bool knows_load = !routed->options.learn || routed->loads[pair] > 0;
        routed->installed[n++] = (struct policy_installed){
            .model = routed->models[m],
            .is_resident = view->nodes[node].resident == m,
            .bytes = (int64_t)(view->size_gb[m] * 1e9),
            .n = routed->options.learn ? routed->answers[pair] : ANSWERS_BEHIND,
            .prompt_tps_milli = knows ? (int64_t)(view->prefill_tps[pair] * 1000) : 0,
            .gen_tps_milli = knows ? (int64_t)(view->decode_tps[pair] * 1000) : 0,
            .load_ms = knows_load ? (int64_t)(view->load_s[pair] * 1000) : 0,
            .tokens_out_milli = knows ? (int64_t)(view->answer_tokens[m] * 1000) : 0,
        };
    }
    return n;
}

static void tell_heard(struct routed *routed, uint32_t node)
{
    const struct view_node *seen = &routed->view->nodes[node];
    uint32_t n = fill_installed(routed, node);
    const struct policy_heard heard = {
        .id_hash = rng_mix(routed->seed ^ rng_mix(node)),
        .measured_ms = seen->heard_ns / 1000000,
        .temp_mc = (int32_t)(seen->temp_c * 1000),
        .ram_permille = (int32_t)(seen->ram_pct * 10),
        .throttled = HEALTH_UNKNOWN,
        .under_voltage = HEALTH_UNKNOWN,
        .freq_capped = HEALTH_UNKNOWN,
        .ram_bytes = (int64_t)(seen->ram_gb * 1e9 + RAM_SYSTEM_BYTES),
        .board = seen->nominal_speed < 0.6 ? POLICY_BOARD_PI4 : POLICY_BOARD_PI5,
        .slots = 1,
        .credit = routed->credit,
        .sessions_max = seen->kv,
        .loading = POLICY_NONE,
        .installed = routed->installed,
        .installed_n = n,
    };

    for (uint32_t r = 0; r < routed->n_routers; r++)
        (void)policy_heard(routed->routers[r].policy, node, &heard, now_ms(routed));
}

static void tell_verdict(struct routed *routed, uint32_t node, enum policy_verdict verdict)
{
    for (uint32_t r = 0; r < routed->n_routers; r++)
        policy_verdict(routed->routers[r].policy, node, verdict, false, now_ms(routed));
}

/* --- decisions -------------------------------------------------------------------------------- */

static const char *node_word(uint32_t node, void *arg)
{
    static char text[16];

    (void)arg;
    (void)snprintf(text, sizeof text, "pi-%u", node);
    return text;
}

static const char *model_word(uint32_t model, void *arg)
{
    const struct routed *routed = arg;

    return routed->model_names[routed->model_of_name[model]];
}

static void print_why(struct routed *routed, const struct router *router,
                      const struct policy_decision *decision)
{
    static const char *const acts[] = {"nothing", "move", "keep", "preload"};
    const struct policy_words words = {node_word, model_word, routed};
    char why[POLICY_WHY_MAX + 1];

    policy_why(router->policy, decision, &words, why, sizeof why);
    (void)fprintf(stderr, "%12.3f router %td %s: %s\n", sim_s(routed->view->now_ns),
                  router - routed->routers, acts[decision->act], why);
}

/* Another router hears of the move by P:events. */
static void tell_others(struct routed *routed, const struct router *router, uint32_t node,
                        uint32_t model, uint64_t session)
{
    for (uint32_t r = 0; r < routed->n_routers; r++) {
        if (&routed->routers[r] != router)
            policy_elsewhere(routed->routers[r].policy, node, model, session, now_ms(routed));
    }
}

static void move(struct routed *routed, struct router *router,
                 const struct policy_decision *decision)
{
    const struct window_request *request = window_at(&router->window, decision->request);
    uint32_t ask = (uint32_t)(request->id.ms - 1);
    uint64_t session = request->session_hash;

    window_take(&router->window, decision->request);
    if (routed->view->nodes[decision->node].in_flight >= routed->credit) {
        window_put_back(&router->window, decision->request);
        policy_load(router->policy, decision->node, routed->credit, true, now_ms(routed));
        policy_refused(router->policy, decision->request, decision->node, now_ms(routed));
        return;
    }
    window_remove(&router->window, decision->request);
    tell_others(routed, router, decision->node, decision->model, session);
    view_send(routed->view, ask, decision->node);
}

static void preload(struct routed *routed, struct router *router,
                    const struct policy_decision *decision)
{
    uint32_t model = routed->model_of_name[decision->model];

    for (uint32_t r = 0; r < routed->n_routers; r++) {
        if (&routed->routers[r] != router)
            policy_preload_elsewhere(routed->routers[r].policy, decision->node, decision->model,
                                     now_ms(routed));
    }
    if (view_preload(routed->view, decision->node, model))
        return;
    for (uint32_t r = 0; r < routed->n_routers; r++)
        policy_preloaded(routed->routers[r].policy, decision->node, decision->model, false,
                         now_ms(routed));
}

static bool act(struct routed *routed, struct router *router)
{
    struct policy_decision decision;

    if (!policy_next(router->policy, now_ms(routed), &decision))
        return false;
    if (routed->options.why)
        print_why(routed, router, &decision);
    switch (decision.act) {
    case POLICY_MOVE:
        move(routed, router, &decision);
        break;
    case POLICY_PRELOAD:
        preload(routed, router, &decision);
        break;
    case POLICY_KEEP:
    case POLICY_NOTHING:
        break;
    }
    return true;
}

/* All that the routers decide now; which of them acts first is chance. */
static void pump(struct routed *routed)
{
    uint32_t first = routed->n_routers > 1 ? rng_below(&routed->rng, routed->n_routers) : 0;
    uint32_t decisions = 0;

    for (uint32_t idle = 0, i = first; idle < routed->n_routers; i++) {
        struct router *router = &routed->routers[i % routed->n_routers];
        idle++;
        while (act(routed, router)) {
            idle = 1;
            if (++decisions > DECISIONS_MAX)
                view_fail(routed->view, "it decides without end");
        }
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void arrived(void *policy, uint32_t id)
{
    struct routed *routed = policy;
    const struct ask *ask = &routed->view->asks[id];
    struct router *router =
        &routed->routers[routed->n_routers > 1 ? rng_below(&routed->rng, routed->n_routers) : 0];
    char request_id[32];
    const struct window_entry entry = {
        .id = {.ms = id + UINT64_C(1), .seq = ask->losses},
        .request_id = {request_id, (size_t)snprintf(request_id, sizeof request_id, "r%u", id)},
        .model = span_str(routed->model_names[ask->model]),
        .session_hash = session_key(ask->session),
        .prefix_hash = rng_mix(((uint64_t)ask->app << 32 | ask->model) + UINT64_C(0x3) * INT32_MAX),
        .prompt_tokens = (uint32_t)ask->prompt_tokens,
        .prefix_tokens = (uint32_t)ask->system_tokens,
        .priority = REQUEST_NORMAL,
        .submitted_ms = ask->arrived_ns / 1000000,
        .deadline_ms = now_ms(routed) + DEADLINE_MS,
        .attempt = ask->losses + 1,
        .bytes = 1,
        .came_back = ask->losses > 0,
    };
    struct window_added added =
        window_add(&router->window, &entry, now_ms(routed), now_ms(routed), 0);

    if (added.outcome != WINDOW_ADDED)
        view_fail(routed->view, "the window is full");
    for (uint32_t r = 0; r < routed->n_routers; r++) {
        if (&routed->routers[r] != router)
            policy_demand(routed->routers[r].policy, routed->models[ask->model], now_ms(routed));
    }
    policy_arrived(router->policy, added.index, now_ms(routed));
    pump(routed);
}

static void done(void *policy, const struct told *told)
{
    struct routed *routed = policy;
    const struct ask *ask = &routed->view->asks[told->ask];
    const struct policy_report report = {
        .model = routed->models[ask->model],
        .is_done = true,
        .was_cold = told->was_cold,
        .run_ms = (told->done_ns - told->sent_ns) / 1000000,
        .session = session_key(ask->session),
        .prompt_tokens = ask->prompt_tokens,
        .output_tokens = told->answer_tokens,
    };

    routed->answers[view_pair(routed->view, told->node, ask->model)]++;
    if (told->was_cold)
        routed->loads[view_pair(routed->view, told->node, ask->model)]++;
    for (uint32_t r = 0; r < routed->n_routers; r++)
        policy_left(routed->routers[r].policy, told->node, &report, now_ms(routed));
    pump(routed);
}

static void heard(void *policy, uint32_t node)
{
    tell_heard(policy, node);
}

static void tick(void *policy)
{
    pump(policy);
}

static void lost(void *policy, uint32_t node)
{
    struct routed *routed = policy;

    tell_verdict(routed, node, POLICY_LOST);
    for (uint32_t r = 0; r < routed->n_routers; r++)
        policy_lost(routed->routers[r].policy, node, now_ms(routed));
}

static void back(void *policy, uint32_t node)
{
    struct routed *routed = policy;

    tell_heard(routed, node);
    tell_verdict(routed, node, POLICY_MAY_WORK);
    pump(routed);
}

static void preloaded(void *policy, uint32_t node, uint32_t model)
{
    struct routed *routed = policy;

    for (uint32_t r = 0; r < routed->n_routers; r++)
        policy_preloaded(routed->routers[r].policy, node, routed->models[model], true,
                         now_ms(routed));
    pump(routed);
}

static double rests(const void *policy)
{
    const struct routed *routed = policy;
    double sum = 0;

    for (uint32_t i = 0; i < routed->view->n_nodes; i++)
        sum += policy_node_view(routed->routers[0].policy, i).rests;
    return sum / routed->view->n_nodes;
}

/* --- from begin to end ------------------------------------------------------------------------ */

static void make_router(struct routed *routed, struct router *router, uint64_t seed)
{
    const struct view *view = routed->view;
    const struct window_sizes window_sizes = {.capacity = WINDOW_CAPACITY};
    const struct policy_sizes sizes = {
        .nodes = view->n_nodes,
        .pairs = view->n_nodes * view->n_models,
        .sessions = SESSIONS_MAX,
    };
    uint32_t capacity = WINDOW_CAPACITY + view->n_models;

    router->names_mem = grow_new(1, names_bytes(capacity));
    names_init(&router->names, router->names_mem, capacity);
    for (uint32_t m = 0; m < view->n_models; m++) {
        routed->models[m] = names_hold(&router->names, span_str(routed->model_names[m]));
        assert(routed->models[m] < view->n_models);
        routed->model_of_name[routed->models[m]] = m;
    }
    router->window_mem = grow_new(1, window_bytes(window_sizes, capacity));
    window_init(&router->window, router->window_mem, window_sizes, &router->names, seed);
    router->policy_mem = grow_new(1, policy_bytes(sizes, &router->window));
    router->policy =
        policy_init(router->policy_mem, sizes, &router->window, &routed->options.settings, seed, 0);
    policy_clock(router->policy, 0);
}

static void on_line(const char *line, size_t len, void *arg)
{
    struct routed *routed = arg;

    if (fwrite(line, 1, len, routed->record) != len || fputc('\n', routed->record) == EOF)
        view_fail(routed->view, "the record cannot be written");
}

static void begin_record(struct routed *routed)
{
    if (!routed->options.record[0])
        return;
    routed->record = fopen(routed->options.record, "wxe");
    if (!routed->record)
        view_fail(routed->view, "the record cannot be made, or is there already");
    routed->tap = (struct tap){on_line, routed};
    policy_tap(routed->routers[0].policy, &routed->tap);
}

static void *make(const struct view *view, uint64_t seed, const struct sim_policy *kind,
                  const char *options)
{
    struct routed *routed = grow_new(1, sizeof *routed);
    const char *wrong = NULL;

    if (!routed_options_read(options, &routed->options, &wrong))
        view_fail(view, "an option is wrong");
    routed->view = view;
    routed->rng = rng_make(seed, RNG_ROUTERS, 0);
    routed->seed = rng_mix(seed);
    routed->n_routers = (uint32_t)routed->options.routers;
    routed->options.settings.kind = (enum policy_kind)kind->variant;
    routed->credit = kind->is_late_binding ? 1 : CREDIT_UNLIMITED;
    if (routed->options.credit > 0)
        routed->credit = (uint32_t)routed->options.credit;
    routed->models = grow_new(view->n_models, sizeof *routed->models);
    routed->model_of_name = grow_new(view->n_models, sizeof *routed->model_of_name);
    routed->installed = grow_new(view->n_models, sizeof *routed->installed);
    routed->answers = grow_new((size_t)view->n_nodes * view->n_models, sizeof(uint32_t));
    routed->loads = grow_new((size_t)view->n_nodes * view->n_models, sizeof(uint32_t));
    routed->model_names = grow_new(view->n_models, sizeof *routed->model_names);
    for (uint32_t m = 0; m < view->n_models; m++)
        (void)snprintf(routed->model_names[m], sizeof routed->model_names[m], "model-%u:latest", m);
    for (uint32_t r = 0; r < routed->n_routers; r++)
        make_router(routed, &routed->routers[r], rng_mix(seed) + r);
    begin_record(routed);
    for (uint32_t i = 0; i < view->n_nodes; i++) {
        tell_heard(routed, i);
        tell_verdict(routed, i, POLICY_MAY_WORK);
    }
    return routed;
}

static void destroy(void *policy)
{
    struct routed *routed = policy;

    if (routed->record)
        (void)fclose(routed->record);

    for (uint32_t r = 0; r < routed->n_routers; r++) {
        free(routed->routers[r].names_mem);
        free(routed->routers[r].window_mem);
        free(routed->routers[r].policy_mem);
    }
    free(routed->models);
    free(routed->model_of_name);
    free(routed->installed);
    free(routed->answers);
    free(routed->loads);
    free(routed->model_names);
    free(routed);
}

#define ROUTED(kind_name, kind_summary, kind_variant, is_late)                                     \
    {                                                                                              \
        .name = kind_name, .summary = kind_summary, .is_late_binding = is_late, .make = make,      \
        .free = destroy, .arrived = arrived, .done = done, .heard = heard, .tick = tick,           \
        .lost = lost, .back = back, .preloaded = preloaded, .rests = rests,                        \
        .variant = (int)(kind_variant)                                                             \
    }

const struct sim_policy routed_late =
    ROUTED("late", "the router's policy (policy = late)", POLICY_LATE, true);
const struct sim_policy routed_chwbl = ROUTED(
    "chwbl", "consistent hashing of the model with bounded loads (router)", POLICY_CHWBL, false);
const struct sim_policy routed_chwbl_prefix = ROUTED(
    "chwbl-prefix", "the same of model and conversation (router)", POLICY_CHWBL_PREFIX, false);
const struct sim_policy routed_least_conn = ROUTED(
    "least-conn", "fewest in flight (router: least_in_flight)", POLICY_LEAST_IN_FLIGHT, false);
const struct sim_policy routed_first_resident =
    ROUTED("first-resident", "the first node that has the model, else least memory (router)",
           POLICY_FIRST_RESIDENT, false);
