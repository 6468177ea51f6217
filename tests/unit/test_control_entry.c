/* Control entries and events: what they mean to a router, and what is passed over. */

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "control_entry.h"
#include "test.h"

/* "1-1 op cancel request_id r1" as the reply of XREAD would have it. */
static redisReply *entry(const char *words)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    char copy[256], resp[1024], *save = NULL;
    size_t n = 0, len = 0;
    const char *word[16] = {""};

    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
        word[n++] = w;
    len = (size_t)snprintf(resp, sizeof resp, "*2\r\n$%zu\r\n%s\r\n*%zu\r\n", strlen(word[0]),
                           word[0], n - 1);
    for (size_t i = 1; i < n; i++)
        len += (size_t)snprintf(resp + len, sizeof resp - len, "$%zu\r\n%s\r\n", strlen(word[i]),
                                word[i]);
    assert_int_equal(redisReaderFeed(reader, resp, len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    redisReaderFree(reader);
    return reply;
}

static void test_control_entries(void **state)
{
    static const struct {
        const char *words;
        enum control_op op;
    } cases[] = {
        {"7-1 op cancel request_id r1", CONTROL_CANCEL},
        {"7-1 request_id r1 op cancel", CONTROL_CANCEL},
        {"7-1 op cancel", CONTROL_OTHER},
        {"7-1 op cancel request_id a/b", CONTROL_OTHER},
        {"7-1 op drain node pi-2", CONTROL_DRAIN},
        {"7-1 op undrain node pi-2", CONTROL_UNDRAIN},
        {"7-1 op drain node pi:2", CONTROL_OTHER},
        {"7-1 op explode", CONTROL_OTHER},
        {"7-1", CONTROL_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *reply = entry(cases[i].words);
        struct control_entry control;

        control_decode(reply, &control);
        assert_int_equal(control.op, cases[i].op);
        assert_int_equal(control.id_ms, 7);
        freeReplyObject(reply);
    }
}

static void test_events(void **state)
{
    static const struct {
        const char *words;
        enum event_kind kind;
        bool is_failure;
        int64_t run_ms;
    } cases[] = {
        {"1-1 event done node pi-1 run_ms 1200", EVENT_ENDED, false, 1200},
        {"1-1 event done node pi-1 run_ms x", EVENT_ENDED, false, -1},
        {"1-1 event failed node pi-1 run_ms 5", EVENT_ENDED, false, -1},
        {"1-1 event requeued node pi-1", EVENT_REQUEUED, true, -1},
        {"1-1 event requeued node pi-1 router ra", EVENT_REQUEUED, false, -1},
        {"1-1 event routed node pi-1 router ra", EVENT_ROUTED, false, -1},
        {"1-1 event node_up node pi-1", EVENT_NODE, false, -1},
        {"1-1 event drain node pi-1", EVENT_DRAINED, false, -1},
        {"1-1 event sunrise", EVENT_OTHER, false, -1},
        {"1-1", EVENT_OTHER, false, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        redisReply *reply = entry(cases[i].words);
        struct event_entry event;

        event_decode(reply, &event);
        assert_int_equal(event.kind, cases[i].kind);
        assert_int_equal(event.is_failure, cases[i].is_failure);
        assert_int_equal(event.run_ms, cases[i].run_ms);
        freeReplyObject(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_entries),
        cmocka_unit_test(test_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
