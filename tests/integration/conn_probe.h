#ifndef TESTS_CONN_PROBE_H
#define TESTS_CONN_PROBE_H

/* A redis_conn that counts what happens to it, for the tests of the connection. */

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/redis_conn.h"

#include "test.h"
#include "test_wait.h"

struct probe {
    struct event_base *base;
    struct redis_url url;
    struct redis_conn *conn;
    unsigned ready, lost;
    unsigned answers, errors, nulls; /* callbacks of probe_send() */
    unsigned nulls_at_lost;
    char last[128];    /* text of the last answer */
    bool ready_inside; /* was the connection READY inside a callback with NULL? */
};

static inline void probe_ready(void *arg)
{
    ((struct probe *)arg)->ready++;
}

static inline void probe_lost(void *arg)
{
    struct probe *probe = arg;

    probe->lost++;
    probe->nulls_at_lost = probe->nulls;
}

static inline void probe_reply(const struct redisReply *reply, void *arg)
{
    struct probe *probe = arg;

    if (!reply) {
        const char *argv[] = {"PING"};
        const size_t len[] = {4};
        probe->nulls++;
        probe->ready_inside |= redis_conn_send(probe->conn, NULL, NULL, 1, argv, len);
        return;
    }
    if (reply->type == REDIS_REPLY_ERROR)
        probe->errors++;
    else
        probe->answers++;
    (void)snprintf(probe->last, sizeof probe->last, "%s", reply->str ? reply->str : "");
}

/* To a unix socket; the connection is not started. */
static inline void probe_init(struct probe *probe, const char *path, int64_t command_timeout_ms)
{
    *probe = (struct probe){.base = event_base_new()};
    assert_non_null(probe->base);
    (void)snprintf(probe->url.path, sizeof probe->url.path, "%s", path);
    probe->conn = redis_conn_new(&(struct redis_conn_config){
        .base = probe->base,
        .url = &probe->url,
        .name = "probe",
        .command_timeout_ms = command_timeout_ms,
        .on_ready = probe_ready,
        .on_lost = probe_lost,
        .arg = probe,
    });
}

static inline void probe_done(struct probe *probe)
{
    redis_conn_free(probe->conn);
    event_base_free(probe->base);
}

/* Sends words without blanks in them. */
static inline bool probe_send(struct probe *probe, const char *word, const char *word2,
                              const char *word3)
{
    const char *argv[] = {word, word2, word3};
    const size_t len[] = {strlen(word), word2 ? strlen(word2) : 0, word3 ? strlen(word3) : 0};
    int argc = word3 ? 3 : word2 ? 2 : 1;

    return redis_conn_send(probe->conn, probe_reply, probe, argc, argv, len);
}

static inline bool probe_is_ready(void *arg)
{
    return redis_conn_is_ready(((struct probe *)arg)->conn);
}

static inline bool probe_is_answered(void *arg)
{
    return redis_conn_pending(((struct probe *)arg)->conn) == 0;
}

static inline bool probe_is_lost(void *arg)
{
    struct probe *probe = arg;

    return probe->lost == probe->ready && probe->lost > 0;
}

static inline void probe_wait_ready(struct probe *probe)
{
    assert_true(wait_until(probe->base, probe_is_ready, probe, 8000));
}

#endif
