#include "script_call.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX 200

static char deadline_text[24]; /* of this test; reset_world() sets it */

/* --- calls --- */

/* Every word of a call, where it is in struct call, and its value in the world. */
static const struct word {
    const char *name;
    size_t offset;
    const char *fallback;
} words[] = {
#define WORD(name, fallback)                                                                       \
    {                                                                                              \
#name, offsetof(struct call, name), fallback                                               \
    }
    WORD(requests, REQUESTS),
    WORD(stream, NODE),
    WORD(job, JOB),
    WORD(callback, CALLBACK),
    WORD(epoch_key, EPOCH),
    WORD(router, "rt1"),
    WORD(node, "n1"),
    WORD(entry, "0-1"),
    WORD(request_id, "r1"),
    WORD(attempt, "1"),
    WORD(epoch, "7"),
    WORD(credit, "1"),
    WORD(submitted, SUBMITTED),
    WORD(deadline, deadline_text),
    WORD(tried, ""),
    WORD(came_back, "0"),
    WORD(ttl_ms, "60000"),
    WORD(why, "idle"),
    WORD(status, "0"),
    WORD(model, "m"),
    WORD(last_error, ""),
    WORD(code, "deadline_exceeded"),
    WORD(error, "too late"),
    WORD(retryable, "1"),
    WORD(event, "failed"),
    WORD(dead, "0"),
    WORD(answerable, "1"),
    WORD(max_queue, ""),
    WORD(passed, ""),
    WORD(state, ""),
    WORD(run_ms, "12"),
    WORD(left_ms, "100000"),
    WORD(sent_before, "0"),
    WORD(delivery, "started"),
    WORD(lost_ms, "15000"),
    WORD(more_tried, "n1"),
    WORD(json, "{\"node_id\":\"n1\""),
    WORD(low_epoch, "1"),
    WORD(longest, "4096"),
    WORD(control_id, "1-0"),
    WORD(control_ms, "1"),
    WORD(mark_ms, "30000"),
    WORD(op, "drain"),
    WORD(other, "rt2"),
    WORD(stale_ms, "15000"),
    WORD(count, "100"),
    WORD(forget_ms, "86400000"),
    WORD(at_node, ""),
#undef WORD
};

/* The heads of the scripts: KEYS, then ARGV. */
static const struct {
    const char *keys, *args;
} forms[SCRIPT_COUNT] = {
    [SCRIPT_ADOPT] = {"requests @routers", "=routers router other stale_ms count"},
    [SCRIPT_BEAT] = {"@health epoch_key @drained stream", "node epoch json =workers"},
    [SCRIPT_BURY] = {"stream epoch_key @dead @events", "=workers node epoch entry error"},
    [SCRIPT_CANCEL] = {"@control job requests", "=routers control_id control_ms mark_ms"},
    [SCRIPT_CHUNK] = {"stream epoch_key job callback",
                      "=workers node epoch entry left_ms sent_before"},
    [SCRIPT_DRAIN] = {"@control @drained @events", "=routers control_id op node"},
    [SCRIPT_END] = {"requests callback job @events @dead",
                    "=routers router entry request_id attempt came_back ttl_ms code error "
                    "retryable event at_node dead answerable max_queue passed"},
    [SCRIPT_FINISH] = {"stream epoch_key job callback @events @dead",
                       "=workers node epoch entry request_id attempt event model code error "
                       "run_ms"},
    [SCRIPT_FORGET] = {"@health epoch_key stream", "node forget_ms"},
    [SCRIPT_GOODBYE] = {"@health epoch_key stream @events", "node epoch why"},
    [SCRIPT_HEAL] = {"requests", "=routers mark_ms count"},
    [SCRIPT_MOVE] = {"requests stream job callback @events @drained @health",
                     "=routers router entry node credit request_id attempt submitted deadline "
                     "tried came_back ttl_ms why status model last_error"},
    [SCRIPT_OUTLINE] = {"stream", "entry longest"},
    [SCRIPT_PRESENCE] = {"@routers requests", "router json"},
    [SCRIPT_REGISTER] = {"@health epoch_key stream @events", "node =workers json low_epoch"},
    [SCRIPT_REQUEUE] = {"stream requests job epoch_key @events callback",
                        "=workers node epoch entry request_id attempt tried last_error delivery "
                        "status model"},
    [SCRIPT_START] = {"stream epoch_key job callback @events",
                      "=workers node epoch entry request_id attempt submitted deadline state "
                      "model"},
    [SCRIPT_STATUS] = {"requests callback job", "=routers router entry ttl_ms"},
    [SCRIPT_TAKEBACK] = {"stream requests job @health @events callback",
                         "=workers node entry request_id attempt more_tried delivery lost_ms "
                         "model router status tried"},
};

/* A word that is the same in every call. */
static const char *constant_value(const char *name, size_t len)
{
    static const char *const constants[][2] = {
        {"@health", HEALTH},         {"@routers", ROUTERS},
        {"@events", EVENTS},         {"@dead", DEAD},
        {"@drained", DRAINED},       {"@control", CONTROL},
        {"=routers", GROUP_ROUTERS}, {"=workers", GROUP_WORKERS},
    };

    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
        if (strlen(constants[i][0]) == len && !strncmp(constants[i][0], name, len))
            return constants[i][1];
    }
    return NULL;
}

