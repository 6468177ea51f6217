/* Replies, events and lives as text and JSON; requests made from files; the report of a bench. */

#include <errno.h>
#include <string.h>

#include "common/reply.h"

#include "ask.h"
#include "bench_stats.h"
#include "ctl_fleet_made.h"
#include "ctl_made.h"
#include "happening.h"
#include "life.h"
#include "preload_choice.h"
#include "reply_view.h"
#include "test.h"
#include "text.h"

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&out);
    return 0;
}

static const char *text(void)
{
    (void)buf_add(&out, "", 1);
    out.len--;
    return out.ptr;
}

/* --- replies ---------------------------------------------------------------------------------- */

static void test_what_ollama_answered_as_text(void **state)
{
    static const char *const rows[][2] = {
        {"{\"message\":{\"content\":\"a\\n\\u00e9\\\"\"}}", "a\n\xc3\xa9\""},
        {"{\"response\":\"hi\"}", "hi"},
        {"{\"embeddings\":[[1,2]]}", "[[1,2]]"},
        {"{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{}}]}}",
         "[{\"function\":{}}]"},
        {"{\"message\":{\"content\":\"x\",\"tool_calls\":[1]}}", "x\n[1]"},
        {"{\"message\":{\"content\":\"nul \\u0000\"}}", "nul \\u0000"},
        {"{\"message\":{\"content\":7}}", ""},
        {"{\"message\":[]}", ""},
        {"{", "{"},
        {"plain", "plain"},
        {"{}", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        view_content(span_str(rows[i][0]), &out);
        assert_string_equal(text(), rows[i][1]);
    }
}

static void test_progress_and_figures(void **state)
{
    static const char *const rows[][2] = {
        {"['state','queued','position','3','eta_ms','12000']", "queued, 3 before it, about 12s"},
        {"['state','queued','position','-1']", "queued"},
        {"['state','routed','node','pi-1']", "pi-1 gets it"},
        {"['state','loading','node','pi\\u001b[1m']", "pi?[1m loads the model"},
        {"['state','odd']", "a node: odd"},
        {"[]", "a node: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redisReply *fields = made(rows[i][0]);
        buf_clear(&out);
        view_progress(fields, &out);
        assert_string_equal(text(), rows[i][1]);
        freeReplyObject(fields);
    }
    redisReply *done =
        made("['node','pi-1','queued_ms','2','run_ms','1221','attempt','2','dropped',"
             "'keep_alive','response','{\\'eval_count\\':27,\\'eval_duration\\':"
             "1000000000}']");
    buf_clear(&out);
    view_stats(done, &out);
    assert_string_equal(text(), "pi-1: 27 tokens, 27.0 tok/s; waited 2ms, ran 1.2s; attempt 2; not "
                                "passed on: keep_alive");
    freeReplyObject(done);
}

static void test_an_entry_as_json(void **state)
{
    redisReply *fields = made("['type','done','attempt','2','seq','x','retryable','1','response',"
                              "'{\\'a\\':1.50}','odd\\u001b','v\\'','response','{']");
    struct err err;

    (void)state;
    view_entry_json(span_str("5-1"), fields, &out);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
    assert_string_equal(text(), "{\"id\":\"5-1\",\"at_ms\":5,\"type\":\"done\",\"attempt\":2,"
                                "\"seq\":\"x\",\"retryable\":true,\"response\":{\"a\":1.50},"
                                "\"odd\\u001b\":\"v\\\"\",\"response\":\"{\"}");
    freeReplyObject(fields);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool wanted(const char *kinds, const char *node, const char *id, const char *model)
{
    redisReply *fields = made("['event','routed','request_id','r1','node','pi-1','model',"
                              "'gemma3:latest']");
    const struct happening_filter filter = {span_str(kinds), span_str(node), span_str(id),
                                            span_str(model)};
    bool result = happening_wanted(fields, &filter);

    freeReplyObject(fields);
    return result;
}

static void test_filters(void **state)
{
    (void)state;
    assert_true(wanted(NULL, NULL, NULL, NULL));
    assert_true(wanted("done, routed", "pi-1", "r1", "gemma3"));
    assert_true(wanted("routed", NULL, NULL, "GEMMA3:latest"));
    assert_false(wanted("done,route", NULL, NULL, NULL));
    assert_false(wanted("", NULL, NULL, NULL));
    assert_false(wanted(NULL, "pi-2", NULL, NULL));
    assert_false(wanted(NULL, NULL, "r", NULL));
    assert_false(wanted(NULL, NULL, NULL, "gemma3:1b"));
}

static void test_lines_of_events(void **state)
{
    static const char *const rows[][2] = {
        {"['event','routed','request_id','r1','node','pi-1','attempt','2','model','m','why','w']",
         "20:51:17.000 routed           r1 m to pi-1, attempt 2: w\n"},
        {"['event','done','request_id','r1','node','pi-1','attempt','1','model','m','run_ms',"
         "'5800','code','','error','']",
         "20:51:17.000 done             r1 m on pi-1, ran 5.8s\n"},
        {"['event','done','node','pi-1','run_ms','5000','queued_ms','9955','first_ms','84','tokens'"
         ","
         "'60','prompt_tokens','5','loaded','1','cached','1']",
         "20:51:17.000 done             on pi-1, ran 5s, waited 9.9s, 60 tokens, the first after "
         "84ms, model loaded, prompt cached\n"},
        {"['event','failed','request_id','r1','node','pi-1','code','c','error','e']",
         "20:51:17.000 failed           r1 on pi-1, c: e\n"},
        {"['event','preload','node','pi-1','gain','3','\\u001bx','y']",
         "20:51:17.000 preload          on pi-1 gain=3 ?x=y\n"},
        {"[]", "20:51:17.000                 \n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        redisReply *fields = made(rows[i][0]);
        buf_clear(&out);
        happening_line(span_str("1795553477000-0"), fields, TEXT_NO_LIMIT, false, &out);
        assert_string_equal(text(), rows[i][1]);
        freeReplyObject(fields);
    }
}

/* --- explain ---------------------------------------------------------------------------------- */

static struct life life;

static void add(enum life_source source, const char *json, redisReply **ret)
{
    *ret = made(json);
    for (size_t i = 0; i < reply_count(*ret); i++)
        (void)life_add(&life, source, reply_at(*ret, i));
}

static void test_a_life_in_order(void **state)
{
    redisReply *replies[4];
    struct err err;

    (void)state;
    memset(&life, 0, sizeof life);
    (void)span_copy(span_str("r1"), life.request_id, sizeof life.request_id);
    add(LIFE_REPLY,
        "[['1795553477003-0',['type','status','request_id','r1','attempt','1','state','queued',"
        "'position','0','eta_ms','900']],"
        "['1795553477500-0',['type','chunk','request_id','r1','attempt','1','seq','0','response',"
        "'{}']],['1795553477900-0',['type','chunk','request_id','r1','attempt','1','seq','1',"
        "'response','{}']],['1795553492000-0',['type','chunk','request_id','r1','attempt','2',"
        "'seq','0','response','{}']],['1795553493100-0',['type','done','request_id','r1','attempt',"
        "'2','node','pi-2','queued_ms','14000','run_ms','1200','response','{\\'eval_count\\':5}']]"
        "]",
        &replies[0]);
    add(LIFE_EVENT,
        "[['1795553477000-0',['event','queued','request_id','r1','model','gemma3:1b','router',"
        "'router-1']],['1795553477001-0',['event','queued','request_id','other']],"
        "['1795553477002-0',['event','waits','request_id','r1','model','gemma3:1b','router',"
        "'router-2','why','waits: no node can take it now; others: pi-1 drained, pi-2 without the "
        "model']],"
        "['1795553477003-1',['event','routed','request_id','r1','node','pi-1','attempt','1','model'"
        ","
        "'gemma3:1b','router','router-1','why','answers in 4.2 s (waits 0, loads 3.1 s; generates "
        "1.1 s); others: pi-2 in 5.0 s, pi-3 hot 78.1 C']],"
        "['1795553491000-0',['event','requeued','request_id','r1','node','pi-1','attempt','2','why'"
        ","
        "'node pi-1 was lost while it had the request']],['1795553493100-0',['event','done',"
        "'request_id','r1','node','pi-2','attempt','2','run_ms','1200']]]",
        &replies[1]);
    replies[2] = made("['state','done','node','pi-2','attempt','2','code','']");
    life.job = replies[2];
    life_sort(&life);
    assert_true(life_is_known(&life));
    assert_false(life_is_open(&life));
    assert_int_equal(life.n, 9);
    life_text(&life, NULL, 80, false, &out);
    screen_check(&out, 0, 80);
    golden_check("explain.txt", &out);
    buf_clear(&out);
    life_json(&life, &out);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
    golden_check("explain.json", &out);
    for (int i = 0; i < 3; i++)
        freeReplyObject(replies[i]);
}

static void test_a_life_that_waits_and_one_that_nobody_knows(void **state)
{
    static struct fleet_seen fleet;
    redisReply *replies[4], *queued = made("['1795553470000-0',3,'router-1','request_id','r1',"
                                           "'model','gemma3:1b']");

    (void)state;
    made_fleet(&fleet, replies);
    memset(&life, 0, sizeof life);
    (void)span_copy(span_str("r1"), life.request_id, sizeof life.request_id);
    assert_false(life_is_known(&life));
    life.queued = queued;
    assert_true(life_is_known(&life));
    assert_true(life_is_open(&life));
    life_text(&life, &fleet, 80, false, &out);
    golden_check("explain_waiting.txt", &out);
    freeReplyObject(queued);
    made_free(replies);
}

static void test_a_life_with_more_steps_than_there_is_room_for(void **state)
{
    redisReply *entry = made("['7-0',['event','queued','request_id','r1']]");

    (void)state;
    memset(&life, 0, sizeof life);
    (void)span_copy(span_str("r1"), life.request_id, sizeof life.request_id);
    for (int i = 0; i < LIFE_STEPS_MAX; i++)
        assert_true(life_add(&life, LIFE_EVENT, entry));
    assert_false(life_add(&life, LIFE_EVENT, entry));
    assert_int_equal(life.left_out, 1);
    freeReplyObject(entry);
}

static void test_where_a_preload_goes(void **state)
{
    static struct fleet_seen fleet;
    redisReply *replies[4];
    struct preload_choice choice;
    struct err err;

    (void)state;
    made_fleet(&fleet, replies);
    assert_int_equal(preload_choose(&fleet, (struct span){NULL, 0}, "gemma3:1b", &choice, &err), 0);
    assert_true(span_is(choice.node->id, "pi-1") && choice.is_resident);
    /* all-minilm is installed on pi-1 alone, and pi-1 is busy */
    assert_int_equal(
        preload_choose(&fleet, (struct span){NULL, 0}, "all-minilm:latest", &choice, &err),
        -ECANCELED);
    fleet.nodes[1].length = 0;
    assert_int_equal(
        preload_choose(&fleet, (struct span){NULL, 0}, "all-minilm:latest", &choice, &err), 0);
    assert_true(span_is(choice.node->id, "pi-1") && !choice.is_resident);
    assert_string_equal(choice.unload, "gemma3:1b");
    assert_int_equal(preload_choose(&fleet, (struct span){NULL, 0}, "none:latest", &choice, &err),
                     -ENOENT);
    assert_int_equal(preload_choose(&fleet, span_str("pi-9"), "gemma3:1b", &choice, &err), -ENOENT);
    assert_int_equal(preload_choose(&fleet, span_str("pi-2"), "gemma3:1b", &choice, &err), -ENOENT);
    /* whom an operator names is asked, whatever its state: it answers why not */
    assert_int_equal(
        preload_choose(&fleet, span_str("raspberrypi-kitchen"), "gemma3:1b", &choice, &err), 0);
    /* what somebody has loaded otherwise is loaded again */
    fleet.nodes[1].json = span_str("{\"models\":[\"gemma3:1b\"],\"foreign\":[\"gemma3:1b\"],"
                                   "\"installed\":[\"gemma3:1b\"]}");
    assert_int_equal(preload_choose(&fleet, span_str("pi-1"), "gemma3:1b", &choice, &err), 0);
    assert_false(choice.is_resident);
    made_free(replies);
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_a_request_from_json(void **state)
{
    struct ask ask;
    struct err err;

    (void)state;
    ask_init(&ask);
    assert_int_equal(
        ask_from_json(&ask,
                      span_str(" {\"model\":\"m\\u00e9\",\"messages\":[{\"role\":\"user\"}],"
                               "\"stream\":true,\"progress\":false,\"timeout_ms\":5000,"
                               "\"session\":null,\"params\":{\"think\":false}} "),
                      &err),
        0);
    assert_true(span_is(ask_get(&ask, FIELD_MODEL), "m\xc3\xa9"));
    assert_true(span_is(ask_get(&ask, FIELD_MESSAGES), "[{\"role\":\"user\"}]"));
    assert_true(span_is(ask_get(&ask, FIELD_STREAM), "1"));
    assert_null(ask_get(&ask, FIELD_PROGRESS).ptr);
    assert_null(ask_get(&ask, FIELD_SESSION).ptr);
    assert_true(span_is(ask_get(&ask, FIELD_TIMEOUT_MS), "5000"));
    assert_true(span_is(ask_get(&ask, FIELD_PARAMS), "{\"think\":false}"));
    assert_int_equal(ask_check(&ask, &err), 0);
    assert_int_equal(ask_text(&ask, ASK_EMBED, span_str("a\"b"), NULL, &err), 0);
    assert_null(ask_get(&ask, FIELD_MESSAGES).ptr);
    assert_true(span_is(ask_get(&ask, FIELD_INPUT), "\"a\\\"b\""));
    assert_true(ask_set(&ask, FIELD_MODEL, span_str("other")));
    assert_true(span_is(ask_get(&ask, FIELD_MODEL), "other"));
    ask_done(&ask);
}

static void test_requests_that_nobody_meant(void **state)
{
    static const char *const rows[][2] = {
        {"{\"model\":\"m\",\"massages\":[]}", "massages"},
        {"{\"model\":\"m\",\"model\":\"n\"}", "twice"},
        {"\"text\"", "no JSON object"},
        {"{\"model\":", "not JSON"},
        {"{\"prompt\":\"x\"}", "no model"},
        {"{\"model\":\"m\"}", "nothing to ask"},
        {"{\"model\":\"m\",\"prompt\":\"a\",\"input\":\"b\"}", "more than one"},
        {"{\"model\":\"a\\u0000b\",\"prompt\":\"a\"}", "NUL"},
    };
    struct ask ask;
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ask_init(&ask);
        int rc = ask_from_json(&ask, span_str(rows[i][0]), &err);
        if (rc == 0)
            rc = ask_check(&ask, &err);
        assert_int_equal(rc, -EINVAL);
        if (!strstr(err.msg, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], err.msg);
        ask_done(&ask);
    }
    ask_init(&ask);
    assert_int_equal(ask_text(&ask, ASK_CHAT, span_str("\xff"), NULL, &err), -EINVAL);
    assert_int_equal(ask_text(&ask, ASK_EMBED, span_str("x"), "system", &err), -EINVAL);
    ask_done(&ask);
}

/* --- bench ------------------------------------------------------------------------------------ */

static void test_percentiles_are_those_of_the_nearest_rank(void **state)
{
    int64_t ms[10] = {50, 10, 40, 20, 30, 100, 90, 80, 70, 60}, one[1] = {7};
    struct samples samples = {ms, 10}, single = {one, 1}, none = {ms, 0};

    (void)state;
    samples_sort(&samples);
    assert_int_equal(samples_at(&samples, 500), 50);
    assert_int_equal(samples_at(&samples, 501), 60);
    assert_int_equal(samples_at(&samples, 900), 90);
    assert_int_equal(samples_at(&samples, 990), 100);
    assert_int_equal(samples_at(&samples, 1000), 100);
    assert_int_equal(samples_at(&samples, 0), 10);
    assert_int_equal(samples_at(&single, 500), 7);
    assert_int_equal(samples_at(&none, 500), -1);
}

static void test_the_report_of_a_bench(void **state)
{
    static int64_t ms[3][8];
    static struct bench_stats stats;
    const struct bench_setup bench = {
        .model = "gemma3:1b", .requests = 4, .concurrency = 2, .elapsed_ms = 6000};
    redisReply *done =
                   made("['type','done','node','pi-1','attempt','1','queued_ms','20','response',"
                        "'{\\'eval_count\\':30,\\'eval_duration\\':3000000000}']"),
               *moved = made("['type','done','node','pi-2','attempt','2','queued_ms','900',"
                             "'response','{}']"),
               *error = made("['type','error','code','odd\\u001b[1m']");
    struct err err;

    (void)state;
    memset(&stats, 0, sizeof stats);
    stats.waits.ms = ms[0];
    stats.firsts.ms = ms[1];
    stats.totals.ms = ms[2];
    stats.submitted = 4;
    bench_ended(&stats, done, 120, 3000);
    bench_ended(&stats, done, 110, 2900);
    bench_ended(&stats, moved, -1, 5000);
    bench_ended(&stats, error, -1, 1);
    bench_text(&stats, &bench, 80, false, &out);
    screen_check(&out, 0, 80);
    golden_check("bench.txt", &out);
    buf_clear(&out);
    bench_json(&stats, &bench, &out);
    assert_int_equal(json_check(buf_span(&out), &err), 0);
    golden_check("bench.json", &out);
    freeReplyObject(done);
    freeReplyObject(moved);
    freeReplyObject(error);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_ollama_answered_as_text),
        TEST(test_progress_and_figures),
        TEST(test_an_entry_as_json),
        TEST(test_filters),
        TEST(test_lines_of_events),
        TEST(test_a_life_in_order),
        TEST(test_a_life_that_waits_and_one_that_nobody_knows),
        TEST(test_a_life_with_more_steps_than_there_is_room_for),
        TEST(test_where_a_preload_goes),
        TEST(test_a_request_from_json),
        TEST(test_requests_that_nobody_meant),
        TEST(test_percentiles_are_those_of_the_nearest_rank),
        TEST(test_the_report_of_a_bench),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
