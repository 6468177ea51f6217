#include "reader.h"

#include <stdio.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/redis_command.h"
#include "common/reply.h"

#include "worker.h"

#define GRACE_MS 5000 /* beyond BLOCK, before the connection counts as dead */

const char *reader_block(const struct worker *w, char buf[static READER_BLOCK_TEXT_MAX])
{
    int64_t beat_ms = w->beat.next_ms - clock_now_ms();

    (void)snprintf(buf, READER_BLOCK_TEXT_MAX, "%lld",
                   (long long)redis_command_block_ms(beat_ms, READER_BLOCK_MS));
    return buf;
}

void reader_init(struct reader *reader, struct worker *w, const char *role,
                 void (*on_ready)(void *arg))
{
    reader->role = role;
    (void)snprintf(reader->name, sizeof reader->name, "%s:%s", w->config.node_id, role);
    reader->conn = redis_conn_new(&(struct redis_conn_config){
        .base = loop_base(w->loop),
        .url = &w->redis_url,
        .name = reader->name,
        .command_timeout_ms = READER_BLOCK_MS + GRACE_MS,
        .on_ready = on_ready,
        .arg = w,
    });
    redis_conn_start(reader->conn);
}

void reader_done(struct reader *reader)
{
    redis_conn_free(reader->conn);
    reader->conn = NULL;
}

bool reader_is_free(const struct reader *reader, int64_t now_ms)
{
    return !reader->is_reading && redis_conn_is_ready(reader->conn) && now_ms >= reader->retry_ms;
}

bool reader_is_idle(const struct reader *reader)
{
    return !reader->is_reading && redis_conn_is_ready(reader->conn);
}

void reader_send(struct reader *reader, struct worker *w, redis_conn_callback *callback, int argc,
                 const char *const *argv)
{
    reader->is_reading = redis_command_send(reader->conn, callback, w, argc, argv);
}

bool reader_took(struct reader *reader, struct worker *w, const struct redisReply *reply)
{
    int64_t now_ms = clock_now_ms();

    reader->is_reading = false;
    if (!reply)
        return false;
    if (!reply_error(reply)) {
        reader->failures = 0;
        if (log_repeat_end(&reader->refused))
            log_info("event=redis_obeys what=%s after=%u", reader->role, reader->refused.repeats);
        return true;
    }
    if (log_repeat_begin(&reader->refused, reply_error(reply), now_ms)) {
        log_warn("event=redis_refused what=%s why=\"%s\" repeats=%u", reader->role,
                 reply_error(reply), reader->refused.repeats);
    }
    reader->retry_ms = now_ms + backoff_ms(reader->failures++, (uint32_t)now_ms);
    session_mend(w, reply);
    return false;
}
