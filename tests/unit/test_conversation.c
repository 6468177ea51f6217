#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/conversation.h"

#include "test.h"

#define BYTES(text) ((struct span){(text), sizeof(text) - 1})

static const struct span absent = {NULL, 0};

static void assert_key(struct span messages, struct span prompt, struct span system,
                       const char *hashed, size_t len)
{
    char want[CONVERSATION_KEY_SIZE], got[CONVERSATION_KEY_SIZE];

    (void)snprintf(want, sizeof want, "%016" PRIx64, span_hash((struct span){hashed, len}));
    assert_true(conversation_key(BYTES("m:latest"), messages, prompt, system, got));
    assert_string_equal(got, want);
}

#define ASSERT_KEY(messages, prompt, system, hashed)                                               \
    assert_key(messages, prompt, system, hashed, sizeof(hashed) - 1)

static void test_the_key_covers_model_system_and_first_user_message(void **state)
{
    struct span plain = BYTES("[{\"role\":\"user\",\"content\":\"hi\"}]");
    struct span with_system = BYTES("[{\"content\":\"be brief\",\"role\":\"System\"},"
                                    "{\"role\":\"user\",\"content\":\"hi\"}]");

    (void)state;
    ASSERT_KEY(plain, absent, absent, "m:latest\0\0\"hi\"");
    ASSERT_KEY(plain, absent, BYTES("\"s\""), "m:latest\0\"s\"\0\"hi\"");
    ASSERT_KEY(with_system, absent, absent, "m:latest\0\"be brief\"\0\"hi\"");
    ASSERT_KEY(with_system, absent, BYTES("\"s\""), "m:latest\0\"be brief\"\0\"hi\"");
}

static void test_a_conversation_that_goes_on_keeps_its_key(void **state)
{
    struct span one = BYTES("[{\"role\":\"user\",\"content\":\"hi\"}]");
    struct span three = BYTES("[ {\"role\":\"user\", \"content\" : \"hi\"},"
                              "{\"role\":\"assistant\",\"content\":\"yes?\"},"
                              "{\"role\":\"user\",\"content\":\"bye\"}]");
    char a[CONVERSATION_KEY_SIZE], b[CONVERSATION_KEY_SIZE];

    (void)state;
    assert_true(conversation_key(BYTES("m:latest"), one, absent, absent, a));
    assert_true(conversation_key(BYTES("m:latest"), three, absent, absent, b));
    assert_string_equal(a, b);
    assert_true(conversation_key(BYTES("n:latest"), one, absent, absent, b));
    assert_string_not_equal(a, b);
}

static void test_of_a_prompt_the_first_1024_bytes_count(void **state)
{
    char prompt[2048], a[CONVERSATION_KEY_SIZE], b[CONVERSATION_KEY_SIZE];

    (void)state;
    memset(prompt, 'p', sizeof prompt);
    ASSERT_KEY(absent, BYTES("why?"), absent, "m:latest\0\0why?");
    assert_true(conversation_key(BYTES("m"), absent, (struct span){prompt, 2048}, absent, a));
    assert_true(conversation_key(BYTES("m"), absent, (struct span){prompt, 1024}, absent, b));
    assert_string_equal(a, b);
    assert_true(conversation_key(BYTES("m"), absent, (struct span){prompt, 1023}, absent, b));
    assert_string_not_equal(a, b);
}

static void test_without_a_beginning_there_is_no_key(void **state)
{
    static const char *const messages[] = {
        "[]",
        "{}",
        "[1,\"user\",null]",
        "[{\"role\":\"assistant\",\"content\":\"x\"}]",
        "[{\"role\":\"user\"}]",
        "[{\"role\":7,\"content\":\"x\"}]",
    };
    char buf[CONVERSATION_KEY_SIZE] = "x";

    (void)state;
    assert_false(conversation_key(BYTES("m"), absent, absent, absent, buf));
    assert_string_equal(buf, "");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        assert_false(conversation_key(BYTES("m"), span_str(messages[i]), absent, absent, buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_key_covers_model_system_and_first_user_message),
        cmocka_unit_test(test_a_conversation_that_goes_on_keeps_its_key),
        cmocka_unit_test(test_of_a_prompt_the_first_1024_bytes_count),
        cmocka_unit_test(test_without_a_beginning_there_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
