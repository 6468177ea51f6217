#include "beat.h"

#include "common/clock.h"
#include "common/redis_command.h"
#include "common/reply.h"
#include "common/scripts.h"

#include "curl_loop.h"
#include "health_json.h"
#include "worker.h"

#define REPEATS         2
#define REPEAT_PAUSE_MS 400
#define FIRST_VERDICT   3 /* in the reply: behind 'ok', the time and drained */

struct span beat_encode(struct worker *w)
{
    struct span resident[PS_RESIDENT_MAX], foreign[PS_RESIDENT_MAX];
    struct span installed[PS_INSTALLED_MAX], suspect[PROBE_MAX];
    int64_t sizes[PS_INSTALLED_MAX];
    const struct poller *poller = &w->poller;
    const struct availability *availability = &w->node.availability;

    for (size_t i = 0; i < poller->ps.n; i++)
        resident[i] = span_str(poller->ps.models[i].name);
    for (size_t i = 0; i < poller->tags.n; i++) {
        installed[i] = span_str(poller->tags.models[i].name);
        sizes[i] = poller->tags.models[i].size_bytes;
    }
    for (size_t i = 0; i < w->probe.n; i++)
        suspect[i] = span_str(w->probe.suspects[i].model);
    const struct health health = {
        .node_id = span_str(w->config.node_id),
        .reading = &w->node.reading,
        .models = {resident, poller->ps.n},
        .installed = {installed, poller->tags.n},
        .sizes = sizes,
        .loading = preload_model(w),
        .sessions_max = warm_sessions_per_model(poller->version, (int)w->config.slots),
        .knows_keep = ps_keeps(&poller->ps) != PS_KEEP_UNKNOWN,
        .keeps_models = ps_keeps(&poller->ps) == PS_KEEP_FOR_EVER,
        .suspect = {suspect, w->probe.n},
        .foreign = {foreign, poller_foreigns(w, foreign)},
        .available = availability_is_ok(availability),
        .reason = availability_reason_name(availability->reason),
        .slots = (int)w->config.slots,
        .in_flight = (int)jobs_in_flight(w),
        .epoch = w->session.epoch,
        .refused_ends = w->counters.refused_ends,
        .swaps = w->counters.swaps,
        .preloads = w->counters.preloads,
        .rates = &w->node.rates,
        .sessions = &w->node.sessions,
        .agent_version = ORION_VERSION,
        .ollama_version = poller->version,
    };
    buf_clear(&w->beat.json);
    if (!health_encode(&health, &w->beat.json))
        log_err("event=health_too_large node=%s", w->config.node_id);
    return buf_span(&w->beat.json);
}

/* Until the answer is there what else comes in would wake us for itself. Nothing is lost by it: a
 * request that a read brings begins with a command, which is answered after the heartbeat anyway,
 * and Ollama is asked for the next heartbeat. */
static void hold_reads(struct worker *w)
{
    redis_conn_hold(w->feed.reader.conn);
    redis_conn_hold(w->control.reader.conn);
    curl_loop_hold(w->curl);
}

