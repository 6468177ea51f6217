#include "poller.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

#include "curl_loop.h"
#include "http_call.h"
#include "worker.h"

static void ask(struct worker *w, enum poller_step step);

/* --- what the answers mean -------------------------------------------------------------------- */

static void set_state(struct worker *w, enum ollama_state state, const char *why)
{
    struct poller *poller = &w->poller;

    if (poller->state == state)
        return;
    poller->state = state;
    if (state == OLLAMA_UP) {
        log_info("event=ollama_up node=%s url=%s version=%s", w->config.node_id, w->config.ollama,
                 poller->version);
    } else {
        log_warn("event=ollama_down node=%s url=%s why=\"%s\"", w->config.node_id, w->config.ollama,
                 why);
    }
    node_judge(w);
    beat_soon(w);
}

static void on_alive(struct worker *w, const char *version)
{
    struct poller *poller = &w->poller;
    bool is_new = strcmp(poller->version, version) != 0;

    if (is_new && poller->version[0]) {
        log_info("event=ollama_version from=%s to=%s", poller->version, version);
        node_forget_rates(w); /* another version has other speeds */
        residency_clear(&poller->residency);
    }
    if (is_new) {
        (void)snprintf(poller->version, sizeof poller->version, "%s", version);
        beat_soon(w);
    }
    if (poller->state == OLLAMA_DOWN)
        residency_clear(&poller->residency); /* perhaps started with another environment */
    if (poller->failures > 0 || poller->state == OLLAMA_DOWN)
        poller->wants_tags = true;
    poller->failures = 0;
    poller->is_alive = true;
    poller->next_version_ms = clock_now_ms() + POLLER_VERSION_MS;
}

static void on_failure(struct worker *w, const char *why)
{
    struct poller *poller = &w->poller;

    if (++poller->failures < POLLER_FAILURES_MAX) {
        poller->again_ms = clock_now_ms() + POLLER_AGAIN_MS;
        return;
    }
    if (poller->ps.n > 0) {
        poller->ps.n = 0;
        node_on_resident(w);
        probe_on_resident(w);
    }
    set_state(w, OLLAMA_DOWN, why);
}

/* With allow_runner_options every client may ask for a context length of its own, and any may be
 * what the next one asks for. */
static bool is_ours(const struct worker *w, const struct ps_model *model)
{
    return w->config.allow_runner_options ||
           residency_is_ours(&w->poller.residency, model, w->config.num_ctx);
}

/* The NUL counts, so that the ends of the names do. */
static uint64_t add_name(uint64_t hash, const char *name)
{
    return span_hash_add(hash, (struct span){name, strlen(name) + 1});
}

/* One number for a list of names: has it changed? */
static uint64_t resident_hash(const struct worker *w)
{
    uint64_t hash = SPAN_HASH_START;

    for (size_t i = 0; i < w->poller.ps.n; i++) {
        hash = add_name(hash, w->poller.ps.models[i].name);
        hash = add_name(hash, is_ours(w, &w->poller.ps.models[i]) ? "" : "foreign");
    }
    return hash;
}

static uint64_t installed_hash(const struct tags *tags)
{
    uint64_t hash = SPAN_HASH_START;

    for (size_t i = 0; i < tags->n; i++)
        hash = add_name(hash, tags->models[i].name);
    return hash;
}

static void take_version(struct worker *w, const struct http_outcome *outcome)
{
    char version[PS_VERSION_MAX];
    struct err err;

    if (outcome->result == HTTP_TIMED_OUT)
        return; /* busy or gone, nobody knows: what was known stands */
    if (outcome->result != HTTP_OK_COMPLETE) {
        on_failure(w, outcome->why);
    } else if (outcome->status != 200) {
        on_failure(w, "/api/version has no status 200");
    } else if (version_decode(buf_span(&w->poller.answer), version, &err) < 0) {
        on_failure(w, err.msg);
    } else {
        on_alive(w, version);
        ask(w, POLLER_PS);
    }
}

