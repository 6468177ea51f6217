/*
 * The router's core through long random lives: window, fleet and policy together, driven as the
 * shell drives them, against a Redis that is an array. A failure prints seed and step; the same
 * seed replays it exactly, because the core has no clock and no randomness of its own.
 *
 * What must always hold: a request leaves exactly once; a node never has more than its credit; only
 * a node that may work and has the model is chosen; what is held agrees with the counts, the
 * policy's with the fleet's; the end leaves nothing behind. (Shares and starvation:
 * test_window_fair.c.)
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "policy_feed.h"
#include "test.h"
#include "window.h"

#define JOBS     400
#define NODES    6
#define MODELS   4
#define CLIENTS  5
#define NAMES    128
#define CAPACITY 24
#define PARKED   60
#define AGE_MS   20000
#define STEPS    4000

enum place { AT_NOWHERE = 0, AT_ORIGIN, AT_ROUTER, AT_NODE, AT_END };

struct job {
    enum place place;
    struct stream_id id;
    char request_id[16], model[16], client[16], tried[128];
    enum request_priority priority;
    int64_t submitted_ms, deadline_ms, attempt;
    size_t bytes;
    char node[16];
};

static struct {
    unsigned seed, step;
    uint64_t rng;
    int64_t now_ms;
    uint64_t next_id;
    struct job jobs[JOBS];
    size_t n_jobs;
    struct names names;
    struct window window;
    struct fleet fleet;
    struct policy *policy;
    struct policy_feed feed;
    bool beating[NODES];
} sim;

#define MUST(what)                                                                                 \
    do {                                                                                           \
        if (!(what))                                                                               \
            fail_msg("seed %u step %u line %d: %s", sim.seed, sim.step, __LINE__, #what);          \
    } while (0)

/* xorshift64*: small, fast, and the same on every machine. */
static uint32_t below(uint32_t n)
{
    sim.rng ^= sim.rng >> 12;
    sim.rng ^= sim.rng << 25;
    sim.rng ^= sim.rng >> 27;
    return (uint32_t)((sim.rng * UINT64_C(2685821657736338717)) >> 33) % n;
}

/* --- the fleet's side ------------------------------------------------------------------------- */

static void beat(uint32_t node)
{
    static const struct place_rules no_rules = {"", ""};
    char id[16], json[256];
    struct fleet_change change;
    struct err err;

    sim.feed.rules = &no_rules;
    (void)snprintf(id, sizeof id, "pi-%u", node);
    (void)snprintf(json, sizeof json,
                   "{\"last_seen_ms\":%lld,\"available\":%s,\"slots\":%u,\"temp_c\":%u,"
                   "\"installed\":[\"m0\",\"m%u\"],\"models\":[\"m%u\"]}",
                   (long long)sim.now_ms, below(10) ? "true" : "false", 1 + node % 3,
                   40 + below(40), 1 + node % (MODELS - 1), below(MODELS - 1));
    MUST(fleet_health(&sim.fleet, span_str(id), span_str(json),
                      (struct fleet_time){sim.now_ms, sim.now_ms}, &change, &err) == 0);
    MUST(policy_feed_health(&sim.feed, sim.policy, &sim.fleet, change.node, span_str(json),
                            (struct fleet_time){sim.now_ms, sim.now_ms}));
}

/* Back to the origin, with a new entry id and the old time of submission. */
static void requeue(struct job *job, bool failed)
{
    if (failed) {
        size_t len = strlen(job->tried);
        (void)snprintf(job->tried + len, sizeof job->tried - len, "%s%s", len ? "," : "",
                       job->node);
        job->attempt++;
    }
    job->place = AT_ORIGIN;
    job->id = (struct stream_id){(uint64_t)sim.now_ms, sim.next_id++};
}

static void lose(uint32_t node)
{
    for (size_t i = 0; i < sim.n_jobs; i++) {
        if (sim.jobs[i].place == AT_NODE &&
            strcmp(sim.jobs[i].node, fleet_at(&sim.fleet, node)->id) == 0)
            requeue(&sim.jobs[i], true);
    }
    fleet_length(&sim.fleet, node, 0);
    policy_lost(sim.policy, node, sim.now_ms);
}

static void nodes_step(void)
{
    struct fleet_change changes[NODES];

    for (uint32_t i = 0; i < NODES; i++) {
        if (below(40) == 0)
            sim.beating[i] = !sim.beating[i];
        if (sim.beating[i] && below(4) == 0)
            beat(i);
    }
    size_t n = fleet_sweep(&sim.fleet, (struct fleet_time){sim.now_ms, sim.now_ms}, changes, NODES);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].to == NODE_LOST)
            lose(changes[i].node);
    }
}

/* A job on a node ends or fails. */
static void finish_one(void)
{
    struct job *job = &sim.jobs[below((uint32_t)sim.n_jobs)];

    if (job->place != AT_NODE)
        return;
    uint32_t node = fleet_find(&sim.fleet, span_str(job->node));
    const struct policy_report report = {
        .model = names_find(&sim.names, span_str(job->model)), .is_done = true, .run_ms = 1000};
    fleet_left(&sim.fleet, node);
    policy_left(sim.policy, node, &report, sim.now_ms);
    if (below(5) == 0 && job->attempt < 4) {
        fleet_failed(&sim.fleet, node, sim.now_ms);
        requeue(job, true);
    } else {
        fleet_succeeded(&sim.fleet, node);
        job->place = AT_END;
    }
}

