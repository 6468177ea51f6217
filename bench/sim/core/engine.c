#include "engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "sim_time.h"

#define ANSWER_PRIOR  120.0 /* tokens, before an answer has been seen */
#define ANSWER_WEIGHT 0.02  /* of a new answer */
#define OS_RAM_GB     1.0   /* in use without a model; */
#define OTHER_RAM_GB  1.5   /* and what a board has besides ram_gb */

static void note(struct engine *engine, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t words[] = {a, b, c};

    engine->hash = span_hash_add(engine->hash, (struct span){(const char *)words, sizeof words});
}

/* --- a node's work ---------------------------------------------------------------------------- */

static void queue_add(struct engine *engine, struct sim_node *node, uint32_t id)
{
    engine->requests[id].next = VIEW_NONE;
    if (node->queued++ == 0)
        node->first = id;
    else
        engine->requests[node->last].next = id;
    node->last = id;
}

/* Takes the request out that runs next: the first, or with discipline `ollama` the first of the
 * model in memory. */
static uint32_t queue_take(struct engine *engine, struct sim_node *node)
{
    uint32_t id = node->first, before = VIEW_NONE;

    if (engine->discipline == DISCIPLINE_OLLAMA) {
        uint32_t previous = VIEW_NONE;
        for (uint32_t i = node->first; i != VIEW_NONE; i = engine->requests[i].next) {
            if (engine->asks[i].model == node->resident) {
                id = i;
                before = previous;
                break;
            }
            previous = i;
        }
    }
    uint32_t next = engine->requests[id].next;
    if (before == VIEW_NONE)
        node->first = next;
    else
        engine->requests[before].next = next;
    if (node->last == id)
        node->last = before;
    node->queued--;
    return id;
}

static void push_done(struct engine *engine, uint32_t index)
{
    struct sim_node *node = &engine->nodes[index];
    double left_ns = node->work_ns / node->rate;

    node->version++;
    heap_push(&engine->heap, engine->view.now_ns + (int64_t)llround(left_ns), EVENT_DONE, index,
              node->version);
}

static void answer(struct engine *engine, uint32_t index)
{
    struct sim_node *node = &engine->nodes[index];
    struct request *request = &engine->requests[node->current];
    const struct ask *ask = &engine->asks[node->current];
    const struct scenario_model *model = &engine->scenario->models[ask->model];
    int32_t cached = node_cached(node, ask->model, ask->session, ask->app, ask->prompt_tokens,
                                 ask->system_tokens);
    double prefill_s = (ask->prompt_tokens - cached) / (model->prefill_tps * node->machine->speed);
    double decode_s = request->answer / (model->decode_tps * node->machine->speed);

    request->cached = cached;
    node_phase_set(node, PHASE_ANSWERING);
    node->work_ns = (prefill_s + decode_s) * 1e9;
    node->since_ns = engine->view.now_ns;
    request->began_ns = engine->view.now_ns;
    request->prefill_ns = sim_ns(prefill_s / node->rate);
    request->first_ns = engine->view.now_ns + request->prefill_ns;
    push_done(engine, index);
}

static void load(struct engine *engine, uint32_t index, uint32_t model, enum node_phase phase)
{
    struct sim_node *node = &engine->nodes[index];
    int64_t load_ns = sim_ns(node_load_s(node, engine->scenario, model));

    node_begin_load(node, engine->scenario, model);
    node_phase_set(node, phase);
    node->version++;
    heap_push(&engine->heap, engine->view.now_ns + load_ns,
              phase == PHASE_LOADING ? EVENT_LOADED : EVENT_PRELOADED, index, node->version);
    if (phase == PHASE_LOADING)
        engine->requests[node->current].load_ns = load_ns;
}

static void begin_next(struct engine *engine, uint32_t index)
{
    struct sim_node *node = &engine->nodes[index];

    if (!node->is_alive || node->phase != PHASE_IDLE || node->queued == 0)
        return;
    node->current = queue_take(engine, node);

    uint32_t model = engine->asks[node->current].model;

    if (model == node->resident) {
        answer(engine, index);
        return;
    }
    engine->requests[node->current].was_cold = true;
    node->loads++;
    load(engine, index, model, PHASE_LOADING);
}

/* --- what a policy does ----------------------------------------------------------------------- */

