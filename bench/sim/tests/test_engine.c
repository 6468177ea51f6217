/* The engine: by-hand cases with known times, each policy on a small fleet, and that a run is a
 * function of its seed. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "baselines.h"
#include "engine.h"
#include "real.h"
#include "result.h"
#include "rng.h"
#include "test.h"

static struct scenario scenario;

/* 1 GB from 100 MB/s: 10 s and 0.8; 10 tokens of prompt and 1 of answer a second at speed 1. */
#define MACHINES                                                                                   \
    "model a size_gb=1 prefill_tps=10 decode_tps=1\n"                                              \
    "model b size_gb=1 prefill_tps=10 decode_tps=1\n"                                              \
    "board b speed=1 disk_mb_s=100 ram_gb=6 kv=2 min_clock=0.5\n"                                  \
    "kit cool idle_c=10 fast_c=5 slow_c=5 tau_s=100\n"                                             \
    "kit hot idle_c=20 fast_c=20 slow_c=40 tau_s=50\n"                                             \
    "use models=2\nload 0.5\nduration_s 1000\nwarmup_s 0\ncontext system=0\n"

static void parse(const char *text)
{
    struct err err;

    if (scenario_parse(span_str(text), "f", NULL, &scenario, &err) < 0)
        fail_msg("%s", err.msg);
}

/* A run of `policy` over a workload written by hand. */
static void run(struct engine *engine, struct workload *workload, const char *record,
                const char *policy)
{
    struct err err;

    if (workload_parse(span_str(record), "w", &scenario, 1, workload, &err) < 0)
        fail_msg("%s", err.msg);
    engine_init(engine, &scenario, workload, policy_find(policy), DISCIPLINE_OLLAMA, 1, NULL);
    engine_run(engine, NULL, NULL);
}

static void end(struct engine *engine, struct workload *workload)
{
    engine_free(engine);
    workload_free(workload);
}

static double done_s(const struct engine *engine, uint32_t id)
{
    return (double)engine->requests[id].done_ns / 1e9;
}

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-6)

#define ONE_NODE                                                                                   \
    "mean_service_s 10\nnode b cool speed=1 disk_mb_s=100 ambient_c=20 phase=0\n"                  \
    "popularity 0.5\npopularity 0.5\n"

static void test_a_cold_request_waits_for_disk_prompt_and_answer(void **state)
{
    struct engine engine;
    struct workload workload;

    (void)state;
    parse(MACHINES "nodes 1 b cool ambient_c=20\n");
    run(&engine, &workload,
        ONE_NODE "session at_s=5 model=0 app=0\nturn prompt=100 answer=20 think_s=0\n", "fifo");
    assert_int_equal(engine.n_requests, 1);
    assert_true(engine.requests[0].was_cold);
    assert_near(done_s(&engine, 0), 5 + 10.8 + 10 + 20);
    assert_near((double)engine.requests[0].first_ns / 1e9, 5 + 10.8 + 10);
    end(&engine, &workload);
}

static void test_the_next_turn_costs_only_what_is_new(void **state)
{
    struct engine engine;
    struct workload workload;

    (void)state;
    parse(MACHINES "nodes 1 b cool ambient_c=20\n");
    run(&engine, &workload,
        ONE_NODE "session at_s=0 model=0 app=0\nturn prompt=100 answer=20 think_s=4\n"
                 "turn prompt=50 answer=10 think_s=0\n",
        "fifo");
    assert_int_equal(engine.n_requests, 2);
    assert_int_equal(engine.asks[1].prompt_tokens, 170);
    assert_near(done_s(&engine, 0), 40.8);
    assert_near(done_s(&engine, 1), 44.8 + 5 + 10);
    assert_false(engine.requests[1].was_cold);
    end(&engine, &workload);
}

/* a, b, a again: the file of a is in the page cache then, 1 GB at 1.5 GB/s. */
static void test_a_model_unloaded_before_comes_from_the_page_cache(void **state)
{
    struct engine engine;
    struct workload workload;

    (void)state;
    parse(MACHINES "nodes 1 b cool ambient_c=20\n");
    run(&engine, &workload,
        ONE_NODE "session at_s=0 model=0 app=0\nturn prompt=10 answer=1 think_s=0\n"
                 "session at_s=100 model=1 app=0\nturn prompt=10 answer=1 think_s=0\n"
                 "session at_s=200 model=0 app=0\nturn prompt=10 answer=1 think_s=0\n",
        "fifo");
    assert_near(done_s(&engine, 1), 100 + 10.8 + 2);
    assert_near(done_s(&engine, 2), 200 + 0.8 + 1 / 1.5 + 2);
    end(&engine, &workload);
}

