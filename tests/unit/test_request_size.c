/* How much work a request is, by its text. */

#include <string.h>

#include "common/request.h"

#include "request_size.h"
#include "test.h"

static struct request_size size_of(enum request_kind kind, const char *payload, const char *params)
{
    struct request request = {.kind = kind, .model_name = "m:latest"};

    request.payload = span_str(payload);
    if (params)
        request.params = span_str(params);
    return request_size_of(&request);
}

static void four_bytes_are_a_token(void **state)
{
    (void)state;
    assert_int_equal(size_of(REQUEST_GENERATE, "12345678", NULL).prompt_tokens, 3);
    assert_int_equal(size_of(REQUEST_GENERATE, "", NULL).prompt_tokens, 1);
    assert_int_equal(size_of(REQUEST_GENERATE, "12345678", NULL).prefix_hash, 0);
}

static void the_system_prompt_is_what_conversations_share(void **state)
{
    const char *a = "[{\"role\":\"System\",\"content\":\"be brief, be kind\"},"
                    "{\"role\":\"user\",\"content\":\"one\"}]";
    const char *b = "[{\"role\":\"system\",\"content\":\"be brief, be kind\"},"
                    "{\"role\":\"user\",\"content\":\"another\"}]";
    const char *c = "[{\"role\":\"user\",\"content\":\"be brief, be kind\"}]";

    (void)state;
    assert_int_equal(size_of(REQUEST_CHAT, a, NULL).prefix_tokens, 4);
    assert_true(size_of(REQUEST_CHAT, a, NULL).prefix_hash != 0);
    assert_true(size_of(REQUEST_CHAT, a, NULL).prefix_hash ==
                size_of(REQUEST_CHAT, b, NULL).prefix_hash);
    assert_int_equal(size_of(REQUEST_CHAT, c, NULL).prefix_hash, 0);
    assert_int_equal(size_of(REQUEST_GENERATE, "hi", "{\"system\":\"1234567890\"}").prefix_tokens,
                     3);
    assert_int_equal(size_of(REQUEST_GENERATE, "hi", "{\"system\":\"1234567890\"}").prompt_tokens,
                     4);
}

static void an_answer_that_is_limited_is_taken_to_be_short(void **state)
{
    (void)state;
    assert_int_equal(
        size_of(REQUEST_GENERATE, "hi", "{\"options\":{\"num_predict\":7}}").output_tokens_max, 7);
    assert_int_equal(
        size_of(REQUEST_GENERATE, "hi", "{\"options\":{\"num_predict\":-1}}").output_tokens_max, 0);
    assert_int_equal(size_of(REQUEST_GENERATE, "hi", "{\"options\":3}").output_tokens_max, 0);
    assert_int_equal(size_of(REQUEST_GENERATE, "hi", NULL).output_tokens_max, 0);
    assert_int_equal(size_of(REQUEST_EMBED, "\"hi\"", NULL).output_tokens_max, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_bytes_are_a_token),
        cmocka_unit_test(the_system_prompt_is_what_conversations_share),
        cmocka_unit_test(an_answer_that_is_limited_is_taken_to_be_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
