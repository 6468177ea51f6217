/* The scenario parser, recorded workloads and traces: what they take, and how they say no. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

#include "scenario.h"
#include "test.h"
#include "workload.h"

static struct scenario scenario; /* too large for a stack */

#define SMALL                                                                                      \
    "model m size_gb=1 prefill_tps=50 decode_tps=10\n"                                             \
    "board b speed=1 disk_mb_s=85 ram_gb=6 kv=4 min_clock=0.6\n"                                   \
    "kit k idle_c=20 fast_c=10 slow_c=20 tau_s=100\n"                                              \
    "nodes 2 b k ambient_c=25\n"                                                                   \
    "use models=1\n"                                                                               \
    "load 0.5\n"                                                                                   \
    "duration_s 1000\n"

static int parse(const char *text, struct err *err)
{
    err->msg[0] = '\0';
    return scenario_parse(span_str(text), "f", NULL, &scenario, err);
}

static void assert_refused(const char *text, const char *message)
{
    struct err err;

    assert_int_equal(parse(text, &err), -EINVAL);
    assert_string_equal(err.msg, message);
}

static void test_a_small_scenario_is_read(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(parse(SMALL "# nothing\n\nabout  two   words # and no more\r\n", &err), 0);
    assert_string_equal(scenario.name, "f");
    assert_string_equal(scenario.about, "two   words");
    assert_int_equal(scenario.n_nodes, 2);
    assert_int_equal(scenario.n_models, 1);
    assert_true(scenario.load > 0.4999 && scenario.load < 0.5001);
    assert_true(scenario.warmup_s > 599 && scenario.warmup_s < 601);
}

static void test_models_beyond_the_list_are_copies_under_other_names(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(parse("model a size_gb=1 prefill_tps=50 decode_tps=10\n"
                           "model b size_gb=2 prefill_tps=50 decode_tps=10\n"
                           "board b speed=1 disk_mb_s=85 ram_gb=6 kv=4 min_clock=0.6\n"
                           "kit k idle_c=20 fast_c=10 slow_c=20 tau_s=100\n"
                           "nodes 1 b k ambient_c=25\nuse models=5\nload 1\nduration_s 1000",
                           &err),
                     0);
    assert_string_equal(scenario.models[3].name, "b-001");
    assert_string_equal(scenario.models[4].name, "a-002");
    assert_true(scenario.models[3].size_gb > 1.9);
}

static void test_every_mistake_is_named_with_file_and_line(void **state)
{
    (void)state;
    assert_refused("mdel x", "f:1: there is no statement \"mdel\"");
    assert_refused("\n\nload x", "f:3: load: \"x\" is not a number");
    assert_refused("load 11", "f:1: load: 11 is not in 0.001 to 10");
    assert_refused("load", "f:1: load needs a number");
    assert_refused("load 1 2", "f:1: load does not take \"2\"");
    assert_refused("load 1\nload 1", "f:2: load is said a second time");
    assert_refused("model m size_gb=1 prefill_tps=1", "f:1: model needs decode_tps=");
    assert_refused("model m size_gb=1 size_gb=1 prefill_tps=1 decode_tps=1",
                   "f:1: size_gb is given twice");
    assert_refused("model m size_gb=1 prefill_tps=1 decode_tps=1 colour=2",
                   "f:1: model does not take \"colour=2\"");
    assert_refused("model size_gb=1", "f:1: model needs a name");
    assert_refused("nodes 1 b k ambient_c=25", "f:1: there is no board \"b\"");
    assert_refused("prompt min=9 max=8", "f:1: min is larger than max");
    assert_refused("include x", "f:1: \"x\" cannot be included here");
    assert_refused(SMALL "death at_s=5 share=0.5 until_s=15",
                   "f: a death lasts longer than notice_s");
    assert_refused(SMALL "warmup_s 1000", "f: warmup_s is not before the end, duration_s");
    assert_refused("", "f: it needs a model");
}

/* --- includes --------------------------------------------------------------------------------- */

static int read_itself(void *arg, struct span name, struct span *ret_text, struct err *err)
{
    (void)err;
    if (span_is(name, "models"))
        *ret_text = span_str("model m size_gb=1 prefill_tps=50 decode_tps=10\nload x\n");
    else
        *ret_text = span_str("include f\n");
    ++*(int *)arg;
    return 0;
}

