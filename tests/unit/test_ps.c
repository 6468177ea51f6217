/* What Ollama's versions say about themselves, and what else may come in its place. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"

#include "ps.h"
#include "test.h"

static struct ps ps;
static struct tags tags;

static void decodes_ps(const char *body)
{
    struct err err = {.msg = ""};

    if (ps_decode(span_str(body), &ps, &err) != 0)
        fail_msg("%s", err.msg);
}

static void decodes_tags(const char *body)
{
    struct err err = {.msg = ""};

    if (tags_decode(span_str(body), &tags, &err) != 0)
        fail_msg("%s", err.msg);
}

static void test_ps_of_a_node_with_one_model(void **state)
{
    (void)state;
    decodes_ps(
        "{\"models\":[{\"name\":\"llama3.2:latest\",\"model\":\"llama3.2:latest\",\"size\":"
        "3421225984,\"digest\":\"a80c\",\"details\":{\"parent_model\":\"\",\"format\":\"gguf\","
        "\"family\":\"llama\",\"families\":[\"llama\"],\"parameter_size\":\"3.2B\","
        "\"quantization_level\":\"Q4_K_M\"},\"expires_at\":\"2026-08-21T14:05:33.123456789+01:"
        "00\",\"size_vram\":7,\"context_length\":4096}]}");
    assert_int_equal(ps.n, 1);
    assert_string_equal(ps.models[0].name, "llama3.2:latest");
    assert_int_equal(ps.models[0].size_bytes, 3421225984);
    assert_int_equal(ps.models[0].size_vram_bytes, 7);
    assert_int_equal(ps.models[0].context_length, 4096);
    assert_false(ps.models[0].embeds_only);
    assert_false(ps.truncated);
    assert_ptr_equal(ps_find(&ps, "llama3.2:latest"), &ps.models[0]);
    assert_null(ps_find(&ps, "llama3.2"));
}

static void test_the_year_of_expires_at_tells_how_models_are_kept(void **state)
{
    static const struct {
        const char *times[2];
        enum ps_keep keeps;
    } rows[] = {
        {{"2026-08-21T14:05:33.123456789+01:00", NULL}, PS_KEEP_FOR_A_WHILE},
        {{"2318-12-04T03:11:02.5Z", NULL}, PS_KEEP_FOR_EVER},
        {{"2318-12-04T03:11:02.5Z", "2026-08-21T14:05:33Z"}, PS_KEEP_FOR_A_WHILE},
        {{"0001-01-01T00:00:00Z", "2318-12-04T03:11:02.5Z"}, PS_KEEP_FOR_EVER},
        {{"0001-01-01T00:00:00Z", NULL}, PS_KEEP_UNKNOWN},
        {{"soon", NULL}, PS_KEEP_UNKNOWN},
        {{"23180-12-04T03:11:02Z", NULL}, PS_KEEP_UNKNOWN},
        {{"", NULL}, PS_KEEP_UNKNOWN},
    };
    char body[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *second = rows[i].times[1];
        (void)snprintf(body, sizeof body,
                       "{\"models\":[{\"name\":\"a\",\"expires_at\":\"%s\"}%s%s%s]}",
                       rows[i].times[0], second ? ",{\"name\":\"b\",\"expires_at\":\"" : "",
                       second ? second : "", second ? "\"}" : "");
        decodes_ps(body);
        assert_int_equal(ps_keeps(&ps), rows[i].keeps);
    }
    decodes_ps("{\"models\":[{\"name\":\"a\"}]}");
    assert_int_equal(ps_keeps(&ps), PS_KEEP_UNKNOWN);
    decodes_ps("{\"models\":[]}");
    assert_int_equal(ps_keeps(&ps), PS_KEEP_UNKNOWN);
}

static void test_no_models_is_an_empty_list(void **state)
{
    static const char *const bodies[] = {"{\"models\":[]}", "{\"models\":null}",
                                         " {\"x\":1,\"models\":[ ]}\n"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        ps.n = 3;
        decodes_ps(bodies[i]);
        assert_int_equal(ps.n, 0);
        decodes_tags(bodies[i]);
        assert_int_equal(tags.n, 0);
    }
}

static void test_names_are_canonical_and_taken_once(void **state)
{
    (void)state;
    decodes_ps("{\"models\":[{\"name\":\"registry.ollama.ai/library/Llama3\"},"
               "{\"name\":\"llama3:latest\"},{\"model\":\"me/Foo:Q4\"},"
               "{\"name\":null,\"model\":\"a\\u003a1\"}]}");
    assert_int_equal(ps.n, 3);
    assert_string_equal(ps.models[0].name, "llama3:latest");
    assert_string_equal(ps.models[1].name, "me/foo:q4");
    assert_string_equal(ps.models[2].name, "a:1");
}

static void test_members_that_are_null_missing_or_wrong_are_passed_over(void **state)
{
    (void)state;
    decodes_ps("{\"models\":[null,7,\"x\",[],{},{\"name\":\"\"},{\"name\":7},{\"name\":\"a b\"},"
               "{\"name\":\"ok\",\"size\":-5,\"size_vram\":1.5,\"context_length\":\"7\","
               "\"expires_at\":7,\"details\":null}]}");
    assert_int_equal(ps.n, 1);
    assert_string_equal(ps.models[0].name, "ok:latest");
    assert_int_equal(ps.models[0].size_bytes, 0);
    assert_int_equal(ps.models[0].size_vram_bytes, 0);
    assert_int_equal(ps.models[0].context_length, 0);
}

static void test_sizes_are_exact_or_unknown(void **state)
{
    (void)state;
    decodes_tags("{\"models\":[{\"name\":\"a\",\"size\":9007199254740991},"
                 "{\"name\":\"b\",\"size\":9223372036854775807},"
                 "{\"name\":\"c\",\"size\":1e300},{\"name\":\"d\",\"size\":1.5}]}");
    assert_int_equal(tags.models[0].size_bytes, 9007199254740991);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(tags.models[i].size_bytes, 0);
}

static void test_embedding_models_are_known(void **state)
{
    static const struct row {
        const char *entry;
        bool embeds_only;
    } rows[] = {
        {"\"name\":\"a\",\"details\":{\"family\":\"nomic-bert\"}", true},
        {"\"name\":\"embeddinggemma\",\"details\":{\"family\":\"gemma3\"}", true},
        {"\"name\":\"a\",\"details\":{\"family\":\"gemma3\"}", false},
        {"\"name\":\"a\",\"capabilities\":[\"embedding\"]", true},
        {"\"name\":\"embed\",\"capabilities\":[\"completion\",\"embedding\"]", false},
        {"\"name\":\"a-embed\",\"capabilities\":[\"completion\",\"tools\"]", false},
        {"\"name\":\"a-embed\",\"capabilities\":null", true},
    };
    char body[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(body, sizeof body, "{\"models\":[{%s}]}", rows[i].entry);
        decodes_tags(body);
        assert_int_equal(tags.n, 1);
        if (tags.models[0].embeds_only != rows[i].embeds_only)
            fail_msg("wrong: %s", rows[i].entry);
    }
}

static void test_cloud_models_are_left_out(void **state)
{
    (void)state;
    decodes_tags("{\"models\":[{\"name\":\"gpt-oss:120b-cloud\",\"remote_model\":\"gpt-oss:120b\","
                 "\"remote_host\":\"https://ollama.com:443\",\"size\":384},"
                 "{\"name\":\"a\",\"remote_host\":\"\"}]}");
    assert_int_equal(tags.n, 1);
    assert_string_equal(tags.models[0].name, "a:latest");
    assert_ptr_equal(tags_find(&tags, "a:latest"), &tags.models[0]);
    assert_null(tags_find(&tags, "gpt-oss:120b-cloud"));
}

/* A list of n models, all different. */
static struct span many(char *text, size_t cap, int n)
{
    size_t len = (size_t)snprintf(text, cap, "{\"models\":[");

    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s{\"name\":\"m%d\"}", i ? "," : "", i);
    len += (size_t)snprintf(text + len, cap - len, "]}");
    assert_true(len < cap);
    return (struct span){text, len};
}