/* --- the router's side ------------------------------------------------------------------------ */

static struct job *job_of(struct stream_id id)
{
    for (size_t i = 0; i < sim.n_jobs; i++) {
        if (stream_id_compare(sim.jobs[i].id, id) == 0)
            return &sim.jobs[i];
    }
    return NULL;
}

static void submit(void)
{
    struct job *job = &sim.jobs[sim.n_jobs];

    if (sim.n_jobs == JOBS)
        return;
    sim.n_jobs++;
    *job = (struct job){.place = AT_ORIGIN,
                        .id = {(uint64_t)sim.now_ms, sim.next_id++},
                        .priority = (enum request_priority)below(REQUEST_PRIORITY_COUNT),
                        .submitted_ms = sim.now_ms,
                        .deadline_ms = sim.now_ms + 1000 + below(200000),
                        .attempt = 1,
                        .bytes = below(8) ? below(5000) : below(60000)};
    (void)snprintf(job->request_id, sizeof job->request_id, "r%zu", sim.n_jobs);
    (void)snprintf(job->model, sizeof job->model, "m%u:latest", below(MODELS));
    (void)snprintf(job->client, sizeof job->client, "c%u", below(3) ? 0 : below(CLIENTS));
}

static void accept(struct job *job)
{
    const struct window_entry entry = {.id = job->id,
                                       .request_id = span_str(job->request_id),
                                       .model = span_str(job->model),
                                       .client = span_str(job->client),
                                       .tried = span_str(job->tried),
                                       .priority = job->priority,
                                       .submitted_ms = job->submitted_ms,
                                       .deadline_ms = job->deadline_ms,
                                       .attempt = job->attempt,
                                       .bytes = job->bytes};
    struct window_added added = window_add(&sim.window, &entry, sim.now_ms, sim.now_ms, AGE_MS);

    MUST(added.outcome != WINDOW_KNOWN);
    job->place = added.outcome == WINDOW_FULL ? AT_END : AT_ROUTER; /* queue_full */
    if (added.outcome == WINDOW_ADDED)
        policy_arrived(sim.policy, added.index, sim.now_ms);
}

static void read_some(void)
{
    for (size_t i = 0; i < sim.n_jobs; i++) {
        if (sim.jobs[i].place == AT_ORIGIN && below(4) != 0)
            accept(&sim.jobs[i]);
    }
}

static void end_in_window(uint32_t index)
{
    struct job *job = job_of(window_at(&sim.window, index)->id);

    MUST(job && job->place == AT_ROUTER);
    window_end(&sim.window, index);
    window_remove(&sim.window, index);
    job->place = AT_END;
}

static void end_parked(struct stream_id id)
{
    struct job *job = job_of(id);

    MUST(job && job->place == AT_ROUTER);
    job->place = AT_END;
}

static void cancel_one(void)
{
    const struct job *job = &sim.jobs[below((uint32_t)sim.n_jobs)];
    struct span request_id = span_str(job->request_id);
    uint32_t index = window_find_request(&sim.window, request_id, WINDOW_NONE);
    struct stream_id id;

    if (index != WINDOW_NONE)
        end_in_window(index);
    else if (window_unpark(&sim.window, request_id, &id))
        end_parked(id);
    else
        MUST(job->place != AT_ROUTER);
}

static void expire(void)
{
    uint32_t late[4];
    struct stream_id ids[4];
    size_t n;

    while ((n = window_expired(&sim.window, sim.now_ms, late, 4)) > 0) {
        for (size_t i = 0; i < n; i++)
            end_in_window(late[i]);
    }
    while ((n = window_parked_expired(&sim.window, sim.now_ms, ids, 4)) > 0) {
        for (size_t i = 0; i < n; i++)
            end_parked(ids[i]);
    }
}

static void refill(void)
{
    struct stream_id id;

    while (window_room(&sim.window) > 0 && window_parked_next(&sim.window, &id)) {
        struct job *job = job_of(id);
        MUST(job && job->place == AT_ROUTER);
        accept(job);
        MUST(window_find(&sim.window, id) != WINDOW_NONE); /* there was room */
    }
}

static void move(uint32_t index, uint32_t node)
{
    struct job *job = job_of(window_at(&sim.window, index)->id);

    MUST(job && job->place == AT_ROUTER);
    MUST(node_has_model(fleet_at(&sim.fleet, node), window_at(&sim.window, index)->model));
    window_take(&sim.window, index);
    if (below(12) == 0) { /* another router was faster */
        fleet_full(&sim.fleet, node);
        window_put_back(&sim.window, index);
        policy_refused(sim.policy, index, node, sim.now_ms);
        policy_feed_node(sim.policy, &sim.fleet, node, sim.now_ms);
        return;
    }
    (void)snprintf(job->node, sizeof job->node, "%.15s", fleet_at(&sim.fleet, node)->id);
    job->place = AT_NODE;
    window_remove(&sim.window, index);
    fleet_routed(&sim.fleet, node);
    MUST(fleet_at(&sim.fleet, node)->in_flight <= fleet_credit(&sim.fleet, node));
    MUST(fleet_at(&sim.fleet, node)->state == NODE_UP);
}

