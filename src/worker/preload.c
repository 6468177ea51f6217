#include "preload.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/redis_command.h"

#include "body.h"
#include "http_call.h"
#include "worker.h"

#define ANSWER_MAX_BYTES ((size_t)4096)

/* The only writer of the state. */
static void state_set(struct worker *w, enum preload_state state)
{
    if (w->preload.state == state)
        return;
    w->preload.state = state;
    beat_now(w); /* routers must know whether it may get work */
}

const char *preload_model(const struct worker *w)
{
    return w->preload.state == PRELOAD_IDLE ? NULL : w->preload.model;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* `error` is NULL if the model is in memory. */
static void tell(struct worker *w, const char *model, int64_t run_ms, const char *error)
{
    char took[24];
    const char *argv[] = {"event", "preloaded", "node", w->config.node_id, "model",
                          model,   "run_ms",    took,   "error",           error};

    (void)snprintf(took, sizeof took, "%lld", (long long)run_ms);
    if (error) {
        log_info("event=not_preloaded node=%s model=%s run_ms=%s why=\"%s\"", w->config.node_id,
                 model, took, error);
    } else {
        w->counters.preloads++;
        log_info("event=preloaded node=%s model=%s run_ms=%s", w->config.node_id, model, took);
    }
    (void)redis_command_event(w->session.commands, &w->keys, error ? 10 : 8, argv);
}

static void end(struct worker *w, const char *error)
{
    struct preload *preload = &w->preload;

    if (preload->state == PRELOAD_IDLE)
        return;
    tell(w, preload->model, clock_now_ms() - preload->start_ms, error);
    state_set(w, PRELOAD_IDLE);
    if (preload->call)
        http_call_cancel(preload->call); /* on_done() comes with HTTP_ABORTED */
    poller_soon(w);
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_data(struct span bytes, void *arg)
{
    struct worker *w = arg;
    struct buf *answer = &w->preload.answer;
    size_t room = answer->max_bytes - answer->len;

    (void)buf_add(answer, bytes.ptr, bytes.len < room ? bytes.len : room);
}

static bool is_good(const struct worker *w, const struct http_outcome *outcome)
{
    return outcome->result == HTTP_OK_COMPLETE && outcome->status == 200 &&
           memmem(w->preload.answer.ptr, w->preload.answer.len, "\"done\":true", 11) != NULL;
}

static const char *why_not(const struct http_outcome *outcome, char *buf, size_t cap)
{
    if (outcome->result != HTTP_OK_COMPLETE)
        return outcome->why;
    (void)snprintf(buf, cap, "Ollama answered with status %d", outcome->status);
    return buf;
}

static void learn_load(struct worker *w)
{
    const struct rates_sample sample = {
        .load_ns = (clock_now_ms() - w->preload.load_ms) * 1000000,
        .ollama_version = w->poller.version,
    };

    poller_on_ran(w, w->preload.model);
    rates_add(&w->node.rates, span_str(w->preload.model), &sample);
}

static void on_done(const struct http_outcome *outcome, void *arg)
{
    struct worker *w = arg;
    struct preload *preload = &w->preload;
    char text[64];

    preload->call = NULL;
    if (outcome->result == HTTP_ABORTED || preload->state == PRELOAD_IDLE)
        return;
    if (!is_good(w, outcome)) {
        end(w, why_not(outcome, text, sizeof text));
    } else if (preload->state == PRELOAD_UNLOADING) {
        poller_soon(w); /* preload_tick() goes on when it is gone */
    } else {
        learn_load(w);
        end(w, NULL);
    }
}

static void call(struct worker *w, bool is_built)
{
    struct preload *preload = &w->preload;
    char url[sizeof w->config.ollama + 32];

    if (!is_built) {
        end(w, "out of memory");
        return;
    }
    buf_clear(&preload->answer);
    (void)snprintf(url, sizeof url, "%s%s", w->config.ollama, body_path(BODY_GENERATE));
    preload->call = http_call_start(w->curl, &(struct http_request){
                                                 .method = HTTP_POST,
                                                 .url = url,
                                                 .body = buf_span(&preload->body),
                                                 .total_timeout_ms = PRELOAD_TIMEOUT_MS,
                                                 .on_data = on_data,
                                                 .on_done = on_done,
                                                 .arg = w,
                                             });
}

static void load(struct worker *w)
{
    struct preload *preload = &w->preload;

    state_set(w, PRELOAD_LOADING);
    preload->load_ms = clock_now_ms();
    buf_clear(&preload->body);
    call(w, body_build_preload(span_str(preload->model), w->config.num_ctx, &preload->body));
}

static void unload(struct worker *w)
{
    struct preload *preload = &w->preload;

    state_set(w, PRELOAD_UNLOADING);
    preload->look_ms = clock_now_ms() + PRELOAD_LOOK_MS;
    buf_clear(&preload->body);
    call(w, body_build_unload(span_str(preload->unload), &preload->body));
}

void preload_tick(struct worker *w, int64_t now_ms)
{
    struct preload *preload = &w->preload;

    if (preload->state != PRELOAD_UNLOADING || preload->call)
        return;
    if (!poller_is_loaded(w, preload->unload)) {
        load(w);
    } else if (now_ms - preload->start_ms > PRELOAD_UNLOAD_MS) {
        end(w, "the old model was not unloaded");
    } else if (now_ms >= preload->look_ms) {
        preload->look_ms = now_ms + PRELOAD_LOOK_MS;
        poller_soon(w);
    }
}

/* --- wishes ----------------------------------------------------------------------------------- */

/* NULL if nothing speaks against it. */
static const char *objection(const struct worker *w, const char *model, int64_t age_ms)
{
    if (age_ms > PRELOAD_WISH_MS)
        return "the wish is too old";
    if (!availability_is_ok(&w->node.availability))
        return "the node is not available";
    if (!tags_find(&w->poller.tags, model))
        return "the model is not installed here";
    if (w->preload.state != PRELOAD_IDLE || w->preload.call)
        return "another model is being loaded";
    if (jobs_held(w) > 0)
        return "the node has work";
    return NULL;
}

static bool has_room(const struct worker *w, const char *model)
{
    const struct tags_model *installed = tags_find(&w->poller.tags, model);
    const struct sensor_reading *reading = &w->node.reading;
    int64_t ram_bytes = reading->has_ram ? reading->ram_total_mb * 1024 * 1024 : 0;

    return installed && ps_has_room(&w->poller.ps, model, installed->size_bytes, ram_bytes);
}

/* What the router named. What somebody has loaded otherwise is not in memory for it, so it does not
 * name it: it goes if memory would not hold it and the new one, or nobody knows. */
static void what_to_unload(struct worker *w, struct span named)
{
    struct preload *preload = &w->preload;
    struct span foreign[PS_RESIDENT_MAX];
    size_t n = poller_foreigns(w, foreign);

    preload->unload[0] = '\0';
    if (model_name_canonical(named, preload->unload))
        return;
    if (has_room(w, preload->model))
        return;
    for (size_t i = 0; i < n && !preload->unload[0]; i++) {
        if (!span_is(foreign[i], preload->model))
            (void)span_copy(foreign[i], preload->unload, sizeof preload->unload);
    }
}

void preload_wish(struct worker *w, struct span model, struct span unload_model, int64_t age_ms)
{
    struct preload *preload = &w->preload;
    char name[MODEL_NAME_MAX + 1];
    const char *against;

    if (!model_name_canonical(model, name)) {
        log_warn("event=bad_preload node=%s why=\"no model name\"", w->config.node_id);
        return;
    }
    against = objection(w, name, age_ms);
    if (against || poller_is_resident(w, name)) {
        tell(w, name, 0, against);
        return;
    }
    (void)snprintf(preload->model, sizeof preload->model, "%s", name);
    preload->start_ms = clock_now_ms();
    what_to_unload(w, unload_model);
    if (preload->unload[0] && poller_is_loaded(w, preload->unload)) {
        unload(w);
    } else {
        load(w);
    }
}

void preload_make_way(struct worker *w, const char *model_name)
{
    if (w->preload.state != PRELOAD_IDLE && strcmp(w->preload.model, model_name) != 0)
        end(w, "a request for another model came");
}

void preload_init(struct worker *w)
{
    buf_init(&w->preload.body, BODY_SLACK_BYTES + 6 * MODEL_NAME_MAX);
    buf_init(&w->preload.answer, ANSWER_MAX_BYTES);
}

void preload_done(struct worker *w)
{
    buf_done(&w->preload.body);
    buf_done(&w->preload.answer);
}