static const char *word_value(const struct call *call, const char *name, size_t len)
{
    const char *constant = constant_value(name, len);

    if (constant)
        return constant;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *value = NULL;

        if (strlen(words[i].name) != len || strncmp(words[i].name, name, len) != 0)
            continue;
        memcpy(&value, (const char *)call + words[i].offset, sizeof value);
        return value ? value : words[i].fallback;
    }
    fail_msg("no word %s", name);
    return NULL;
}

static int words_add(const char **argv, int n, const struct call *call, const char *form)
{
    while (*form) {
        size_t len = strcspn(form, " ");

        assert_true(n < ARGS_MAX);
        argv[n++] = word_value(call, form, len);
        form += len + strspn(form + len, " ");
    }
    return n;
}

static int list_add(const char **argv, int n, const char *const *list)
{
    for (; list && *list; list++) {
        assert_true(n < ARGS_MAX);
        argv[n++] = *list;
    }
    return n;
}

const char *script_run(struct redis_fixture *fx, enum script script, const struct call *call)
{
    const char *argv[ARGS_MAX] = {"EVAL", script_source(script)};
    char n_keys[16];
    int n = words_add(argv, 3, call, forms[script].keys);

    n = list_add(argv, n, call->more_keys);
    (void)snprintf(n_keys, sizeof n_keys, "%d", n - 3);
    argv[2] = n_keys;
    n = words_add(argv, n, call, forms[script].args);
    n = list_add(argv, n, call->more_args);
    return text_of_reply(redisCommandArgv(fx->client, n, argv, NULL));
}

void script_refuses(struct redis_fixture *fx, const char *expected, enum script script,
                    const struct call *call)
{
    redisReply *before = snapshot_take(fx);

    assert_string_equal(script_run(fx, script, call), expected);
    snapshot_unchanged(fx, before);
}

/* --- the world --- */

const char *redis_ms_plus(struct redis_fixture *fx, long delta_ms)
{
    redisReply *reply = fixture_cmd(fx, "TIME");
    long long ms =
        atoll(reply->element[0]->str) * 1000 + atoll(reply->element[1]->str) / 1000 + delta_ms;

    freeReplyObject(reply);
    return text_of("%lld", ms);
}

int reset_world(void **state)
{
    struct redis_fixture *fx = *state;

    fixture_ok(fx, "CONFIG SET maxmemory 0");
    fixture_ok(fx, "FLUSHALL");
    fixture_ok(fx, "XGROUP CREATE %s %s 0 MKSTREAM", REQUESTS, GROUP_ROUTERS);
    fixture_ok(fx, "XGROUP CREATE %s %s 0 MKSTREAM", CONTROL, GROUP_ROUTERS);
    fixture_ok(fx, "XGROUP CREATE %s %s 0 MKSTREAM", NODE, GROUP_WORKERS);
    fixture_ok(fx, "SET %s 7", EPOCH);
    fixture_ok(fx, "HSET %s n1 %s", HEALTH, "{}");
    (void)snprintf(deadline_text, sizeof deadline_text, "%s", redis_ms_plus(fx, LEFT_MS));
    return 0;
}

const char *add_entry(struct redis_fixture *fx, const char *stream, const char *const *fields)
{
    const char *argv[ARGS_MAX] = {"XADD", stream, "*"};
    int n = list_add(argv, 3, fields);

    return text_of_reply(redisCommandArgv(fx->client, n, argv, NULL));
}

const char *deliver(struct redis_fixture *fx, const char *stream, const char *consumer)
{
    redisReply *reply = fixture_cmd(fx, "XREADGROUP GROUP %s %s COUNT 1 STREAMS %s >",
                                    group_of(stream), consumer, stream);
    const char *id = "";

    if (reply->type == REDIS_REPLY_ARRAY)
        id = text_of("%s", reply->element[0]->element[1]->element[0]->element[0]->str);
    freeReplyObject(reply);
    return id;
}

const char *submit(struct redis_fixture *fx)
{
    (void)add_entry(fx, REQUESTS,
                    LIST("request_id", "r1", "model", "m", "prompt", "hi", "metadata", "mine"));
    return deliver(fx, REQUESTS, "rt1");
}

const char *submit_routed(struct redis_fixture *fx)
{
    const char *answered = CALL(fx, MOVE, .entry = submit(fx), .credit = "100");

    assert_starts(answered, "moved ");
    return answered + 6;
}

const char *submit_delivered(struct redis_fixture *fx)
{
    const char *id = submit_routed(fx);

    assert_string_equal(deliver(fx, NODE, "n1"), id);
    return id;
}

const char *submit_started(struct redis_fixture *fx)
{
    const char *id = submit_delivered(fx);

    assert_string_equal(CALL(fx, START, .entry = id), "started <ms>");
    return id;
}

const char *submit_returned(struct redis_fixture *fx)
{
    const char *answered = CALL(fx, REQUEUE, .entry = submit_delivered(fx), .attempt = "2",
                                .tried = "n1", .last_error = "busy");

    assert_starts(answered, "requeued ");
    assert_string_equal(deliver(fx, REQUESTS, "rt1"), answered + 9);
    return answered + 9;
}

void fill_memory(struct redis_fixture *fx)
{
    fixture_ok(fx, "CONFIG SET maxmemory 1");
    assert_string_equal(answer(fx, "SET %s 1", P "x"), "!OOM");
}
