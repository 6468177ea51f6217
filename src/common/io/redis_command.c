#include "common/redis_command.h"

#include <assert.h>
#include <string.h>

#include "common/reply.h"

bool redis_command_send(struct redis_conn *conn, redis_conn_callback *callback, void *arg, int argc,
                        const char *const *argv)
{
    const char *args[REDIS_COMMAND_ARGS_MAX];
    size_t len[REDIS_COMMAND_ARGS_MAX];

    assert(argc > 0 && argc <= REDIS_COMMAND_ARGS_MAX);
    for (int i = 0; i < argc; i++) {
        args[i] = argv[i];
        len[i] = strlen(argv[i]);
    }
    return redis_conn_send(conn, callback, arg, argc, args, len);
}

bool redis_command_event(struct redis_conn *conn, const struct keys *keys, int argc,
                         const char *const *argv)
{
    const char *all[REDIS_COMMAND_ARGS_MAX] = {"XADD", keys->events,     "MAXLEN",
                                               "~",    STREAM_KEEP_TEXT, "*"};

    assert(argc > 0 && argc <= REDIS_COMMAND_EVENT_MAX && argc % 2 == 0);
    for (int i = 0; i < argc; i++)
        all[6 + i] = argv[i];
    return redis_command_send(conn, NULL, NULL, 6 + argc, all);
}

/* Long enough for nobody to read in circles, and how much earlier than the heartbeat it ends. */
#define BLOCK_MIN_MS  500
#define BLOCK_LEAD_MS 2
#define BEAT_NEAR_MS  4 /* the lead, and what rounding adds */

int64_t redis_command_block_ms(int64_t beat_ms, int64_t max_ms)
{
    if (beat_ms - BLOCK_LEAD_MS < BLOCK_MIN_MS)
        beat_ms = max_ms; /* heartbeats come about as often as that */
    return beat_ms - BLOCK_LEAD_MS > max_ms ? max_ms : beat_ms - BLOCK_LEAD_MS;
}

bool redis_command_is_beat_near(int64_t beat_ms)
{
    return beat_ms <= BEAT_NEAR_MS;
}

bool redis_command_said(const struct redisReply *reply, const char *word)
{
    return span_is(reply_span(reply_at(reply, 0)), word);
}

bool redis_command_needs_reset(const struct redisReply *reply)
{
    static const char *const codes[] = {"LOADING", "READONLY", "MASTERDOWN", "NOAUTH"};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (reply_is_error(reply, codes[i]))
            return true;
    }
    return false;
}

bool redis_command_lost_group(const struct redisReply *reply)
{
    return reply_is_error(reply, "NOGROUP") || reply_is_error(reply, "UNBLOCKED");
}
