/* What a client's JSON may look like, and the sentence when it may not. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/request_check.h"

#include "test.h"

typedef int check_fn(struct span text, struct err *err);

static void accepts(check_fn *check, const char *text)
{
    struct err err = {.msg = ""};

    if (check(span_str(text), &err) != 0)
        fail_msg("'%s' was refused: %s", text, err.msg);
    assert_string_equal(err.msg, "");
}

static void refuses(check_fn *check, const char *text, const char *part)
{
    struct err err = {.msg = ""};

    if (check(span_str(text), &err) != -EINVAL)
        fail_msg("'%s' was taken", text ? text : "(absent)");
    if (!strstr(err.msg, part))
        fail_msg("'%s': expected '%s' in '%s'", text ? text : "(absent)", part, err.msg);
}

static void test_messages_must_be_one_json_array(void **state)
{
    (void)state;
    accepts(request_check_messages, "[]");
    accepts(request_check_messages, " [{\"role\":\"user\",\"content\":\"Hi\"}] ");
    refuses(request_check_messages, NULL, "messages is empty; it must be a JSON array");
    refuses(request_check_messages, "", "messages is empty");
    refuses(request_check_messages, "{}", "messages is JSON but no array");
    refuses(request_check_messages, "\"[]\"", "messages is JSON but no array");
    refuses(request_check_messages, "[1,]", "messages is not JSON (");
    refuses(request_check_messages, "[] []", "messages is not JSON (");
    refuses(request_check_messages, "[\"\xff\"]", "messages is not JSON (");
}

static void test_prompt_may_be_any_utf8_text(void **state)
{
    (void)state;
    accepts(request_check_prompt, "");
    accepts(request_check_prompt, "\"not\" {JSON} gr\xc3\xbc\xc3\x9f\n");
    refuses(request_check_prompt, "\xc3", "prompt is not UTF-8");
}

static void test_input_must_be_a_string_or_an_array_of_strings(void **state)
{
    (void)state;
    accepts(request_check_input, "\"text\"");
    accepts(request_check_input, "[]");
    accepts(request_check_input, "[\"a\", \"\"]");
    refuses(request_check_input, "text", "input is not JSON (");
    refuses(request_check_input, "7", "input is JSON of another type; it must be a JSON string");
    refuses(request_check_input, "{\"a\":\"b\"}", "input is JSON of another type");
    refuses(request_check_input, "[\"a\",7]", "input: element 1 is no string");
    refuses(request_check_input, "[[\"a\"]]", "input: element 0 is no string");
}

static void test_params_must_be_an_object(void **state)
{
    (void)state;
    accepts(request_check_params, "{}");
    accepts(request_check_params, "{\"options\":{\"num_ctx\":9,\"model\":\"x\"},\"keep_alive\":0}");
    accepts(request_check_params, "{\"modelx\":1,\"x\":{\"stream\":true}}");
    refuses(request_check_params, "[]", "params is JSON but no object");
    refuses(request_check_params, "{\"a\":1,}", "params is not JSON (");
}

static void test_params_may_not_set_what_the_fleet_owns(void **state)
{
    static const char *const owned[] = {"model", "stream", "messages", "prompt", "input"};
    char text[64];
    char expected[64];

    (void)state;
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        (void)snprintf(text, sizeof text, "{\"think\":true,\"%s\":null}", owned[i]);
        (void)snprintf(expected, sizeof expected, "params may not set '%s'", owned[i]);
        refuses(request_check_params, text, expected);
    }
}

static void test_params_are_matched_as_go_matches_fields(void **state)
{
    (void)state;
    refuses(request_check_params, "{\"MODEL\":1}", "'model'");
    refuses(request_check_params, "{\"\\u006dodel\":1}", "'model'");
    refuses(request_check_params, "{\"\xc5\xbftream\":true}", "'stream'");
    assert_null(request_owned_field(span_str("models")));
    assert_string_equal(request_owned_field(span_str("Prompt")), "prompt");
}

static void test_json_that_is_too_deep_is_refused(void **state)
{
    char text[256];

    (void)state;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    refuses(request_check_messages, text, "messages is not JSON (");
    text[129] = '\0';
    accepts(request_check_messages, text + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_must_be_one_json_array),
        cmocka_unit_test(test_prompt_may_be_any_utf8_text),
        cmocka_unit_test(test_input_must_be_a_string_or_an_array_of_strings),
        cmocka_unit_test(test_params_must_be_an_object),
        cmocka_unit_test(test_params_may_not_set_what_the_fleet_owns),
        cmocka_unit_test(test_params_are_matched_as_go_matches_fields),
        cmocka_unit_test(test_json_that_is_too_deep_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