/* Pushed at once: a runs, b and a wait. Ollama lets the second a pass b. */
static void test_a_request_of_the_loaded_model_passes_others_by(void **state)
{
    static const char record[] =
        ONE_NODE "session at_s=0 model=0 app=0\nturn prompt=10 answer=20 think_s=0\n"
                 "session at_s=1 model=1 app=1\nturn prompt=10 answer=20 think_s=0\n"
                 "session at_s=2 model=0 app=2\nturn prompt=10 answer=20 think_s=0\n";
    struct engine engine;
    struct workload workload;

    (void)state;
    parse(MACHINES "nodes 1 b cool ambient_c=20\n");
    run(&engine, &workload, record, "round-robin");
    assert_near(done_s(&engine, 0), 31.8);
    assert_near(done_s(&engine, 2), 31.8 + 21);
    assert_near(done_s(&engine, 1), 31.8 + 21 + 10.8 + 21);
    end(&engine, &workload);
}

/* It dies at 5 s; that is noticed at 15 s, and the request runs anew on the other one. */
static void test_what_a_dead_node_had_runs_elsewhere(void **state)
{
    static const char record[] =
        "mean_service_s 10\nnode b cool speed=1 disk_mb_s=100 ambient_c=20 phase=0\n"
        "node b cool speed=1 disk_mb_s=100 ambient_c=20 phase=0\npopularity 0.5\npopularity 0.5\n"
        "session at_s=1 model=0 app=0\nturn prompt=10 answer=20 think_s=0\n"
        "death node=1 at_s=5 until_s=500\n";
    struct engine engine;
    struct workload workload;

    (void)state;
    parse(MACHINES "nodes 2 b cool ambient_c=20\n");
    run(&engine, &workload, record, "round-robin"); /* takes node 1 first */
    assert_int_equal(engine.asks[0].losses, 1);
    assert_int_equal(engine.requests[0].node, 0);
    assert_near(done_s(&engine, 0), 15 + 10.8 + 1 + 20);
    end(&engine, &workload);
}

static void test_an_unanswered_request_counts_with_its_age(void **state)
{
    struct engine engine;
    struct workload workload;
    struct result result;

    (void)state;
    parse(MACHINES "nodes 1 b cool ambient_c=20\ndrain_s 10\n");
    run(&engine, &workload,
        ONE_NODE "session at_s=900 model=0 app=0\nturn prompt=10 answer=500 think_s=0\n", "fifo");
    result_of(&engine, &result);
    assert_near(result.requests, 1);
    assert_near(result.unfinished, 1);
    assert_near(result.p50_s, 110);
    assert_near(result.bound50_s, 501);
    end(&engine, &workload);
}

static void test_a_hot_node_slows_down_and_says_so(void **state)
{
    static const char record[] =
        "mean_service_s 10\nnode b hot speed=1 disk_mb_s=100 ambient_c=20 phase=0\n"
        "popularity 0.5\npopularity 0.5\n"
        "session at_s=0 model=0 app=0\nturn prompt=10 answer=400 think_s=0\n";
    struct engine engine;
    struct workload workload;
    struct result result;

    (void)state;
    parse(MACHINES "nodes 1 b hot ambient_c=20\n");
    run(&engine, &workload, record, "fifo");
    result_of(&engine, &result);
    assert_true(done_s(&engine, 0) > 10.8 + 1 + 400 + 5);
    assert_true(result.hot_s > 50 && result.slowed_s > 50);
    assert_true(engine.nodes[0].clock > 0.99); /* cool again at the end */
    end(&engine, &workload);
}

/* --- whole runs ------------------------------------------------------------------------------- */

#define FLEET                                                                                      \
    "model a size_gb=1.3 prefill_tps=55 decode_tps=8.5\n"                                          \
    "model b size_gb=2 prefill_tps=20 decode_tps=5\n"                                              \
    "model c size_gb=0.4 prefill_tps=120 decode_tps=18\n"                                          \
    "board b speed=1 disk_mb_s=85 ram_gb=6.5 kv=4 min_clock=0.6\n"                                 \
    "kit sink idle_c=20 fast_c=11 slow_c=28 tau_s=300\n"                                           \
    "nodes 4 b sink ambient_c=25\nuse models=3\nload 0.4\nduration_s 2000\nwarmup_s 100\n"         \
    "death at_s=600 share=0.25 until_s=1200\n"

static uint64_t hash_of(const struct sim_policy *kind, uint64_t seed, struct result *ret)
{
    struct workload workload;
    struct engine engine;
    uint64_t hash;

    workload_make(&scenario, seed, NULL, &workload);
    engine_init(&engine, &scenario, &workload, kind, DISCIPLINE_OLLAMA, seed, NULL);
    engine_run(&engine, NULL, NULL);
    result_of(&engine, ret);
    hash = engine.hash;
    for (uint32_t id = 0; id < engine.n_requests; id++)
        assert_true(engine.requests[id].done_ns >= 0);
    engine_free(&engine);
    workload_free(&workload);
    return hash;
}

