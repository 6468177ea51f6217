#include "common/reply.h"

#include <hiredis/hiredis.h>
#include <string.h>

const struct redisReply *reply_at(const struct redisReply *r, size_t i)
{
    return i < reply_count(r) ? r->element[i] : NULL;
}

size_t reply_count(const struct redisReply *r)
{
    return r && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

struct span reply_span(const struct redisReply *r)
{
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS))
        return (struct span){NULL, 0};
    return (struct span){r->str, r->len};
}

const char *reply_error(const struct redisReply *r)
{
    return r && r->type == REDIS_REPLY_ERROR ? r->str : NULL;
}

bool reply_is_error(const struct redisReply *r, const char *code)
{
    const char *text = reply_error(r);
    size_t len = strlen(code);

    return text && strncmp(text, code, len) == 0 && (text[len] == ' ' || text[len] == '\0');
}

bool reply_i64(const struct redisReply *r, int64_t *ret)
{
    if (r && r->type == REDIS_REPLY_INTEGER) {
        *ret = r->integer;
        return true;
    }
    return span_to_i64(reply_span(r), ret);
}

const struct redisReply *reply_field(const struct redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2) {
        struct span key = reply_span(fields->element[i]);
        if (key.ptr && span_is(key, name))
            return fields->element[i + 1];
    }
    return NULL;
}