static void test_more_models_than_we_hold_are_cut_and_said_so(void **state)
{
    static char text[1 << 16];
    struct err err;

    (void)state;
    assert_int_equal(ps_decode(many(text, sizeof text, PS_RESIDENT_MAX), &ps, &err), 0);
    assert_int_equal(ps.n, PS_RESIDENT_MAX);
    assert_false(ps.truncated);
    assert_int_equal(ps_decode(many(text, sizeof text, PS_RESIDENT_MAX + 1), &ps, &err), 0);
    assert_int_equal(ps.n, PS_RESIDENT_MAX);
    assert_true(ps.truncated);
    assert_int_equal(tags_decode(many(text, sizeof text, PS_INSTALLED_MAX + 9), &tags, &err), 0);
    assert_int_equal(tags.n, PS_INSTALLED_MAX);
    assert_true(tags.truncated);
}

static void test_garbage_is_an_error_and_leaves_the_last_answer(void **state)
{
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "null",
                                         "[]",
                                         "{}",
                                         "{\"models\":{}}",
                                         "7",
                                         "{\"models\":[",
                                         "{\"error\":\"x\"}"};

    (void)state;
    decodes_ps("{\"models\":[{\"name\":\"keep\"}]}");
    decodes_tags("{\"models\":[{\"name\":\"keep\"}]}");
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct err err = {.msg = ""};
        assert_int_equal(ps_decode(span_str(bodies[i]), &ps, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "/api/ps"));
        assert_int_equal(tags_decode(span_str(bodies[i]), &tags, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "/api/tags"));
        assert_string_equal(ps.models[0].name, "keep:latest");
        assert_string_equal(tags.models[0].name, "keep:latest");
    }
}

