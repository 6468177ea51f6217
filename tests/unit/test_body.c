/* The bodies that reach Ollama: what is kept byte for byte, what is dropped, what is added. */

#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "body.h"
#include "test.h"

struct row {
    const char *name;
    struct body_request req;
    const char *body;
    const char *dropped;
};

#define CHAT(text, more)                                                                           \
    {                                                                                              \
        .kind = BODY_CHAT, .content = {text, sizeof text - 1}, .params = {more, sizeof more - 1},  \
        .model = {                                                                                 \
            "m",                                                                                   \
            1                                                                                      \
        }                                                                                          \
    }
#define CHAT_OPTIONS(more, ctx, allow)                                                             \
    {                                                                                              \
        .kind = BODY_CHAT, .content = {"[]", 2}, .params = {more, sizeof more - 1},                \
        .model = {"m", 1}, .num_ctx = ctx, .allow_runner_options = allow                           \
    }
#define HEAD "{\"model\":\"m\",\"messages\":[],\"stream\":true"

static const struct row rows[] = {
    {"messages keep every byte",
     CHAT("[ {\"role\":\"user\",\"content\":\"\\u003c \xc3\xa9\",\"n\":9007199254740993e0} ]", ""),
     "{\"model\":\"m\",\"messages\":[ {\"role\":\"user\",\"content\":\"\\u003c "
     "\xc3\xa9\",\"n\":9007199254740993e0} ],\"stream\":true}",
     ""},
    {"params keep order, numbers and escapes",
     CHAT("[]", "{ \"z\":1.50, \"a\":[18446744073709551615 ,\"\\/\"],\"think\":\"low\" }"),
     HEAD ",\"z\":1.50,\"a\":[18446744073709551615 ,\"\\/\"],\"think\":\"low\"}", ""},
    {"options keep what does not reload",
     CHAT("[]",
          "{\"options\":{\"seed\": 42,\"stop\":[\"a\", \"b\"]},\"format\":{\"type\":\"object\"}}"),
     HEAD ",\"options\":{\"seed\": 42,\"stop\":[\"a\", \"b\"]},\"format\":{\"type\":\"object\"}}",
     ""},
    {"what reloads or pins a model is dropped, each name once",
     CHAT("[]", "{\"keep_alive\":-1,\"options\":{\"num_ctx\":1,\"num_batch\":1,\"num_gpu\":1,"
                "\"main_gpu\":0,\"use_mmap\":true,\"num_thread\":4,\"top_k\":1},\"shift\":false,"
                "\"Keep_Alive\":0}"),
     HEAD ",\"options\":{\"top_k\":1}}",
     "keep_alive,shift,options.num_ctx,options.num_batch,options.num_gpu,options.main_gpu,options."
     "use_mmap,options.num_thread"},
    {"the fleet's own fields are dropped, in any case",
     CHAT("[]",
          "{\"Model\":\"x\",\"stream\":false,\"\\u006dessages\":[],\"prompt\":\"\",\"INPUT\":1}"),
     HEAD "}", "model,stream,messages,prompt,input"},
    {"a runner option in another place is not one",
     CHAT("[]", "{\"num_ctx\":1,\"options\":{\"keep_alive\":1}}"),
     HEAD ",\"num_ctx\":1,\"options\":{\"keep_alive\":1}}", ""},
    {"everything may be dropped", CHAT("[]", "{\"options\":{\"num_gpu\":0}}"),
     HEAD ",\"options\":{}}", "options.num_gpu"},
    {"a pinned num_ctx makes its own options", CHAT_OPTIONS("", 4096, false),
     HEAD ",\"options\":{\"num_ctx\":4096}}", ""},
    {"a pinned num_ctx joins the client's options",
     CHAT_OPTIONS("{\"options\":{\"num_ctx\":99,\"seed\":1},\"x\":1}", 4096, false),
     HEAD ",\"options\":{\"seed\":1,\"num_ctx\":4096},\"x\":1}", "options.num_ctx"},
    {"a pinned num_ctx replaces null options", CHAT_OPTIONS("{\"options\":null}", 8, false),
     HEAD ",\"options\":{\"num_ctx\":8}}", ""},
    {"an allowed num_ctx of the client's wins over the pinned one",
     CHAT_OPTIONS("{\"keep_alive\":5,\"options\":{\"num_ctx\":99}}", 4096, true),
     HEAD ",\"keep_alive\":5,\"options\":{\"num_ctx\":99}}", ""},
    {"the fleet's own fields are dropped even if runner options are allowed",
     CHAT_OPTIONS("{\"Stream\":false,\"shift\":true}", 0, true), HEAD ",\"shift\":true}", "stream"},
    {"the pinned one stands when the client has none",
     CHAT_OPTIONS("{\"options\":{\"num_gpu\":1}}", 4096, true),
     HEAD ",\"options\":{\"num_gpu\":1,\"num_ctx\":4096}}", ""},
    {"options of a wrong type are Ollama's to refuse", CHAT_OPTIONS("{\"options\":7}", 0, false),
     HEAD ",\"options\":7}", ""},
    {"a prompt is text and becomes a string",
     {.kind = BODY_GENERATE, .model = {"a\"b", 3}, .content = {"say \"hi\"\n", 9}},
     "{\"model\":\"a\\\"b\",\"prompt\":\"say \\\"hi\\\"\\n\",\"stream\":true}",
     ""},
    {"an empty prompt is one",
     {.kind = BODY_GENERATE, .model = {"m", 1}, .content = {"", 0}},
     "{\"model\":\"m\",\"prompt\":\"\",\"stream\":true}",
     ""},
    {"embed has no stream",
     {.kind = BODY_EMBED,
      .model = {"m", 1},
      .content = {"[\"a\", \"b\"]", 10},
      .params = {"{\"dimensions\":256}", 18}},
     "{\"model\":\"m\",\"input\":[\"a\", \"b\"],\"dimensions\":256}",
     ""},
};

