#include "feed.h"

#include <stdio.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/reply.h"

#include "command.h"
#include "worker.h"

#define FEED_GRACE_MS 5000 /* beyond BLOCK, before the connection counts as dead */

static void on_refused(struct worker *w, const struct redisReply *reply)
{
    struct feed *feed = &w->feed;
    int64_t now_ms = clock_now_ms();

    if (log_repeat_begin(&feed->refused, now_ms)) {
        log_warn("event=feed_refused why=\"%s\" repeats=%u", reply_error(reply),
                 feed->refused.repeats);
    }
    feed->retry_ms = now_ms + backoff_ms(feed->failures++, (uint32_t)now_ms);
    session_mend(w, reply);
}

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct feed *feed = &w->feed;

    feed->is_reading = false;
    if (!reply || feed->is_stopped)
        return;
    if (reply_error(reply)) {
        on_refused(w, reply);
        return;
    }
    feed->failures = 0;
    if (log_repeat_end(&feed->refused))
        log_info("event=feed_obeys after=%u", feed->refused.repeats);

    const struct redisReply *entries = reply_at(reply_at(reply, 0), 1);
    bool took_all = true;
    for (size_t i = 0; i < reply_count(entries); i++)
        took_all = jobs_fetch(w, reply_at(entries, i)) && took_all;
    if (!took_all)
        reconcile_start(w); /* it comes back to them when there is room */
    feed_read(w);
}

void feed_read(struct worker *w)
{
    struct feed *feed = &w->feed;
    unsigned free_slots = jobs_free_slots(w);
    char count[16], block[16];

    if (feed->is_stopped || feed->is_reading || !session_is_open(w) || free_slots == 0 ||
        !availability_is_ok(&w->node.availability) || !redis_conn_is_ready(feed->conn) ||
        clock_now_ms() < feed->retry_ms)
        return;
    (void)snprintf(count, sizeof count, "%u", free_slots);
    (void)snprintf(block, sizeof block, "%d", FEED_BLOCK_MS);
    const char *argv[] = {"XREADGROUP", "GROUP", GROUP_WORKERS, w->config.node_id, "COUNT", count,
                          "BLOCK",      block,   "STREAMS",     w->stream_key,     ">"};
    feed->is_reading = command_send(feed->conn, on_entries, w, 11, argv);
}

/* What the old connection was given in a reply that was lost is found by the look. */
static void on_ready(void *arg)
{
    struct worker *w = arg;

    session_hurry(w);
    if (session_can_write(w))
        reconcile_start(w);
    feed_read(w);
}

void feed_init(struct worker *w)
{
    struct feed *feed = &w->feed;

    (void)snprintf(feed->name, sizeof feed->name, "%s:feed", w->config.node_id);
    feed->conn = redis_conn_new(&(struct redis_conn_config){
        .base = loop_base(w->loop),
        .url = &w->redis_url,
        .name = feed->name,
        .command_timeout_ms = FEED_BLOCK_MS + FEED_GRACE_MS,
        .on_ready = on_ready,
        .arg = w,
    });
    redis_conn_start(feed->conn);
}

void feed_stop(struct worker *w)
{
    w->feed.is_stopped = true;
    redis_conn_stop(w->feed.conn);
}

void feed_done(struct worker *w)
{
    w->feed.is_stopped = true;
    redis_conn_free(w->feed.conn);
    w->feed.conn = NULL;
}