static void dispatch(void)
{
    struct policy_decision d;
    uint32_t shown = 0, cursor = 0, i;

    policy_feed_all(sim.policy, &sim.fleet, sim.now_ms);
    while (policy_next(sim.policy, sim.now_ms, &d)) {
        MUST(++shown <= 20 * CAPACITY);
        if (d.act == POLICY_MOVE)
            move(d.request, d.node);
        if (d.act == POLICY_PRELOAD)
            policy_preloaded(sim.policy, d.node, d.model, below(4) != 0, sim.now_ms);
    }
    while ((i = fleet_each(&sim.fleet, &cursor)) != FLEET_NONE)
        MUST(policy_node_view(sim.policy, i).in_flight == fleet_at(&sim.fleet, i)->in_flight);
}

static void check_counts(void)
{
    size_t held = 0, on_node = 0;
    uint32_t in_flight = 0, cursor = 0, i, waiting = 0;

    for (size_t j = 0; j < sim.n_jobs; j++) {
        held += sim.jobs[j].place == AT_ROUTER;
        on_node += sim.jobs[j].place == AT_NODE;
    }
    MUST(held == window_count(&sim.window) + window_parked_count(&sim.window));
    while ((i = fleet_each(&sim.fleet, &cursor)) != FLEET_NONE)
        in_flight += fleet_at(&sim.fleet, i)->in_flight;
    MUST(on_node == in_flight);
    for (int c = REQUEST_HIGH; c < REQUEST_PRIORITY_COUNT; c++)
        waiting += window_class_count(&sim.window, (enum request_priority)c);
    MUST(waiting == window_state_count(&sim.window, WINDOW_WAITING));
    cursor = 0;
    while ((i = window_each(&sim.window, &cursor)) != WINDOW_NONE)
        MUST(window_position(&sim.window, i) < waiting);
}

static void step(void)
{
    sim.now_ms += below(400);
    nodes_step();
    if (below(3) == 0)
        submit();
    read_some();
    expire();
    if (below(50) == 0 && sim.n_jobs > 0)
        cancel_one();
    (void)window_age(&sim.window, sim.now_ms, AGE_MS);
    refill();
    dispatch();
    if (sim.n_jobs > 0)
        finish_one();
    check_counts();
}

static size_t unfinished(void)
{
    size_t n = 0;

    for (size_t i = 0; i < sim.n_jobs; i++)
        n += sim.jobs[i].place != AT_END;
    return n;
}

static void *zeroed(size_t bytes)
{
    void *mem = calloc(1, bytes);

    assert_non_null(mem);
    return mem;
}

static void live(unsigned seed)
{
    const struct window_sizes sizes = {CAPACITY, PARKED};
    const struct fleet_limits limits = {.node_late_ms = 10000,
                                        .node_lost_ms = 15000,
                                        .temp_max_mc = 75000,
                                        .ram_max_pct = 90,
                                        .prefetch = seed % 2};
    void *a = zeroed(names_bytes(NAMES)), *b = zeroed(window_bytes(sizes, NAMES));
    void *c = zeroed(fleet_bytes(NODES, NAMES)), *d;
    struct policy_settings settings;

    memset(&sim, 0, sizeof sim);
    sim.seed = seed;
    sim.rng = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    sim.now_ms = 1000000;
    names_init(&sim.names, a, NAMES);
    window_init(&sim.window, b, sizes, &sim.names, seed);
    fleet_init(&sim.fleet, c, NODES, &sim.names);
    fleet_limits_set(&sim.fleet, &limits);
    policy_settings_default(&settings);
    settings.kind = (enum policy_kind)(seed % POLICY_KIND_COUNT);
    d = zeroed(policy_bytes((struct policy_sizes){NODES, NODES * MODELS, CAPACITY}, &sim.window));
    sim.policy = policy_init(d, (struct policy_sizes){NODES, NODES * MODELS, CAPACITY}, &sim.window,
                             &settings, seed, sim.now_ms);
    for (; sim.step < STEPS; sim.step++)
        step();
    for (; unfinished() > 0; sim.step++) {
        MUST(sim.step < 20 * STEPS); /* each has a deadline, so each ends */
        step();
    }
    MUST(window_count(&sim.window) == 0 && window_parked_count(&sim.window) == 0);
    MUST(sim.window.client_pool.n == 0 && sim.window.flow_pool.n == 0);
    MUST(sim.window.lane_pool.n == 0 && sim.window.side_pool.n == 0);
    MUST(sim.names.pool.n == sim.fleet.models_n);
    free(d);
    free(c);
    free(b);
    free(a);
}

static void test_random_lives_break_no_invariant(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 15; seed++)
        live(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_lives_break_no_invariant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
