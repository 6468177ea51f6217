/* Every rule of protocol section 2, as the router decodes it, and section 4, as the worker does. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/request.h"

#include "test.h"

#define MAX_BYTES 65536

struct pair {
    const char *name, *value;
};

static redisReply *entry_make(const char *id, const struct pair *pairs, size_t n)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    char text[256];

    assert_non_null(reader);
    (void)snprintf(text, sizeof text, "*2\r\n$%zu\r\n%s\r\n*%zu\r\n", strlen(id), id, 2 * n);
    assert_int_equal(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
    for (size_t i = 0; i < 2 * n; i++) {
        const char *value = i % 2 ? pairs[i / 2].value : pairs[i / 2].name;

        (void)snprintf(text, sizeof text, "$%zu\r\n", strlen(value));
        assert_int_equal(redisReaderFeed(reader, text, strlen(text)), REDIS_OK);
        assert_int_equal(redisReaderFeed(reader, value, strlen(value)), REDIS_OK);
        assert_int_equal(redisReaderFeed(reader, "\r\n", 2), REDIS_OK);
    }
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    return reply;
}

static const struct pair smallest[] = {
    {"request_id", "r1"},
    {"model", "gemma3:1b"},
    {"messages", "[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]"},
    {"callback", "orion:inference:responses:r1"},
};

static struct keys keys;

static void test_the_smallest_request_is_taken(void **state)
{
    redisReply *entry = entry_make("1700000000000-3", smallest, 4);
    struct request request;
    struct err err;

    (void)state;
    assert_int_equal(request_decode(entry, &keys, REQUEST_FROM_CLIENT, MAX_BYTES, &request, &err),
                     REQUEST_OK);
    assert_true(span_is(request.request_id, "r1"));
    assert_string_equal(request.model_name, "gemma3:1b");
    assert_int_equal(request.kind, REQUEST_CHAT);
    assert_int_equal(request.priority, REQUEST_NORMAL);
    assert_int_equal(request.attempt, 1);
    assert_false(request.came_back || request.stream || request.progress);
    assert_int_equal(entry_id_ms(request.id), 1700000000000);
    freeReplyObject(entry);
}

/* One change to the smallest request each: replaces the field of that name, or adds it; a value of
 * NULL takes it out; a `second` pair is added as well. */
static const struct bad_case {
    struct pair change, second;
    enum request_outcome outcome;
    const char *says; /* must be part of the message */
} bad_cases[] = {
    {{"request_id", NULL}, {0}, REQUEST_UNANSWERABLE, "field 'request_id' is missing"},
    {{"request_id", ""}, {0}, REQUEST_UNANSWERABLE, "must be 1 to 128 of"},
    {{"request_id", "a b"}, {0}, REQUEST_UNANSWERABLE, "must be 1 to 128 of"},
    {{"request_id", "r\xc3\xa9"}, {0}, REQUEST_UNANSWERABLE, "must be 1 to 128 of"},
    {{"model", "gemma3:1b"}, {"request_id", "r2"}, REQUEST_UNANSWERABLE, "given twice"},
    {{"callback", "orion:inference:requests"}, {0}, REQUEST_UNANSWERABLE, "must begin with"},
    {{"callback", "orion:inference:responses:"}, {0}, REQUEST_UNANSWERABLE, "must begin with"},
    {{"callback", "orion:inference:responses:a b"}, {0}, REQUEST_UNANSWERABLE, "must begin with"},
    {{"model", NULL}, {0}, REQUEST_INVALID, "field 'model' is missing"},
    {{"model", "no model"}, {0}, REQUEST_INVALID, "field 'model' is no model name: 'no model'"},
    {{"model", "a"}, {"model", "b"}, REQUEST_INVALID, "field 'model' is given twice"},
    {{"messages", NULL}, {0}, REQUEST_INVALID, "exactly one of 'messages', 'prompt' and 'input'"},
    {{"prompt", "hi"}, {0}, REQUEST_INVALID, "exactly one of"},
    {{"messages", "{}"}, {0}, REQUEST_INVALID, "messages"},
    {{"messages", "[1,]"}, {0}, REQUEST_INVALID, "messages"},
    {{"messages", "[\"\xff\"]"}, {0}, REQUEST_INVALID, "field 'messages' is not UTF-8"},
    {{"params", "[]"}, {0}, REQUEST_INVALID, "params"},
    {{"params", "{\"Model\":\"x\"}"}, {0}, REQUEST_INVALID, "model"},
    {{"params", "{\"stream\":true}"}, {0}, REQUEST_INVALID, "stream"},
    {{"stream", "yes"}, {0}, REQUEST_INVALID, "field 'stream' is 'yes'; write 1 or 0"},
    {{"progress", ""}, {0}, REQUEST_INVALID, "field 'progress' is ''"},
    {{"priority", "urgent"}, {0}, REQUEST_INVALID, "write high, normal or low"},
    {{"timeout_ms", "0"}, {0}, REQUEST_INVALID, "from 1 to 86400000"},
    {{"timeout_ms", "86400001"}, {0}, REQUEST_INVALID, "from 1 to 86400000"},
    {{"timeout_ms", "5s"}, {0}, REQUEST_INVALID, "field 'timeout_ms' is '5s'"},
    {{"temprature", "1"}, {0}, REQUEST_INVALID, "unknown field 'temprature'"},
    {{"\xff", "1"}, {0}, REQUEST_INVALID, "a field's name is not UTF-8"},
    {{"attempt", "x"}, {0}, REQUEST_INVALID, "field 'attempt' is 'x'"},
};