static void after_ps(struct worker *w)
{
    struct poller *poller = &w->poller;

    if (poller->wants_tags || clock_now_ms() >= poller->next_tags_ms) {
        ask(w, POLLER_TAGS);
    } else {
        set_state(w, OLLAMA_UP, "");
    }
}

/* Told once, until it is another one: an operator wonders why the node does not count as having it.
 */
static void tell_foreign(struct worker *w)
{
    struct poller *poller = &w->poller;
    uint64_t hash = SPAN_HASH_START;

    for (size_t i = 0; i < poller->ps.n; i++) {
        if (!is_ours(w, &poller->ps.models[i]))
            hash = add_name(hash, poller->ps.models[i].name);
    }
    if (hash == poller->foreign_hash)
        return;
    poller->foreign_hash = hash;
    for (size_t i = 0; i < poller->ps.n; i++) {
        const struct ps_model *model = &poller->ps.models[i];
        if (is_ours(w, model))
            continue;
        log_info(
            "event=model_foreign node=%s model=%s context_length=%lld why=\"somebody has loaded "
            "it with another context length: Ollama would load it again for a request\"",
            w->config.node_id, model->name, (long long)model->context_length);
    }
}

/* False if it is not what Ollama answers. */
static bool use_ps(struct worker *w)
{
    struct poller *poller = &w->poller;
    uint64_t before = resident_hash(w);
    struct err err;
    bool is_good = ps_decode(buf_span(&poller->answer), &poller->ps, &err) == 0;

    if (is_good) {
        poller->is_ps_fresh = true;
        residency_look(&poller->residency, &poller->ps, poller->ps_asked_ms);
        tell_foreign(w);
        if (resident_hash(w) != before)
            beat_soon(w);
    } else {
        log_debug("event=ps_garbage why=\"%s\"", err.msg);
    }
    node_on_resident(w);
    counters_on_resident(w);
    probe_on_resident(w);
    return is_good;
}

static void take_ps(struct worker *w, const struct http_outcome *outcome)
{
    struct poller *poller = &w->poller;
    bool is_whole = outcome->result == HTTP_OK_COMPLETE;
    bool is_good = is_whole && outcome->status == 200 && use_ps(w);

    if (!is_good && !poller->is_alive) { /* whatever answered, is it Ollama? */
        ask(w, POLLER_VERSION);
        return;
    }
    if (is_whole && outcome->status == 500 && poller->answer.len == 0 &&
        !poller->has_asked_ps_twice) {
        poller->has_asked_ps_twice = true;
        ask(w, POLLER_PS);
        return;
    }
    after_ps(w);
}