static void test_an_include_that_includes_itself_ends(void **state)
{
    int reads = 0;
    const struct scenario_includes includes = {read_itself, &reads};
    struct err err;

    (void)state;
    assert_int_equal(scenario_parse(span_str("include f"), "f", &includes, &scenario, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "f:1: \"f\" cannot be included here");
    assert_int_equal(reads, SCENARIO_INCLUDE_MAX);
}

static void test_a_mistake_in_an_included_file_is_named_there(void **state)
{
    int reads = 0;
    const struct scenario_includes includes = {read_itself, &reads};
    struct err err;

    (void)state;
    assert_int_equal(scenario_parse(span_str("include models"), "f", &includes, &scenario, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "models:2: load: \"x\" is not a number");
}

/* --- recorded workloads ----------------------------------------------------------------------- */

#define RECORD                                                                                     \
    "mean_service_s 12.5\n"                                                                        \
    "node b k speed=1.01 disk_mb_s=80 ambient_c=25.5 phase=3\n"                                    \
    "popularity 1\n"

static int parse_workload(const char *text, struct workload *workload, struct err *err)
{
    assert_int_equal(parse(SMALL, err), 0);
    return workload_parse(span_str(text), "w", &scenario, 1, workload, err);
}

static void test_a_recorded_workload_is_read(void **state)
{
    struct workload workload;
    struct err err;

    (void)state;
    assert_int_equal(parse_workload(RECORD "session at_s=1.5 model=0 app=2\n"
                                           "turn prompt=10 answer=20 think_s=3\n"
                                           "turn prompt=11 answer=21 think_s=0\n"
                                           "death node=0 at_s=10 until_s=30\n",
                                    &workload, &err),
                     0);
    assert_int_equal(workload.n_nodes, 1);
    assert_int_equal(workload.n_sessions, 1);
    assert_int_equal(workload.sessions[0].n_turns, 2);
    assert_int_equal(workload.sessions[0].start_ns, 1500000000);
    assert_int_equal(workload.turns[1].answer, 21);
    assert_int_equal(workload.deaths[0].until_ns, INT64_C(30000000000));
    assert_true(workload.fits[0]);
    workload_free(&workload);
}

static void test_a_recorded_workload_says_what_is_wrong(void **state)
{
    struct workload workload;
    struct err err;

    (void)state;
    assert_int_equal(parse_workload(RECORD "turn prompt=1 answer=1 think_s=1", &workload, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "w:4: a turn needs a session, of at most 64");
    assert_int_equal(parse_workload(RECORD "session at_s=1 model=1 app=0", &workload, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "w:4: model: 1 is not in 0 to 0");
    assert_int_equal(parse_workload(RECORD "popularity 0.5", &workload, &err), -EINVAL);
    assert_string_equal(err.msg, "w:4: more models than the scenario has");
    assert_null(workload.sessions);
}

/* --- traces ----------------------------------------------------------------------------------- */

static void test_a_trace_is_read_and_starts_at_zero(void **state)
{
    struct trace trace;
    struct err err;

    (void)state;
    assert_int_equal(trace_parse(span_str("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                          "2023-11-30 23:59:59.5000000,4808,10\n"
                                          "2023-12-01 00:00:01.25,3,8\r\n"),
                                 "t", &trace, &err),
                     0);
    assert_int_equal(trace.n, 2);
    assert_int_equal(trace.rows[0].at_ns, 0);
    assert_int_equal(trace.rows[1].at_ns, 1750000000);
    assert_int_equal(trace.rows[0].input, 4808);
    assert_int_equal(trace.rows[1].output, 8);
    trace_free(&trace);
}

static void test_a_trace_says_what_is_wrong(void **state)
{
    struct trace trace;
    struct err err;

    (void)state;
    assert_int_equal(trace_parse(span_str("a,b\n"), "t", &trace, &err), -EINVAL);
    assert_string_equal(err.msg, "t:1: no columns TIMESTAMP, ContextTokens, GeneratedTokens");
    assert_int_equal(trace_parse(span_str("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                          "2023-11-16 18:17:03,1,1\n2023-11-16 18:17:02,1,1\n"),
                                 "t", &trace, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "t:3: earlier than the row before it");
    assert_int_equal(trace_parse(span_str("TIMESTAMP,ContextTokens,GeneratedTokens\n"
                                          "2023-11-16 18:17:03,1,-1\n"),
                                 "t", &trace, &err),
                     -EINVAL);
    assert_string_equal(err.msg, "t:2: not a row of a trace, as \"2023-11-16 18:17:03.98,480,10\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_small_scenario_is_read),
        cmocka_unit_test(test_models_beyond_the_list_are_copies_under_other_names),
        cmocka_unit_test(test_every_mistake_is_named_with_file_and_line),
        cmocka_unit_test(test_an_include_that_includes_itself_ends),
        cmocka_unit_test(test_a_mistake_in_an_included_file_is_named_there),
        cmocka_unit_test(test_a_recorded_workload_is_read),
        cmocka_unit_test(test_a_recorded_workload_says_what_is_wrong),
        cmocka_unit_test(test_a_trace_is_read_and_starts_at_zero),
        cmocka_unit_test(test_a_trace_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