static redisReply *changed(const struct bad_case *c)
{
    struct pair pairs[8];
    size_t n = 0;
    bool found = false;

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(smallest[i].name, c->change.name) != 0) {
            pairs[n++] = smallest[i];
            continue;
        }
        found = true;
        if (c->change.value)
            pairs[n++] = c->change;
    }
    if (!found)
        pairs[n++] = c->change;
    if (c->second.name)
        pairs[n++] = c->second;
    return entry_make("1-1", pairs, n);
}

static void test_every_broken_field_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof bad_cases[0]; i++) {
        redisReply *entry = changed(&bad_cases[i]);
        struct request request;
        struct err err = {""};
        enum request_outcome outcome =
            request_decode(entry, &keys, REQUEST_FROM_CLIENT, MAX_BYTES, &request, &err);

        if (outcome != bad_cases[i].outcome || !strstr(err.msg, bad_cases[i].says))
            print_error("case %zu (%s): outcome %d, '%s'\n", i, bad_cases[i].change.name, outcome,
                        err.msg);
        assert_int_equal(outcome, bad_cases[i].outcome);
        assert_non_null(strstr(err.msg, bad_cases[i].says));
        freeReplyObject(entry);
    }
}

static void test_sizes_have_limits(void **state)
{
    static const struct {
        const char *name;
        size_t max;
    } limits[] = {{"session", 256}, {"client", 128}, {"metadata", 4096}};
    char value[5000];

    (void)state;
    memset(value, 'x', sizeof value);
    for (size_t i = 0; i < 3; i++) {
        for (size_t over = 0; over < 2; over++) {
            struct pair pairs[5];
            struct request request;
            struct err err;

            memcpy(pairs, smallest, sizeof smallest);
            value[limits[i].max + over] = '\0';
            pairs[4] = (struct pair){limits[i].name, value};
            redisReply *entry = entry_make("1-1", pairs, 5);
            assert_int_equal(
                request_decode(entry, &keys, REQUEST_FROM_CLIENT, MAX_BYTES, &request, &err),
                over ? REQUEST_INVALID : REQUEST_OK);
            freeReplyObject(entry);
            value[limits[i].max + over] = 'x';
        }
    }
    redisReply *entry = entry_make("1-1", smallest, 4);
    struct request request;
    struct err err;

    assert_int_equal(request_decode(entry, &keys, REQUEST_FROM_CLIENT, 100, &request, &err),
                     REQUEST_INVALID);
    assert_non_null(strstr(err.msg, "at most 100 are taken"));
    freeReplyObject(entry);
}