static void test_every_policy_answers_everything_and_a_seed_is_a_run(void **state)
{
    struct result result, again;

    (void)state;
    parse(FLEET);
    for (size_t i = 0; policies[i]; i++) {
        uint64_t hash = hash_of(policies[i], 1, &result);
        assert_true(result.requests > 50);
        assert_true(result.p50_s >= result.bound50_s);
        assert_near(result.unfinished, 0);
        assert_true(hash == hash_of(policies[i], 1, &again));
        assert_true(hash != hash_of(policies[i], 2, &again));
    }
}

/* Many nodes rest, many requests wait for a cooler one, each time for another: the policy once told
 * of that without end. The simulator ends the process if it does. */
static void test_waiting_for_cooler_nodes_is_told_and_done_with(void **state)
{
    struct workload workload;
    struct engine engine;

    (void)state;
    parse("model a size_gb=1.3 prefill_tps=55 decode_tps=8.5\n"
          "model b size_gb=1 prefill_tps=45 decode_tps=8\n"
          "board b speed=1 disk_mb_s=85 ram_gb=6.5 kv=4 min_clock=0.6\n"
          "kit bare idle_c=24 fast_c=13 slow_c=36 tau_s=170\n"
          "nodes 40 b bare ambient_c=35\nuse models=2\nload 0.6\nduration_s 900\nwarmup_s 100\n");
    for (uint64_t seed = 1; seed <= 3; seed++) {
        workload_make(&scenario, seed, NULL, &workload);
        engine_init(&engine, &scenario, &workload, policy_find("late"), DISCIPLINE_OLLAMA, seed,
                    NULL);
        engine_run(&engine, NULL, NULL);
        engine_free(&engine);
        workload_free(&workload);
    }
}

/* The offered work is what the load says: over many seeds the nodes of a policy that loses nothing
 * to cold starts are busy that much of the time. */
static void test_offered_load_is_as_asked(void **state)
{
    struct workload workload;
    double work_s = 0, capacity = 0;

    (void)state;
    parse(FLEET);
    for (uint64_t seed = 1; seed <= 40; seed++) {
        workload_make(&scenario, seed, NULL, &workload);
        for (size_t s = 0; s < workload.n_sessions; s++) {
            const struct session *session = &workload.sessions[s];
            for (uint32_t t = 0; t < session->n_turns; t++) {
                const struct turn *turn = &workload.turns[session->turn + t];
                work_s += workload_service_s(&scenario.models[session->model],
                                             turn->prompt + (t == 0 ? 150 : 0), turn->answer);
            }
        }
        for (uint32_t i = 0; i < workload.n_nodes; i++)
            capacity += workload.machines[i].speed * 2000;
        workload_free(&workload);
    }
    assert_true(work_s / capacity > 0.36 && work_s / capacity < 0.46);
}

static void test_random_numbers_have_the_right_means(void **state)
{
    struct rng rng = rng_make(7, RNG_POLICY, 0);
    double unit = 0, normal = 0, square = 0, exponential = 0;
    uint32_t below[3] = {0};

    (void)state;
    for (int i = 0; i < 100000; i++) {
        double x = rng_normal(&rng);
        unit += rng_unit(&rng) / 100000;
        normal += x / 100000;
        square += x * x / 100000;
        exponential += rng_exponential(&rng, 0.5) / 100000;
        below[rng_below(&rng, 3)]++;
    }
    assert_true(fabs(unit - 0.5) < 0.01 && fabs(normal) < 0.02 && fabs(square - 1) < 0.02);
    assert_true(fabs(exponential - 2) < 0.05);
    for (int i = 0; i < 3; i++)
        assert_true(below[i] > 32500 && below[i] < 34200);
}

static void test_exponential_and_logarithm_are_those_of_libm(void **state)
{
    (void)state;
    for (double x = -40; x < 40; x += 0.37) {
        assert_true(fabs(real_exp(x) / exp(x) - 1) < 1e-14);
        assert_true(fabs(real_log(exp(x)) - x) < 1e-13);
    }
    assert_true(fabs(real_pow(0.625, 2.2) - pow(0.625, 2.2)) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cold_request_waits_for_disk_prompt_and_answer),
        cmocka_unit_test(test_the_next_turn_costs_only_what_is_new),
        cmocka_unit_test(test_a_model_unloaded_before_comes_from_the_page_cache),
        cmocka_unit_test(test_a_request_of_the_loaded_model_passes_others_by),
        cmocka_unit_test(test_what_a_dead_node_had_runs_elsewhere),
        cmocka_unit_test(test_an_unanswered_request_counts_with_its_age),
        cmocka_unit_test(test_a_hot_node_slows_down_and_says_so),
        cmocka_unit_test(test_every_policy_answers_everything_and_a_seed_is_a_run),
        cmocka_unit_test(test_waiting_for_cooler_nodes_is_told_and_done_with),
        cmocka_unit_test(test_offered_load_is_as_asked),
        cmocka_unit_test(test_random_numbers_have_the_right_means),
        cmocka_unit_test(test_exponential_and_logarithm_are_those_of_libm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