static void test_version(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "[]",
                                      "{}",
                                      "{\"version\":null}",
                                      "{\"version\":\"\"}",
                                      "{\"version\":7}",
                                      "{\"version\":\"1 2\"}",
                                      "{\"version\":\"\\u001b[2J\"}"};
    char version[PS_VERSION_MAX] = "";
    struct err err = {.msg = ""};

    (void)state;
    assert_int_equal(version_decode(span_str("{\"version\":\"0.33.0-rc2\"}"), version, &err), 0);
    assert_string_equal(version, "0.33.0-rc2");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(version_decode(span_str(bad[i]), version, &err), -EINVAL);
        assert_string_equal(version, "0.33.0-rc2");
    }
}

static void test_room_for_one_more_is_reckoned_as_the_router_does(void **state)
{
    const int64_t mib = 1024 * 1024, gib = 1024 * mib;

    (void)state;
    decodes_ps("{\"models\":[]}");
    assert_true(ps_has_room(&ps, "new:1b", 815 * mib, 8 * gib));
    assert_false(ps_has_room(&ps, "new:1b", 815 * mib, 2 * gib)); /* the system needs 1.5 GB */
    assert_false(ps_has_room(&ps, "new:1b", 0, 8 * gib));
    assert_false(ps_has_room(&ps, "new:1b", 815 * mib, 0));

    decodes_ps("{\"models\":[{\"name\":\"a:1b\",\"size\":2000000000},"
               "{\"name\":\"new:1b\",\"size\":9000000000}]}");
    assert_true(ps_has_room(&ps, "new:1b", 4000000000, 8350000000)); /* 1.5 + 4.85 + 2 */
    assert_false(ps_has_room(&ps, "new:1b", 4000000000, 8340000000));
    assert_false(ps_has_room(&ps, "other:1b", 4000000000, 8350000000));

    decodes_ps("{\"models\":[{\"name\":\"a:1b\"}]}"); /* nobody says how large */
    assert_false(ps_has_room(&ps, "new:1b", 815 * mib, 8 * gib));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ps_of_a_node_with_one_model),
        cmocka_unit_test(test_the_year_of_expires_at_tells_how_models_are_kept),
        cmocka_unit_test(test_no_models_is_an_empty_list),
        cmocka_unit_test(test_names_are_canonical_and_taken_once),
        cmocka_unit_test(test_members_that_are_null_missing_or_wrong_are_passed_over),
        cmocka_unit_test(test_sizes_are_exact_or_unknown),
        cmocka_unit_test(test_embedding_models_are_known),
        cmocka_unit_test(test_cloud_models_are_left_out),
        cmocka_unit_test(test_more_models_than_we_hold_are_cut_and_said_so),
        cmocka_unit_test(test_garbage_is_an_error_and_leaves_the_last_answer),
        cmocka_unit_test(test_room_for_one_more_is_reckoned_as_the_router_does),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
