#include <dirent.h>
#include <string.h>

#include "common/scripts.h"
#include "common/sha1.h"

#include "test.h"

static bool is_a_script(const char *file)
{
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const char *name = script_name((enum script)i);
        size_t len = strlen(name);
        if (strncmp(file, name, len) == 0 && strcmp(file + len, ".lua") == 0)
            return true;
    }
    return false;
}

static void test_every_script_of_the_enum_has_its_source(void **state)
{
    (void)state;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        if (script_source((enum script)i)[0] == '\0')
            fail_msg("src/common/lua/%s.lua is missing", script_name((enum script)i));
    }
}

static void test_every_lua_file_has_its_place_in_the_enum(void **state)
{
    DIR *dir = opendir("src/common/lua");
    const struct dirent *entry;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strstr(entry->d_name, ".lua") && !is_a_script(entry->d_name))
            fail_msg("%s has no enum script", entry->d_name);
    }
    (void)closedir(dir);
}

static void test_names_are_sorted_and_shas_are_those_of_the_sources(void **state)
{
    char hex[SHA1_HEX_MAX];

    (void)state;
    for (int i = 0; i < SCRIPT_COUNT; i++) {
        enum script script = (enum script)i;
        sha1_hex(span_str(script_source(script)), hex);
        assert_string_equal(script_sha(script), hex);
        if (i > 0)
            assert_true(strcmp(script_name((enum script)(i - 1)), script_name(script)) < 0);
    }
}

static void test_arguments_keep_their_order_and_bytes(void **state)
{
    struct script_args args;

    (void)state;
    script_args_init(&args);
    script_key(&args, "k1");
    script_key(&args, "k2");
    script_arg(&args, "text");
    script_arg_i64(&args, INT64_MIN);
    script_arg_span(&args, (struct span){"a\0b", 3});
    script_arg_span(&args, (struct span){NULL, 0});

    assert_int_equal(args.n, 6);
    assert_int_equal(args.n_keys, 2);
    assert_string_equal(args.argv[1], "k2");
    assert_string_equal(args.argv[3], "-9223372036854775808");
    assert_int_equal(args.len[4], 3);
    assert_int_equal(args.len[5], 0);
    assert_non_null(args.argv[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_script_of_the_enum_has_its_source),
        cmocka_unit_test(test_every_lua_file_has_its_place_in_the_enum),
        cmocka_unit_test(test_names_are_sorted_and_shas_are_those_of_the_sources),
        cmocka_unit_test(test_arguments_keep_their_order_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
