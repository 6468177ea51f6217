#include "feed.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/reply.h"

#include "worker.h"

static void on_entries(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    struct feed *feed = &w->feed;

    if (!reader_took(&feed->reader, w, reply) || feed->is_stopped)
        return;

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
    char count[16], block[READER_BLOCK_TEXT_MAX];

    if (feed->is_stopped || !session_is_open(w) || free_slots == 0 ||
        !availability_is_ok(&w->node.availability) ||
        !reader_is_free(&feed->reader, clock_now_ms()))
        return;
    (void)snprintf(count, sizeof count, "%u", free_slots);
    const char *argv[] = {
        "XREADGROUP", "GROUP", GROUP_WORKERS,          w->config.node_id, "COUNT",
        count,        "BLOCK", reader_block(w, block), "STREAMS",         w->stream_key,
        ">"};
    reader_send(&feed->reader, w, on_entries, 11, argv);
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
    reader_init(&w->feed.reader, w, "feed", on_ready);
}

void feed_stop(struct worker *w)
{
    w->feed.is_stopped = true;
    redis_conn_stop(w->feed.reader.conn);
}

void feed_done(struct worker *w)
{
    w->feed.is_stopped = true;
    reader_done(&w->feed.reader);
}
