#include "redis_guard.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

/* What hiredis itself uses, the same for every context. */
static redisReplyObjectFunctions plain;
static redisReplyObjectFunctions guarded;

/* hiredis deals with errors that nobody asked for, and what is inside an array came with it. */
static bool is_unasked(const redisReadTask *task)
{
    if (task->parent || task->type == REDIS_REPLY_ERROR)
        return false;
    const redisAsyncContext *ac = task->privdata;
    return !ac->replies.head;
}

/* What hiredis 0.14.1 refuses by itself; hiredis 1 takes any depth and frees it by recursion. */
static bool is_too_deep(const redisReadTask *task)
{
    int depth = 1;

    for (; task->parent; task = task->parent)
        depth++;
    return depth > REDIS_GUARD_DEPTH_MAX;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t len)
{
    return is_unasked(task) ? NULL : plain.createString(task, bytes, len);
}

static void *create_array(const redisReadTask *task, element_count count)
{
    return is_unasked(task) || is_too_deep(task) ? NULL : plain.createArray(task, count);
}

static void *create_integer(const redisReadTask *task, long long value)
{
    return is_unasked(task) ? NULL : plain.createInteger(task, value);
}

static void *create_nil(const redisReadTask *task)
{
    return is_unasked(task) ? NULL : plain.createNil(task);
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double value, char *bytes, size_t len)
{
    return is_unasked(task) ? NULL : plain.createDouble(task, value, bytes, len);
}

static void *create_bool(const redisReadTask *task, int value)
{
    return is_unasked(task) ? NULL : plain.createBool(task, value);
}
#endif

void redis_guard_install(redisAsyncContext *ac)
{
    redisReader *reader = ac->c.reader;

    plain = *reader->fn;
    guarded = plain;
    guarded.createString = create_string;
    guarded.createArray = create_array;
    guarded.createInteger = create_integer;
    guarded.createNil = create_nil;
#if HIREDIS_MAJOR >= 1
    guarded.createDouble = create_double;
    guarded.createBool = create_bool;
#endif
    reader->fn = &guarded;
    reader->privdata = ac;
}
