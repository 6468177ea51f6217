#include "probe.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#include "http_call.h"
#include "worker.h"

static struct suspect *find(struct probe *probe, const char *model_name)
{
    for (size_t i = 0; i < probe->n; i++) {
        if (strcmp(probe->suspects[i].model, model_name) == 0)
            return &probe->suspects[i];
    }
    return NULL;
}

static void drop(struct probe *probe, size_t i)
{
    probe->n--;
    memmove(&probe->suspects[i], &probe->suspects[i + 1],
            (probe->n - i) * sizeof probe->suspects[0]);
}

static void clear(struct worker *w, const char *model_name, const char *why)
{
    struct suspect *suspect = find(&w->probe, model_name);

    if (!suspect)
        return;
    log_info("event=model_cleared node=%s model=%s why=\"%s\"", w->config.node_id, suspect->model,
             why);
    drop(&w->probe, (size_t)(suspect - w->probe.suspects));
    beat_soon(w);
}

void probe_clear(struct worker *w, const char *model_name)
{
    clear(w, model_name, "it has answered a request");
}

void probe_suspect(struct worker *w, const char *model_name, bool embeds_only)
{
    struct probe *probe = &w->probe;
    int64_t now_ms = clock_now_ms();
    struct suspect *suspect = find(probe, model_name);

    if (suspect) {
        suspect->lapse_ms = now_ms + PROBE_LAPSE_MS;
        return;
    }
    if (probe->n == PROBE_MAX)
        drop(probe, 0);
    suspect = &probe->suspects[probe->n++];
    *suspect = (struct suspect){
        .embeds_only = embeds_only,
        .next_ms = now_ms + PROBE_PAUSE_MS,
        .lapse_ms = now_ms + PROBE_LAPSE_MS,
    };
    (void)snprintf(suspect->model, sizeof suspect->model, "%s", model_name);
    log_warn("event=model_suspect node=%s model=%s", w->config.node_id, model_name);
    beat_soon(w);
    poller_soon(w);
}

void probe_on_resident(struct worker *w)
{
    for (size_t i = w->probe.n; i-- > 0;) {
        char model[MODEL_NAME_MAX + 1];

        (void)snprintf(model, sizeof model, "%s", w->probe.suspects[i].model);
        if (!poller_is_loaded(w, model))
            clear(w, model, "Ollama has unloaded it");
    }
}

/* --- the probe -------------------------------------------------------------------------------- */

static void on_data(struct span bytes, void *arg)
{
    struct worker *w = arg;
    struct probe *probe = &w->probe;
    struct span line;

    if (http_call_status(probe->call) != 200)
        return;
    lines_feed(&probe->lines, bytes);
    while (lines_next(&probe->lines, &line) == LINES_LINE)
        (void)answer_add_line(&probe->answer, line);
}

static void on_done(const struct http_outcome *outcome, void *arg)
{
    struct worker *w = arg;
    struct probe *probe = &w->probe;
    struct suspect *suspect = find(probe, probe->model);
    bool has_answered = outcome->result == HTTP_OK_COMPLETE && probe->answer.state == ANSWER_FINAL;

    probe->call = NULL;
    lines_done(&probe->lines);
    answer_done(&probe->answer);
    if (outcome->result == HTTP_ABORTED)
        return;
    if (has_answered) {
        clear(w, probe->model, "it has answered the probe");
    } else if (suspect) {
        suspect->next_ms = clock_now_ms() + PROBE_RETRY_MS;
        if (outcome->status == 400) /* "does not support generate" */
            suspect->embeds_only = true;
        log_debug("event=probe_failed model=%s why=\"%s\" status=%d", probe->model, outcome->why,
                  outcome->status);
    }
}

static void start(struct worker *w, const struct suspect *suspect)
{
    struct probe *probe = &w->probe;
    char url[sizeof w->config.ollama + 32];

    buf_clear(&probe->body);
    if (!body_build_probe(span_str(suspect->model), w->config.num_ctx, &probe->body))
        return;
    (void)snprintf(probe->model, sizeof probe->model, "%s", suspect->model);
    (void)snprintf(url, sizeof url, "%s%s", w->config.ollama, body_path(BODY_GENERATE));
    lines_init(&probe->lines, PROBE_ANSWER_BYTES);
    answer_init(&probe->answer, BODY_GENERATE, PROBE_ANSWER_BYTES);
    probe->call = http_call_start(w->curl, &(struct http_request){
                                               .method = HTTP_POST,
                                               .url = url,
                                               .body = buf_span(&probe->body),
                                               .total_timeout_ms = PROBE_TIMEOUT_MS,
                                               .on_data = on_data,
                                               .on_done = on_done,
                                               .arg = w,
                                           });
}

static bool can_probe(const struct worker *w, const struct suspect *suspect)
{
    const struct ps_model *resident = ps_find(&w->poller.ps, suspect->model);

    return resident && !resident->embeds_only && !suspect->embeds_only;
}

static void lapse(struct worker *w, int64_t now_ms)
{
    for (size_t i = w->probe.n; i-- > 0;) {
        const struct suspect *suspect = &w->probe.suspects[i];
        if (now_ms >= suspect->lapse_ms && !can_probe(w, suspect))
            clear(w, suspect->model, "it cannot be probed, and some time has passed");
    }
}

void probe_tick(struct worker *w, int64_t now_ms)
{
    struct probe *probe = &w->probe;

    lapse(w, now_ms);
    if (probe->call || w->leave.is_stopping || w->poller.state != OLLAMA_UP ||
        !w->poller.is_ps_fresh)
        return;
    for (size_t i = 0; i < probe->n; i++) {
        const struct suspect *suspect = &probe->suspects[i];
        if (!can_probe(w, suspect) || now_ms < suspect->next_ms ||
            jobs_runs_model(w, suspect->model))
            continue;
        start(w, suspect);
        return;
    }
}

void probe_init(struct worker *w)
{
    buf_init(&w->probe.body, BODY_SLACK_BYTES + 6 * MODEL_NAME_MAX);
}

void probe_done(struct worker *w)
{
    buf_done(&w->probe.body);
}