static void test_what_routers_add_does_not_make_an_entry_too_large(void **state)
{
    struct pair pairs[6];
    struct request request;
    struct err err;

    (void)state;
    memcpy(pairs, smallest, sizeof smallest);
    pairs[4] = (struct pair){"attempt", "2"};
    pairs[5] = (struct pair){"last_error", "a sentence that says at length what has gone wrong"};
    redisReply *first = entry_make("1-1", pairs, 4), *returned = entry_make("2-1", pairs, 6);
    assert_int_equal(request_decode(first, &keys, REQUEST_FROM_CLIENT, MAX_BYTES, &request, &err),
                     REQUEST_OK);
    assert_int_equal(
        request_decode(returned, &keys, REQUEST_FROM_CLIENT, request.bytes, &request, &err),
        REQUEST_OK);
    freeReplyObject(first);
    freeReplyObject(returned);
}

static void test_ten_thousand_fields_are_one_error(void **state)
{
    static struct pair pairs[10004];
    struct request request;
    struct err err;

    (void)state;
    memcpy(pairs, smallest, sizeof smallest);
    for (size_t i = 4; i < 10004; i++)
        pairs[i] = (struct pair){"x", "y"};
    redisReply *entry = entry_make("1-1", pairs, 10004);
    assert_int_equal(request_decode(entry, &keys, REQUEST_FROM_CLIENT, 1 << 20, &request, &err),
                     REQUEST_INVALID);
    assert_non_null(strstr(err.msg, "has 10004 fields; at most 64"));
    assert_true(span_is(request.request_id, "r1"));
    freeReplyObject(entry);
}

static void test_an_entry_from_a_router_needs_what_routers_add(void **state)
{
    struct pair pairs[9];
    struct request request;
    struct err err;

    (void)state;
    memcpy(pairs, smallest, sizeof smallest);
    pairs[4] = (struct pair){"attempt", "2"};
    pairs[5] = (struct pair){"origin_id", "5-0"};
    pairs[6] = (struct pair){"submitted_ms", "5"};
    pairs[7] = (struct pair){"deadline_ms", "1000"};
    pairs[8] = (struct pair){"tried", "pi-1,pi-2"};
    redisReply *entry = entry_make("7-0", pairs, 9);
    assert_int_equal(request_decode(entry, &keys, REQUEST_FROM_ROUTER, MAX_BYTES, &request, &err),
                     REQUEST_OK);
    assert_int_equal(request.attempt, 2);
    assert_int_equal(request.deadline_ms, 1000);
    assert_true(request.came_back);
    assert_string_equal(request.forged, "attempt");
    assert_true(node_list_has(request.tried, span_str("pi-2")));
    assert_false(node_list_has(request.tried, span_str("pi")));
    freeReplyObject(entry);

    entry = entry_make("7-0", pairs, 7);
    assert_int_equal(request_decode(entry, &keys, REQUEST_FROM_ROUTER, MAX_BYTES, &request, &err),
                     REQUEST_INVALID);
    assert_string_equal(err.msg, "field 'deadline_ms' is missing");
    freeReplyObject(entry);
}

static void test_node_lists_grow_once_per_node_and_drop_the_oldest(void **state)
{
    char list[16];

    (void)state;
    node_list_add(span_str(""), span_str("pi-1"), list, sizeof list);
    assert_string_equal(list, "pi-1");
    node_list_add(span_str("pi-1,pi-2"), span_str("pi-1"), list, sizeof list);
    assert_string_equal(list, "pi-1,pi-2");
    node_list_add(span_str("pi-1,pi-2,pi-3"), span_str("pi-4"), list, sizeof list);
    assert_string_equal(list, "pi-2,pi-3,pi-4");
}

static void test_an_entry_id_says_its_milliseconds(void **state)
{
    (void)state;
    assert_int_equal(entry_id_ms(span_str("10-9")), 10);
    assert_int_equal(entry_id_ms(span_str("18446744073709551615-1")), INT64_MAX);
    assert_int_equal(entry_id_ms(span_str("x")), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_smallest_request_is_taken),
        cmocka_unit_test(test_every_broken_field_is_refused_by_name),
        cmocka_unit_test(test_sizes_have_limits),
        cmocka_unit_test(test_what_routers_add_does_not_make_an_entry_too_large),
        cmocka_unit_test(test_ten_thousand_fields_are_one_error),
        cmocka_unit_test(test_an_entry_from_a_router_needs_what_routers_add),
        cmocka_unit_test(test_node_lists_grow_once_per_node_and_drop_the_oldest),
        cmocka_unit_test(test_an_entry_id_says_its_milliseconds),
    };

    keys_init(&keys, "orion:inference");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
