#include <string.h>

#include "common/model_name.h"

#include "test.h"

static const struct {
    const char *name;
    const char *canonical; /* NULL: no name */
} cases[] = {
    {"llama3", "llama3:latest"},
    {"llama3:latest", "llama3:latest"},
    {"LLama3:8B", "llama3:8b"},
    {"gemma3:1b", "gemma3:1b"},
    {"me/foo", "me/foo:latest"},
    {"library/llama3", "llama3:latest"},
    {"Library/llama3", "llama3:latest"},
    {"registry.ollama.ai/library/llama3:8b", "llama3:8b"},
    {"registry.ollama.ai/me/foo", "me/foo:latest"},
    {"https://registry.ollama.ai/library/llama3", "llama3:latest"},
    {"http://localhost:5000/me/foo:1", "localhost:5000/me/foo:1"},
    {"hf.co/bartowski/X-GGUF:Q4_K_M", "hf.co/bartowski/x-gguf:q4_k_m"},
    {"hf.co/library/x", "hf.co/library/x:latest"},
    {"localhost:5000/me/foo", "localhost:5000/me/foo:latest"},
    {"  llama3\n", "llama3:latest"},
    {"_x", "_x:latest"},
    {"a.b-c_d:e.f-g_h", "a.b-c_d:e.f-g_h"},
    {"qwen3-coder:480b-cloud", "qwen3-coder:480b-cloud"},
    {"", NULL},
    {"   ", NULL},
    {":", NULL},
    {":latest", NULL},
    {"llama3:", NULL},
    {"/llama3", NULL},
    {"llama3/", NULL},
    {"me//foo", NULL},
    {"a/b/c/d", NULL},
    {"-x", NULL},
    {".x", NULL},
    {"x:-tag", NULL},
    {"a.b/foo", NULL}, /* a namespace has no '.' */
    {"a:b:c", NULL},
    {"lla ma", NULL},
    {"llama3\x01", NULL},
    {"ll\xc3\xa4ma", NULL},
    {"x@sha256:00", NULL},
    {"../../etc/passwd", NULL},
    {"a%2fb", NULL},
};

static void test_names_are_normalised_as_ollama_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buf[MODEL_NAME_MAX + 1] = "untouched";
        bool ok = model_name_canonical(span_str(cases[i].name), buf);
        if (ok != (cases[i].canonical != NULL))
            fail_msg("\"%s\": %s", cases[i].name, ok ? buf : "refused");
        assert_string_equal(buf, ok ? cases[i].canonical : "untouched");
    }
}

static void test_normalising_twice_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char once[MODEL_NAME_MAX + 1], twice[MODEL_NAME_MAX + 1];
        if (!model_name_canonical(span_str(cases[i].name), once))
            continue;
        assert_true(model_name_canonical(span_str(once), twice));
        assert_string_equal(once, twice);
    }
}

static void test_each_part_has_a_limit(void **state)
{
    char name[600], buf[MODEL_NAME_MAX + 1];

    (void)state;
    memset(name, 'a', sizeof name);
    assert_true(model_name_canonical((struct span){name, 80}, buf));
    assert_false(model_name_canonical((struct span){name, 81}, buf));
    name[80] = name[161] = '/'; /* 80/80/80 and then the tag */
    assert_true(model_name_canonical((struct span){name, 242}, buf));
    assert_int_equal(strlen(buf), 249);
    name[242] = ':';
    assert_true(model_name_canonical((struct span){name, 255}, buf));
    assert_int_equal(strlen(buf), 255);
    assert_false(model_name_canonical((struct span){name, 256}, buf));
    assert_false(model_name_canonical((struct span){name, sizeof name}, buf));
}

static void test_a_nul_byte_is_no_part_of_a_name(void **state)
{
    char buf[MODEL_NAME_MAX + 1];

    (void)state;
    assert_false(model_name_canonical((struct span){"a\0b", 3}, buf));
    assert_false(model_name_canonical((struct span){"a\0", 2}, buf));
    assert_false(model_name_canonical((struct span){NULL, 0}, buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_normalised_as_ollama_does),
        cmocka_unit_test(test_normalising_twice_changes_nothing),
        cmocka_unit_test(test_each_part_has_a_limit),
        cmocka_unit_test(test_a_nul_byte_is_no_part_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