static void take_tags(struct worker *w, const struct http_outcome *outcome)
{
    struct poller *poller = &w->poller;
    uint64_t before = installed_hash(&poller->tags);
    struct err err;

    poller->next_tags_ms = clock_now_ms() + POLLER_TAGS_RETRY_MS;
    if (outcome->result == HTTP_OK_COMPLETE && outcome->status == 200) {
        if (tags_decode(buf_span(&poller->answer), &poller->tags, &err) < 0) {
            log_debug("event=tags_garbage why=\"%s\"", err.msg);
        } else {
            poller->next_tags_ms = clock_now_ms() + POLLER_TAGS_MS;
        }
        if (installed_hash(&poller->tags) != before)
            beat_soon(w);
    }
    set_state(w, OLLAMA_UP, "");
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_data(struct span bytes, void *arg)
{
    struct worker *w = arg;

    (void)buf_add(&w->poller.answer, bytes.ptr, bytes.len); /* too large: does not decode */
}

static void on_done(const struct http_outcome *outcome, void *arg)
{
    struct worker *w = arg;
    struct poller *poller = &w->poller;
    enum poller_step step = poller->step;

    poller->call = NULL;
    poller->step = POLLER_IDLE;
    if (outcome->result == HTTP_ABORTED)
        return;
    switch (step) {
    case POLLER_VERSION:
        take_version(w, outcome);
        break;
    case POLLER_PS:
        take_ps(w, outcome);
        break;
    case POLLER_TAGS:
        take_tags(w, outcome);
        break;
    case POLLER_IDLE:
    case POLLER_STEP_COUNT:
        break;
    }
}

static void ask(struct worker *w, enum poller_step step)
{
    static const char *const paths[POLLER_STEP_COUNT] = {
        [POLLER_VERSION] = "/api/version", [POLLER_PS] = "/api/ps", [POLLER_TAGS] = "/api/tags"};
    struct poller *poller = &w->poller;
    char url[sizeof w->config.ollama + 32];

    if (step == POLLER_TAGS)
        poller->wants_tags = false;
    if (step == POLLER_PS)
        poller->ps_asked_ms = clock_now_ms();
    poller->step = step;
    buf_clear(&poller->answer);
    (void)snprintf(url, sizeof url, "%s%s", w->config.ollama, paths[step]);
    poller->call = http_call_start(w->curl, &(struct http_request){
                                                .method = HTTP_GET,
                                                .url = url,
                                                .connect_timeout_ms = POLLER_TIMEOUT_MS,
                                                .total_timeout_ms = POLLER_TIMEOUT_MS,
                                                .on_data = on_data,
                                                .on_done = on_done,
                                                .arg = w,
                                            });
}

static bool is_surely_alive(const struct poller *poller, int64_t now_ms)
{
    return poller->state == OLLAMA_UP && poller->failures == 0 && now_ms < poller->next_version_ms;
}

void poller_tick(struct worker *w, int64_t now_ms)
{
    struct poller *poller = &w->poller;

    if (beat_is_near(w, now_ms) || now_ms >= poller->again_ms)
        poller->is_soon = true; /* beat_tick() comes later in this tick */
    if (poller->step != POLLER_IDLE || !poller->is_soon)
        return;
    poller->is_soon = false;
    poller->again_ms = INT64_MAX;
    poller->has_asked_ps_twice = false;
    poller->is_alive = false;
    poller->is_ps_fresh = false;
    ask(w, is_surely_alive(poller, now_ms) ? POLLER_PS : POLLER_VERSION);
    curl_loop_begin(w->curl); /* the answer may be there when the heartbeat has its own */
}

int64_t poller_due_ms(const struct worker *w)
{
    const struct poller *poller = &w->poller;

    if (poller->step != POLLER_IDLE)
        return INT64_MAX;
    return poller->is_soon ? 0 : poller->again_ms;
}

void poller_soon(struct worker *w)
{
    w->poller.is_soon = true;
}

void poller_want_tags(struct worker *w)
{
    w->poller.wants_tags = true;
    w->poller.is_soon = true;
}

bool poller_is_loaded(const struct worker *w, const char *model_name)
{
    return ps_find(&w->poller.ps, model_name) != NULL;
}

bool poller_is_resident(const struct worker *w, const char *model_name)
{
    const struct ps_model *model = ps_find(&w->poller.ps, model_name);

    return model && is_ours(w, model);
}

static size_t select_models(const struct worker *w, bool ours, struct span ret[PS_RESIDENT_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < w->poller.ps.n; i++) {
        if (is_ours(w, &w->poller.ps.models[i]) == ours)
            ret[n++] = span_str(w->poller.ps.models[i].name);
    }
    return n;
}

size_t poller_residents(const struct worker *w, struct span ret[PS_RESIDENT_MAX])
{
    return select_models(w, true, ret);
}

size_t poller_foreigns(const struct worker *w, struct span ret[PS_RESIDENT_MAX])
{
    return select_models(w, false, ret);
}

void poller_on_ran(struct worker *w, const char *model_name)
{
    if (residency_ran(&w->poller.residency, model_name, w->config.num_ctx, clock_now_ms()))
        poller_soon(w);
}

void poller_init(struct worker *w)
{
    buf_init(&w->poller.answer, POLLER_ANSWER_MAX_BYTES);
    w->poller.again_ms = INT64_MAX;
}

void poller_done(struct worker *w)
{
    buf_done(&w->poller.answer);
}