static void test_each_row_of_the_table(void **state)
{
    char dropped[BODY_DROPPED_MAX];
    struct buf body;

    (void)state;
    buf_init(&body, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {.msg = ""};
        buf_clear(&body);
        if (body_build(&rows[i].req, &body, dropped, &err) != 0)
            fail_msg("%s: %s", rows[i].name, err.msg);
        if (!span_is(buf_span(&body), rows[i].body))
            fail_msg("%s: expected\n%s\ngot\n%.*s", rows[i].name, rows[i].body, (int)body.len,
                     body.ptr);
        if (strcmp(dropped, rows[i].dropped) != 0)
            fail_msg("%s: dropped '%s', expected '%s'", rows[i].name, dropped, rows[i].dropped);
    }
    buf_done(&body);
}

static void refuses(struct body_request req, size_t max_bytes, int code, const char *part)
{
    char dropped[BODY_DROPPED_MAX] = "untouched";
    struct err err = {.msg = ""};
    struct buf body;

    buf_init(&body, max_bytes);
    assert_int_equal(body_build(&req, &body, dropped, &err), code);
    if (!strstr(err.msg, part))
        fail_msg("expected '%s' in '%s'", part, err.msg);
    assert_string_equal(dropped, "untouched");
    buf_done(&body);
}

static void test_what_is_no_json_never_becomes_part_of_a_body(void **state)
{
    const struct body_request good = {.model = {"m", 1}, .content = {"[]", 2}};
    struct body_request req = good;

    (void)state;
    req.content = span_str("[],\"model\":\"other\"");
    refuses(req, 4096, -EINVAL, "messages is not JSON");
    req = good;
    req.params = span_str("{} ,");
    refuses(req, 4096, -EINVAL, "params is not JSON");
    req.params = span_str("[1]");
    refuses(req, 4096, -EINVAL, "params is JSON but no object");
    req = good;
    req.model = span_str("\xff");
    refuses(req, 4096, -EINVAL, "model is empty or not UTF-8");
    req.model = span_str("");
    refuses(req, 4096, -EINVAL, "model is empty or not UTF-8");
}

static void test_a_body_past_the_limit_is_refused(void **state)
{
    const struct body_request req = {.model = {"m", 1}, .content = {"[]", 2}};

    (void)state;
    refuses(req, 20, -EFBIG, "20 bytes");
}

static void test_each_kind_has_its_path(void **state)
{
    (void)state;
    assert_string_equal(body_path(BODY_CHAT), "/api/chat");
    assert_string_equal(body_path(BODY_GENERATE), "/api/generate");
    assert_string_equal(body_path(BODY_EMBED), "/api/embed");
}

static void test_probe_and_preload_use_the_num_ctx_of_real_requests(void **state)
{
    struct buf body;

    (void)state;
    buf_init(&body, 4096);
    assert_true(body_build_probe(span_str("m"), 0, &body));
    assert_true(span_is(buf_span(&body), "{\"model\":\"m\",\"prompt\":\"hi\",\"stream\":true,"
                                         "\"options\":{\"num_predict\":1}}"));
    buf_clear(&body);
    assert_true(body_build_probe(span_str("m"), 2048, &body));
    assert_true(span_is(buf_span(&body), "{\"model\":\"m\",\"prompt\":\"hi\",\"stream\":true,"
                                         "\"options\":{\"num_predict\":1,\"num_ctx\":2048}}"));
    buf_clear(&body);
    assert_true(body_build_preload(span_str("m"), 0, &body));
    assert_true(span_is(buf_span(&body), "{\"model\":\"m\",\"stream\":true}"));
    buf_clear(&body);
    assert_true(body_build_preload(span_str("m"), 2048, &body));
    assert_true(span_is(buf_span(&body),
                        "{\"model\":\"m\",\"stream\":true,\"options\":{\"num_ctx\":2048}}"));
    buf_done(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_of_the_table),
        cmocka_unit_test(test_what_is_no_json_never_becomes_part_of_a_body),
        cmocka_unit_test(test_a_body_past_the_limit_is_refused),
        cmocka_unit_test(test_each_kind_has_its_path),
        cmocka_unit_test(test_probe_and_preload_use_the_num_ctx_of_real_requests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