void view_send(const struct view *view, uint32_t id, uint32_t index)
{
    struct engine *engine = view->engine;

    assert(id < engine->n_requests && index < view->n_nodes);
    struct request *request = &engine->requests[id];
    struct sim_node *node = &engine->nodes[index];

    assert(request->node == VIEW_NONE && request->done_ns < 0);
    request->node = index;
    request->sent_ns = view->now_ns;
    engine->seen[index].in_flight++;
    engine->decisions++;
    note(engine, id, index, (uint64_t)view->now_ns);
    if (!node->is_alive)
        return;
    queue_add(engine, node, id);
    begin_next(engine, index);
}

bool view_preload(const struct view *view, uint32_t index, uint32_t model)
{
    struct engine *engine = view->engine;

    assert(index < view->n_nodes && model < view->n_models);
    struct sim_node *node = &engine->nodes[index];

    if (!node->is_alive)
        return true;
    if (node->phase != PHASE_IDLE || node->queued > 0 || node->resident == model)
        return false;
    node->preloads++;
    engine->decisions++;
    note(engine, ~UINT64_C(0) - model, index, (uint64_t)view->now_ns);
    load(engine, index, model, PHASE_PRELOADING);
    return true;
}

void view_fail(const struct view *view, const char *what)
{
    (void)fprintf(stderr, "orion-sim: policy %s, after %.3f s: %s\n", view->engine->kind->name,
                  sim_s(view->now_ns), what);
    exit(3);
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_arrival(struct engine *engine, uint32_t session_index, uint32_t turn)
{
    const struct session *session = &engine->workload->sessions[session_index];
    const struct turn *turns = &engine->workload->turns[session->turn];
    int32_t system = engine->scenario->system_tokens, history = 0;
    uint32_t id = engine->n_requests;

    if (engine->view.now_ns > engine->end_ns)
        return;
    for (uint32_t i = 0; i < turn; i++)
        history += turns[i].prompt + turns[i].answer;
    if (system + history + turns[turn].prompt > engine->scenario->context_max)
        return;
    engine->asks = grow(engine->asks, &engine->cap_asks, id + 1u, sizeof *engine->asks);
    engine->requests =
        grow(engine->requests, &engine->cap_requests, id + 1u, sizeof *engine->requests);
    engine->view.asks = engine->asks;
    engine->n_requests++;
    engine->asks[id] = (struct ask){
        .id = id,
        .session = session_index,
        .turn = turn,
        .model = session->model,
        .app = session->app,
        .prompt_tokens = system + history + turns[turn].prompt,
        .system_tokens = system,
        .arrived_ns = engine->view.now_ns,
    };
    engine->requests[id] = (struct request){
        .answer = turns[turn].answer,
        .history = turn > 0 ? system + history : 0,
        .node = VIEW_NONE,
        .next = VIEW_NONE,
        .sent_ns = -1,
        .began_ns = -1,
        .first_ns = -1,
        .done_ns = -1,
        .is_measured = engine->view.now_ns >= sim_ns(engine->scenario->warmup_s),
    };
    engine->kind->arrived(engine->policy, id);
}

static void on_done(struct engine *engine, uint32_t index)
{
    struct sim_node *node = &engine->nodes[index];
    uint32_t id = node->current;
    struct request *request = &engine->requests[id];
    const struct ask *ask = &engine->asks[id];
    const struct session *session = &engine->workload->sessions[ask->session];
    struct told told = {
        .ask = id,
        .node = index,
        .sent_ns = request->sent_ns,
        .done_ns = engine->view.now_ns,
        .load_ns = request->load_ns,
        .prefill_ns = request->prefill_ns,
        .decode_ns = engine->view.now_ns - request->first_ns,
        .answer_tokens = request->answer,
        .was_cold = request->was_cold,
    };

    request->done_ns = engine->view.now_ns;
    node->current = NODE_MODEL_NONE;
    node_phase_set(node, PHASE_IDLE);
    node_warm(node, ask->session, ask->app, ask->prompt_tokens + request->answer);
    engine->seen[index].in_flight--;
    engine->answer_tokens[ask->model] +=
        ANSWER_WEIGHT * (request->answer - engine->answer_tokens[ask->model]);
    note(engine, id, index, (uint64_t)engine->view.now_ns);
    if (ask->turn + 1 < session->n_turns) {
        int64_t think_ns = engine->workload->turns[session->turn + ask->turn].think_ns;
        heap_push(&engine->heap, engine->view.now_ns + think_ns, EVENT_ARRIVAL, ask->session,
                  ask->turn + 1);
    }
    begin_next(engine, index);
    if (engine->kind->done)
        engine->kind->done(engine->policy, &told);
}

static void report_health(struct engine *engine, uint32_t index)
{
    const struct sim_node *node = &engine->nodes[index];
    struct view_node *seen = &engine->seen[index];
    double used_gb = OS_RAM_GB;

    if (node->resident != NODE_MODEL_NONE)
        used_gb += engine->scenario->models[node->resident].size_gb * 1.15 + 0.25;
    seen->temp_c = node->temp_c;
    seen->ram_pct = 100 * used_gb / (node->machine->ram_gb + OTHER_RAM_GB);
    seen->resident = node->resident;
    seen->running = node->queued + (node->current != NODE_MODEL_NONE ? 1 : 0);
    seen->heard_ns = engine->view.now_ns;
    if (engine->kind->heard)
        engine->kind->heard(engine->policy, index);
}

static void on_tick(struct engine *engine)
{
    int64_t now_ns = engine->view.now_ns;
    uint32_t phase = (uint32_t)(now_ns / SIM_SECOND % (int64_t)engine->scenario->health_s);

    for (uint32_t i = 0; i < engine->view.n_nodes; i++) {
        if (node_heat(&engine->nodes[i], now_ns))
            push_done(engine, i);
    }
    for (uint32_t i = 0; i < engine->view.n_nodes; i++) {
        if (engine->nodes[i].machine->health_phase == phase && engine->nodes[i].is_alive)
            report_health(engine, i);
    }
    if (engine->kind->tick)
        engine->kind->tick(engine->policy);
    if (now_ns + SIM_SECOND <= engine->stop_ns)
        heap_push(&engine->heap, now_ns + SIM_SECOND, EVENT_TICK, 0, 0);
}

static void on_preloaded(struct engine *engine, uint32_t index)
{
    struct sim_node *node = &engine->nodes[index];

    node->resident = node->loading;
    node->loading = NODE_MODEL_NONE;
    node_phase_set(node, PHASE_IDLE);
    begin_next(engine, index);
    if (engine->kind->preloaded)
        engine->kind->preloaded(engine->policy, index, node->resident);
}

/* The node is missed: what was there goes back to the policy, in order of arrival. */
static void on_noticed(struct engine *engine, uint32_t index)
{
    uint32_t n = engine->n_requests;

    engine->seen[index].is_up = false;
    engine->seen[index].in_flight = 0;
    if (engine->kind->lost)
        engine->kind->lost(engine->policy, index);
    for (uint32_t id = 0; id < n; id++) {
        struct request *request = &engine->requests[id];
        if (request->node != index || request->done_ns >= 0)
            continue;
        request->node = VIEW_NONE;
        request->sent_ns = request->began_ns = request->first_ns = -1;
        request->load_ns = request->prefill_ns = 0;
        engine->asks[id].losses++;
        engine->kind->arrived(engine->policy, id);
    }
}

static void on_revival(struct engine *engine, uint32_t index)
{
    engine->nodes[index].is_alive = true;
    engine->nodes[index].version++;
    engine->seen[index].is_up = true;
    engine->seen[index].resident = VIEW_NONE;
    engine->seen[index].running = 0;
    if (engine->kind->back)
        engine->kind->back(engine->policy, index);
}

static void on_node_event(struct engine *engine, const struct event *event)
{
    struct sim_node *node = &engine->nodes[event->a];

    if (node->version != event->b)
        return;
    if (event->kind == EVENT_DONE) {
        on_done(engine, event->a);
    } else if (event->kind == EVENT_PRELOADED) {
        on_preloaded(engine, event->a);
    } else {
        node->resident = node->loading;
        node->loading = NODE_MODEL_NONE;
        answer(engine, event->a);
    }
}

static void handle(struct engine *engine, const struct event *event)
{
    switch (event->kind) {
    case EVENT_ARRIVAL:
        on_arrival(engine, event->a, event->b);
        break;
    case EVENT_TICK:
        on_tick(engine);
        break;
    case EVENT_LOADED:
    case EVENT_DONE:
    case EVENT_PRELOADED:
        on_node_event(engine, event);
        break;
    case EVENT_DEATH:
        node_die(&engine->nodes[event->a]);
        heap_push(&engine->heap, event->at_ns + sim_ns(engine->scenario->notice_s), EVENT_NOTICED,
                  event->a, 0);
        break;
    case EVENT_NOTICED:
        on_noticed(engine, event->a);
        break;
    case EVENT_REVIVAL:
        on_revival(engine, event->a);
        break;
    case EVENT_KIND_COUNT:
        break;
    }
}

/* --- a run ------------------------------------------------------------------------------------ */

static void make_nodes(struct engine *engine)
{
    const struct workload *workload = engine->workload;

    engine->nodes = grow_new(workload->n_nodes, sizeof *engine->nodes);
    engine->seen = grow_new(workload->n_nodes, sizeof *engine->seen);
    for (uint32_t i = 0; i < workload->n_nodes; i++) {
        const struct machine *machine = &workload->machines[i];
        node_init(&engine->nodes[i], engine->scenario, machine, workload->n_models);
        engine->seen[i] = (struct view_node){
            .board = machine->board,
            .nominal_speed = machine->nominal_speed,
            .ram_gb = machine->ram_gb,
            .kv = machine->kv,
            .is_up = true,
            .temp_c = engine->nodes[i].temp_c,
            .ram_pct = 10,
            .resident = VIEW_NONE,
        };
    }
}

static void make_view(struct engine *engine)
{
    const struct workload *workload = engine->workload;

    engine->answer_tokens = grow_new(workload->n_models, sizeof(double));
    engine->size_gb = grow_new(workload->n_models, sizeof(double));
    for (uint32_t m = 0; m < workload->n_models; m++) {
        engine->answer_tokens[m] = ANSWER_PRIOR;
        engine->size_gb[m] = engine->scenario->models[m].size_gb;
    }
    engine->view = (struct view){
        .n_nodes = workload->n_nodes,
        .n_models = workload->n_models,
        .nodes = engine->seen,
        .size_gb = engine->size_gb,
        .prefill_tps = workload->prefill_tps,
        .decode_tps = workload->decode_tps,
        .load_s = workload->load_s,
        .fits = workload->fits,
        .answer_tokens = engine->answer_tokens,
        .mean_service_s = workload->mean_service_s,
        .engine = engine,
    };
}

void engine_init(struct engine *engine, const struct scenario *scenario,
                 const struct workload *workload, const struct sim_policy *kind,
                 enum discipline discipline, uint64_t seed, const char *options)
{
    *engine = (struct engine){
        .scenario = scenario,
        .workload = workload,
        .kind = kind,
        .discipline = discipline,
        .end_ns = sim_ns(scenario->duration_s) + (scenario->has_trace ? SIM_SECOND : 0),
        .hash = SPAN_HASH_START,
    };
    engine->stop_ns = engine->end_ns + sim_ns(scenario->drain_s);
    make_nodes(engine);
    make_view(engine);
    for (size_t i = 0; i < workload->n_sessions; i++)
        heap_push(&engine->heap, workload->sessions[i].start_ns, EVENT_ARRIVAL, (uint32_t)i, 0);
    for (size_t i = 0; i < workload->n_deaths; i++) {
        heap_push(&engine->heap, workload->deaths[i].at_ns, EVENT_DEATH, workload->deaths[i].node,
                  0);
        heap_push(&engine->heap, workload->deaths[i].until_ns, EVENT_REVIVAL,
                  workload->deaths[i].node, 0);
    }
    engine->policy = kind->make(&engine->view, seed, kind, options);
    heap_push(&engine->heap, SIM_SECOND, EVENT_TICK, 0, 0);
}

void engine_run(struct engine *engine, void (*progress)(void *arg, double share), void *arg)
{
    struct event event;
    uint64_t n = 0;

    while (heap_pop(&engine->heap, &event) && event.at_ns <= engine->stop_ns) {
        engine->view.now_ns = event.at_ns;
        handle(engine, &event);
        if (progress && (n++ & 1023) == 0)
            progress(arg, (double)event.at_ns / (double)engine->stop_ns);
    }
}

void engine_free(struct engine *engine)
{
    engine->kind->free(engine->policy);
    for (uint32_t i = 0; i < engine->view.n_nodes; i++)
        node_free(&engine->nodes[i]);
    free(engine->nodes);
    free(engine->seen);
    free(engine->answer_tokens);
    free(engine->size_gb);
    free(engine->asks);
    free(engine->requests);
    heap_free(&engine->heap);
    *engine = (struct engine){0};
}
