#include <hiredis/hiredis.h>
#include <string.h>

#include "common/reply.h"

#include "test.h"

static redisReply *parse(const char *resp)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_non_null(reader);
    assert_int_equal(redisReaderFeed(reader, resp, strlen(resp)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static void test_null_is_absent_for_every_function(void **state)
{
    int64_t value = 7;

    (void)state;
    assert_null(reply_at(NULL, 0));
    assert_int_equal(reply_count(NULL), 0);
    assert_null(reply_span(NULL).ptr);
    assert_null(reply_error(NULL));
    assert_false(reply_is_error(NULL, "OOM"));
    assert_false(reply_i64(NULL, &value));
    assert_null(reply_field(NULL, "a"));
    assert_int_equal(value, 7);
}

static void test_arrays_are_bounded(void **state)
{
    redisReply *r = parse("*3\r\n$1\r\na\r\n:2\r\n$-1\r\n");

    (void)state;
    assert_int_equal(reply_count(r), 3);
    assert_true(span_is(reply_span(reply_at(r, 0)), "a"));
    assert_null(reply_span(reply_at(r, 1)).ptr);
    assert_non_null(reply_at(r, 2));
    assert_null(reply_span(reply_at(r, 2)).ptr); /* nil */
    assert_null(reply_at(r, 3));
    assert_null(reply_at(reply_at(r, 0), 0));
    freeReplyObject(r);
}

static void test_null_array_has_no_elements(void **state)
{
    redisReply *r = parse("*-1\r\n");

    (void)state;
    assert_int_equal(reply_count(r), 0);
    assert_null(reply_at(r, 0));
    freeReplyObject(r);
}

static void test_strings_keep_nul_bytes_and_emptiness(void **state)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    (void)state;
    assert_int_equal(redisReaderFeed(reader, "$3\r\na\0b\r\n", 9), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_int_equal(reply_span(reply).len, 3);
    freeReplyObject(reply);
    redisReaderFree(reader);
    reply = parse("$0\r\n\r\n");
    assert_non_null(reply_span(reply).ptr);
    freeReplyObject(reply);
    reply = parse("+OK\r\n");
    assert_true(span_is(reply_span(reply), "OK"));
    freeReplyObject(reply);
}

static void test_errors_are_told_by_their_first_word(void **state)
{
    redisReply *r = parse("-NOGROUP No such key\r\n");

    (void)state;
    assert_string_equal(reply_error(r), "NOGROUP No such key");
    assert_true(reply_is_error(r, "NOGROUP"));
    assert_false(reply_is_error(r, "NO"));
    assert_null(reply_span(r).ptr);
    freeReplyObject(r);
    r = parse("-LOADING\r\n");
    assert_true(reply_is_error(r, "LOADING"));
    freeReplyObject(r);
    r = parse("+OOM\r\n");
    assert_false(reply_is_error(r, "OOM"));
    freeReplyObject(r);
}

static void test_integers_come_as_integer_or_text(void **state)
{
    static const struct {
        const char *resp;
        bool ok;
        int64_t value;
    } cases[] = {
        {":42\r\n", true, 42},      {":-1\r\n", true, -1},      {"$2\r\n42\r\n", true, 42},
        {"+7\r\n", true, 7},        {"$2\r\n-1\r\n", false, 0}, {"$0\r\n\r\n", false, 0},
        {"$2\r\n4x\r\n", false, 0}, {"$-1\r\n", false, 0},      {"-7\r\n", false, 0},
        {"*1\r\n:1\r\n", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *r = parse(cases[i].resp);
        int64_t value = 99;
        assert_int_equal(reply_i64(r, &value), cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 99);
        freeReplyObject(r);
    }
}

static void test_a_field_is_found_by_name_not_by_value(void **state)
{
    redisReply *r = parse("*5\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nz\r\n");

    (void)state;
    assert_true(span_is(reply_span(reply_field(r, "a")), "b"));
    assert_true(span_is(reply_span(reply_field(r, "b")), "c"));
    assert_null(reply_field(r, "c"));
    assert_null(reply_field(r, "z")); /* a name without a value */
    assert_null(reply_field(r, ""));
    freeReplyObject(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_is_absent_for_every_function),
        cmocka_unit_test(test_arrays_are_bounded),
        cmocka_unit_test(test_null_array_has_no_elements),
        cmocka_unit_test(test_strings_keep_nul_bytes_and_emptiness),
        cmocka_unit_test(test_errors_are_told_by_their_first_word),
        cmocka_unit_test(test_integers_come_as_integer_or_text),
        cmocka_unit_test(test_a_field_is_found_by_name_not_by_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