static void release_reads(struct worker *w)
{
    if (w->leave.is_gone)
        return; /* and so may they be */
    redis_conn_release(w->feed.reader.conn);
    redis_conn_release(w->control.reader.conn);
    curl_loop_release(w->curl);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void hear_verdicts(struct worker *w, const struct redisReply *reply)
{
    struct beat *beat = &w->beat;

    for (size_t i = 0; i < beat->n_asked; i++) {
        struct span verdict = reply_span(reply_at(reply, FIRST_VERDICT + i));
        if (span_is(verdict, "cancel")) {
            jobs_cancel(beat->asked[i].job, beat->asked[i].generation);
        } else if (span_is(verdict, "lost")) {
            jobs_lose(beat->asked[i].job, beat->asked[i].generation);
        }
    }
}

/* Routers read P:health at intervals: an event behind the heartbeat that changed something makes
 * them look at once. */
static void call_routers(struct worker *w)
{
    struct beat *beat = &w->beat;
    const char *event = beat->sent == AVAILABILITY_OK ? "node_available" : "node_unavailable";
    const char *argv[] = {"event",           event, "node",
                          w->config.node_id, "why", availability_reason_name(beat->sent)};

    if (beat->sent != beat->told && redis_command_event(w->session.commands, &w->keys, 6, argv))
        beat->told = beat->sent;
}

/* A gate of its own: other commands may be obeyed meanwhile. */
static void tell_refused(struct worker *w, const struct redisReply *reply)
{
    struct log_repeat *refused = &w->beat.refused;
    const char *error = reply_error(reply);
    const char *why = error ? error : "an answer that was not expected";

    if (log_repeat_begin(refused, why, clock_now_ms()))
        log_warn("event=redis_refused what=beat why=\"%s\" repeats=%u", why, refused->repeats);
    session_mend(w, reply);
}

static void on_beat(const struct redisReply *reply, void *arg)
{
    struct worker *w = arg;
    int64_t drained = 0, redis_ms;

    w->beat.is_on_its_way = false;
    release_reads(w);
    if (!reply)
        return;
    if (redis_command_said(reply, "fenced")) {
        worker_fenced(w);
    } else if (redis_command_said(reply, "unregistered")) {
        session_on_unregistered(w);
    } else if (redis_command_said(reply, "ok") && reply_i64(reply_at(reply, 2), &drained)) {
        if (log_repeat_end(&w->beat.refused))
            log_info("event=redis_obeys what=beat after=%u", w->beat.refused.repeats);
        if (reply_i64(reply_at(reply, 1), &redis_ms))
            w->beat.redis_ahead_ms = redis_ms - clock_now_ms();
        w->node.is_drained = drained != 0;
        node_judge(w);
        call_routers(w);
        session_on_alive(w);
        hear_verdicts(w, reply);
    } else {
        tell_refused(w, reply);
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static bool may_beat(const struct worker *w)
{
    enum session_state state = w->session.state;

    return (state == SESSION_ASKING || state >= SESSION_RECONCILING) && !w->leave.is_gone;
}

static void ask_about_jobs(struct worker *w)
{
    struct beat *beat = &w->beat;

    beat->n_asked = 0;
    for (size_t i = 0; i < w->jobs.used; i++) {
        struct job *job = &w->jobs.all[i];
        if (!job_holds_entry(job->state) || job->state == JOB_FINISHING)
            continue;
        beat->asked[beat->n_asked].job = job;
        beat->asked[beat->n_asked++].generation = job->generation;
        if (beat->n_asked == JOBS_SLOTS_MAX) /* no more can be running */
            break;
    }
}

static void send_beat(struct worker *w, int64_t now_ms)
{
    struct beat *beat = &w->beat;
    struct script_args args;
    char job_keys[JOBS_SLOTS_MAX][KEY_MAX];

    ask_about_jobs(w);
    beat->sent = w->node.availability.reason;
    script_args_init(&args);
    script_key(&args, w->keys.health);
    script_key(&args, w->epoch_key);
    script_key(&args, w->keys.drained);
    script_key(&args, w->stream_key);
    for (size_t i = 0; i < beat->n_asked; i++)
        script_key(&args, key_job(&w->keys, span_str(beat->asked[i].job->request_id), job_keys[i]));
    script_arg(&args, w->config.node_id);
    script_arg_i64(&args, w->session.epoch);
    script_arg_span(&args, beat_encode(w));
    script_arg(&args, GROUP_WORKERS);
    for (size_t i = 0; i < beat->n_asked; i++)
        script_arg(&args, beat->asked[i].job->entry_id);
    beat->is_on_its_way = scripts_call(w->session.commands, SCRIPT_BEAT, &args, on_beat, w);
    beat->is_due = !beat->is_on_its_way;
    beat->last_ms = now_ms;
    if (beat->is_on_its_way && jobs_is_idle(w))
        hold_reads(w);
}

bool beat_is_near(const struct worker *w, int64_t now_ms)
{
    return redis_command_is_beat_near(w->beat.next_ms - now_ms);
}

void beat_tick(struct worker *w, int64_t now_ms)
{
    struct beat *beat = &w->beat;

    if (beat_is_near(w, now_ms)) {
        beat->next_ms = now_ms + w->config.health_interval_ms;
        node_read(w, now_ms);
        beat->is_due = true;
    }
    if (beat->repeats > 0 && now_ms >= beat->repeat_ms) {
        beat->repeats--;
        beat->repeat_ms = now_ms + REPEAT_PAUSE_MS;
        beat->is_due = true;
    }
    if (beat->is_due && !beat->is_on_its_way && may_beat(w) &&
        now_ms - beat->last_ms >= BEAT_PAUSE_MS)
        send_beat(w, now_ms);
}

int64_t beat_due_ms(const struct worker *w)
{
    return w->beat.is_due || w->beat.repeats > 0 ? 0 : w->beat.next_ms;
}

void beat_soon(struct worker *w)
{
    w->beat.is_due = true;
}

void beat_now(struct worker *w)
{
    w->beat.is_due = true;
    w->beat.last_ms = 0;
}

void beat_repeat(struct worker *w)
{
    beat_now(w);
    w->beat.repeats = REPEATS;
    w->beat.repeat_ms = clock_now_ms() + REPEAT_PAUSE_MS;
}

void beat_init(struct worker *w)
{
    buf_init(&w->beat.json, HEALTH_JSON_MAX_BYTES);
}

void beat_done(struct worker *w)
{
    buf_done(&w->beat.json);
}
