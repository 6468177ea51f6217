#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "common/daemon.h"
#include "common/log.h"
#include "common/loop.h"

#include "curl_loop.h"

static void on_tick(void *arg)
{
    struct worker *w = arg;
    int64_t now_ms = clock_now_ms();

    session_tick(w, now_ms);
    poller_tick(w, now_ms);
    probe_tick(w, now_ms);
    preload_tick(w, now_ms);
    pacing_tick(w);
    jobs_tick(w, now_ms);
    reconcile_tick(w, now_ms);
    feed_read(w);
    control_tick(w, now_ms);
    beat_tick(w, now_ms);
    leave_tick(w, now_ms);
    service_tick(w, now_ms);
}

/* A read that is not on its way may be waiting for a moment that only a tick would notice. */
static bool is_reading(const struct worker *w)
{
    bool may_feed = availability_is_ok(&w->node.availability);

    return !reader_is_idle(&w->control.reader) && !(may_feed && reader_is_idle(&w->feed.reader));
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_idle(const struct worker *w)
{
    return !w->leave.is_stopping && w->probe.n == 0 && !preload_model(w) && jobs_is_idle(w) &&
           session_is_open(w) && is_reading(w);
}

/* Without work the next thing to do is a heartbeat, a look at Ollama, or a look at what is pending;
 * with work it may be a chunk, which a reader waits for. */
static int64_t next_ms(void *arg)
{
    const struct worker *w = arg;
    int64_t now_ms = clock_now_ms(), due_ms = jobs_chunk_due_ms(w, now_ms);

    if (is_idle(w) && beat_is_near(w, now_ms))
        return LOOP_NOW;
    if (is_idle(w)) { /* what else is due by then is done with the heartbeat */
        due_ms = sooner(beat_due_ms(w), poller_due_ms(w));
        due_ms = sooner(due_ms, reconcile_due_ms(w));
    } else if (due_ms - now_ms >= WORKER_TICK_MS) {
        return 0;
    }
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

static void on_stop(void *arg)
{
    leave_begin(arg);
}

static void on_reload(void *arg)
{
    struct worker *w = arg;
    struct worker_config fresh;

    if (!daemon_reload_read(w->program, w->options, &fresh))
        return;
    if (!fresh.node_id[0])
        (void)snprintf(fresh.node_id, sizeof fresh.node_id, "%s", w->config.node_id);
    daemon_reload_apply(w->program, &fresh, &w->config);
    daemon_log_level(w->config.log_level);
    node_read(w, clock_now_ms()); /* new limits count at once */
    beat_soon(w);
}

static void name_node(struct worker *w)
{
    char id[NODE_ID_MAX + 1], key[KEY_MAX];
    struct span node;

    daemon_id(w->config.node_id, id);
    (void)snprintf(w->config.node_id, sizeof w->config.node_id, "%s", id);
    log_set_self("node", w->config.node_id);
    node = span_str(w->config.node_id);
    keys_init(&w->keys, w->config.prefix);
    (void)span_copy(span_str(key_node_requests(&w->keys, node, key)), w->stream_key,
                    sizeof w->stream_key);
    (void)span_copy(span_str(key_epoch(&w->keys, node, key)), w->epoch_key, sizeof w->epoch_key);
}

static int configure(struct worker *w, struct err *err)
{
    int rc = daemon_redis_url(w->config.redis, w->config.redis_password_file, &w->redis_url, err);

    return rc < 0 ? rc : node_init(w, err);
}

int worker_new(const struct options_program *program, const struct options *options,
               const struct worker_config *config, struct worker **ret, struct err *err)
{
    struct worker *w = xcalloc(1, sizeof *w);

    w->config = *config;
    w->program = program;
    w->options = options;
    daemon_log_level(w->config.log_level);
    name_node(w);
    int rc = configure(w, err);
    if (rc < 0) {
        free(w);
        return rc;
    }
    w->loop =
        loop_new(&(struct loop_handlers){on_tick, on_stop, on_reload, w, next_ms}, WORKER_TICK_MS);
    w->curl = curl_loop_new(loop_base(w->loop));
    beat_init(w);
    poller_init(w);
    probe_init(w);
    preload_init(w);
    session_init(w);
    feed_init(w);
    control_init(w);
    *ret = w;
    return 0;
}

int worker_run(struct worker *w)
{
    log_info("event=started program=orion-worker node=%s version=%s redis=%s prefix=%s ollama=%s "
             "slots=%lld",
             w->config.node_id, ORION_VERSION, w->config.redis, w->config.prefix, w->config.ollama,
             (long long)w->config.slots);
    on_tick(w);
    int status = loop_run(w->loop);
    return status != 0 ? status : w->exit_status;
}

void worker_fenced(struct worker *w)
{
    if (w->leave.is_gone)
        return;
    log_err("event=fenced node=%s epoch=%lld why=\"another process has registered under this node "
            "id; give each its own node_id\"",
            w->config.node_id, (long long)w->session.epoch);
    w->leave.is_gone = true;
    w->exit_status = w->session.has_lost_registration ? 1 : 2;
    feed_stop(w);
    jobs_abandon(w);
    loop_quit(w->loop);
}

/* In reverse order: what is outstanding is told to its owner while the owner is still there. */
void worker_free(struct worker *w)
{
    if (!w)
        return;
    w->leave.is_stopping = true; /* nobody reads or writes any more */
    w->leave.is_gone = true;
    jobs_abandon(w);
    curl_loop_free(w->curl);
    control_done(w);
    feed_done(w);
    session_done(w);
    preload_done(w);
    probe_done(w);
    poller_done(w);
    beat_done(w);
    jobs_done(w);
    loop_free(w->loop);
    free(w);
}
