#include "script_state.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS      512
#define TEXT_BYTES 8192
#define FIELDS_MAX 64
#define TTL_SLACK  10000
#define MS_FROM    1000000000000LL /* a number from here on is a time in milliseconds */
#define MS_UNTIL   9000000000000LL

/* --- text --- */

static char *text_next(void)
{
    static char texts[TEXTS][TEXT_BYTES];
    static unsigned n;
    char *text = texts[n++ % TEXTS];

    text[0] = '\0';
    return text;
}

static void text_add(char *text, const char *more, size_t len)
{
    size_t used = strlen(text);

    assert_true(used + len < TEXT_BYTES);
    memcpy(text + used, more, len);
    text[used + len] = '\0';
}

const char *text_of(const char *fmt, ...)
{
    char *text = text_next();
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, TEXT_BYTES, fmt, ap);
    va_end(ap);
    return text;
}

static void text_add_reply(char *text, const redisReply *reply)
{
    char number[32];

    switch (reply->type) {
    case REDIS_REPLY_ERROR:
        text_add(text, "!", 1);
        text_add(text, reply->str, strcspn(reply->str, " "));
        return;
    case REDIS_REPLY_INTEGER:
        (void)snprintf(number, sizeof number, "%lld", reply->integer);
        if (reply->integer >= MS_FROM && reply->integer < MS_UNTIL)
            (void)snprintf(number, sizeof number, "<ms>");
        text_add(text, number, strlen(number));
        return;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0)
                text_add(text, " ", 1);
            text_add_reply(text, reply->element[i]);
        }
        return;
    case REDIS_REPLY_NIL:
        text_add(text, "nil", 3);
        return;
    default:
        text_add(text, reply->str, (size_t)reply->len);
    }
}

const char *text_of_reply(redisReply *reply)
{
    char *text = text_next();

    assert_non_null(reply);
    text_add_reply(text, reply);
    freeReplyObject(reply);
    return text;
}

const char *answer(struct redis_fixture *fx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    redisReply *reply = redisvCommand(fx->client, fmt, ap);
    va_end(ap);
    return text_of_reply(reply);
}

/* --- snapshots --- */

static const char snapshot_source[] =
    "local keys, out = redis.call('KEYS', '*'), {} table.sort(keys) "
    "for _, key in ipairs(keys) do out[#out + 1] = key out[#out + 1] = redis.call('DUMP', key) "
    "out[#out + 1] = tostring(redis.call('PEXPIRETIME', key)) end return out";

struct redisReply *snapshot_take(struct redis_fixture *fx)
{
    redisReply *reply = fixture_cmd(fx, "EVAL %s 0", snapshot_source);

    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    return reply;
}

void snapshot_unchanged(struct redis_fixture *fx, struct redisReply *before)
{
    redisReply *after = snapshot_take(fx);

    for (size_t i = 0; i < before->elements && i < after->elements; i++) {
        const redisReply *was = before->element[i], *is = after->element[i];

        if (was->len != is->len || memcmp(was->str, is->str, (size_t)was->len) != 0)
            fail_msg("changed, made or deleted: %s", after->element[i - i % 3]->str);
    }
    assert_int_equal(before->elements, after->elements);
    freeReplyObject(before);
    freeReplyObject(after);
}

const char *group_of(const char *stream)
{
    return strcmp(stream, REQUESTS) && strcmp(stream, CONTROL) ? GROUP_WORKERS : GROUP_ROUTERS;
}

/* --- state as text --- */

static void text_add_pair(char *text, const redisReply *name, const redisReply *value)
{
    if (text[0] && text[strlen(text) - 1] != ' ')
        text_add(text, " ", 1);
    text_add(text, name->str, (size_t)name->len);
    text_add(text, "=", 1);
    text_add(text, value->str, (size_t)value->len);
}

const char *stream_text(struct redis_fixture *fx, const char *key)
{
    redisReply *reply = fixture_cmd(fx, "XRANGE %s - +", key);
    char *text = text_next();

    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i < reply->elements; i++) {
        const redisReply *fields = reply->element[i]->element[1];

        if (i > 0)
            text_add(text, "; ", 2);
        for (size_t j = 0; j < fields->elements; j += 2)
            text_add_pair(text, fields->element[j], fields->element[j + 1]);
    }
    freeReplyObject(reply);
    return text;
}

struct pair {
    const redisReply *name, *value;
};

static int pair_compare(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name->str, ((const struct pair *)b)->name->str);
}

const char *hash_text(struct redis_fixture *fx, const char *key)
{
    redisReply *reply = fixture_cmd(fx, "HGETALL %s", key);
    struct pair pairs[FIELDS_MAX];
    char *text = text_next();
    size_t n = reply->elements / 2;

    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    assert_true(n <= FIELDS_MAX);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (struct pair){reply->element[2 * i], reply->element[2 * i + 1]};
    qsort(pairs, n, sizeof *pairs, pair_compare);
    for (size_t i = 0; i < n; i++)
        text_add_pair(text, pairs[i].name, pairs[i].value);
    freeReplyObject(reply);
    return text;
}

const char *pending_text(struct redis_fixture *fx, const char *key)
{
    redisReply *reply = fixture_cmd(fx, "XPENDING %s %s - + 100", key, group_of(key));
    char *text = text_next(), one[256];

    assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
    for (size_t i = 0; i < reply->elements; i++) {
        redisReply *const *row = reply->element[i]->element;

        (void)snprintf(one, sizeof one, "%s%s %s x%lld", i > 0 ? "; " : "", row[0]->str,
                       row[1]->str, row[3]->integer);
        text_add(text, one, strlen(one));
    }
    freeReplyObject(reply);
    return text;
}

const char *last_id(struct redis_fixture *fx, const char *key)
{
    redisReply *reply = fixture_cmd(fx, "XREVRANGE %s + - COUNT 1", key);
    const char *id = "";

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
        id = text_of("%s", reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    return id;
}

void assert_starts(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("\"%s\" does not start with \"%s\"", text, start);
}

void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

void assert_ttl(struct redis_fixture *fx, const char *key, long ms)
{
    redisReply *reply = fixture_cmd(fx, "PTTL %s", key);

    if (ms < 0)
        assert_int_equal(reply->integer, ms);
    else
        assert_in_range(reply->integer, ms > TTL_SLACK ? ms - TTL_SLACK : 0, ms);
    freeReplyObject(reply);
}
