#include "info.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lines.h"
#include "sched.h"
#include "text.h"

static const char JSON_TYPE[] = "application/json; charset=utf-8";

/* Bytes of KV cache for one token of context; a round figure. */
enum { KV_BYTES = 28672 };

static void add_string(struct evbuffer *out, const char *text)
{
    text_json(out, text, strlen(text), false);
}

static void reply(struct conn *conn, int status, struct evbuffer *body)
{
    conn_reply(conn, status, JSON_TYPE, body);
    evbuffer_free(body);
}

void info_version(struct sim *sim, struct conn *conn)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "{\"version\":\"%s\"}", sim->profile->version);
    reply(conn, 200, body);
}

static void add_details(const struct model *model, struct evbuffer *out)
{
    evbuffer_add_printf(out, "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":");
    add_string(out, model->family);
    evbuffer_add_printf(out, ",\"families\":[");
    add_string(out, model->family);
    evbuffer_add_printf(out, "],\"parameter_size\":\"%s\",\"quantization_level\":\"%s\"}",
                        model->parameter_size, model->kind == MODEL_EMBED ? "F16" : "Q4_K_M");
}

static void add_capabilities(const struct model *model, const struct profile *profile,
                             struct evbuffer *out)
{
    if (model->kind == MODEL_EMBED) {
        evbuffer_add_printf(out, ",\"capabilities\":[\"embedding\"]");
        return;
    }
    evbuffer_add_printf(out, ",\"capabilities\":[\"completion\"%s%s]",
                        model->tools ? ",\"tools\"" : "",
                        model->thinking > 0 && profile->thinking ? ",\"thinking\"" : "");
}

static int zone_now(const struct sim *sim, int64_t seconds)
{
    struct tm tm;
    time_t when = (time_t)seconds;
    if (sim->settings.zone_min != ZONE_LOCAL)
        return sim->settings.zone_min;
    localtime_r(&when, &tm);
    return (int)(tm.tm_gmtoff / 60);
}

/* When ps says that it goes: until its first request has ended, a time that moves. */
static void shown_expiry(const struct runner *runner, int64_t *ret_seconds, int32_t *ret_nanos)
{
    *ret_seconds = runner->expires_s;
    *ret_nanos = runner->expires_ns;
    if (runner->expiry_known)
        return;
    int64_t keep_ns = sim_scaled_ns(runner->sim, runner->keep_alive_ns);
    sim_wall(ret_seconds, ret_nanos);
    *ret_seconds += keep_ns / 1000000000;
    *ret_nanos += (int32_t)(keep_ns % 1000000000);
    if (*ret_nanos >= 1000000000) {
        *ret_nanos -= 1000000000;
        ++*ret_seconds;
    }
}

static bool listed(const struct runner *runner)
{
    const struct profile *profile = runner->sim->profile;
    return runner->state == RUNNER_READY || profile->load_listed ||
           (profile->new_engine_listed && runner->model->new_engine);
}

static void add_runner(const struct runner *runner, struct evbuffer *out)
{
    char when[TEXT_TIME_MAX];
    int64_t seconds = 0;
    int32_t nanos = 0;
    const struct model *model = runner->model;
    const struct sim *sim = runner->sim;
    int64_t kv_bytes = (int64_t)runner->options.num_ctx * runner->slot_count * KV_BYTES;
    shown_expiry(runner, &seconds, &nanos);
    text_time(when, seconds, nanos, zone_now(sim, seconds), sim->settings.digits);
    evbuffer_add_printf(out, "{\"name\":");
    add_string(out, model->name);
    evbuffer_add_printf(out, ",\"model\":");
    add_string(out, model->name);
    evbuffer_add_printf(out, ",\"size\":%lld,\"digest\":\"%s\",",
                        (long long)(model->size_bytes + kv_bytes), model->digest);
    add_details(model, out);
    evbuffer_add_printf(out, ",\"expires_at\":\"%s\",\"size_vram\":0", when);
    if (sim->profile->ps_context_length)
        evbuffer_add_printf(out, ",\"context_length\":%d", runner->options.num_ctx);
    evbuffer_add_printf(out, "}");
}

static int by_expiry(const void *left, const void *right)
{
    const struct runner *const *a = left;
    const struct runner *const *b = right;
    int64_t a_s = 0;
    int64_t b_s = 0;
    int32_t nanos = 0;
    shown_expiry(*a, &a_s, &nanos);
    shown_expiry(*b, &b_s, &nanos);
    return (a_s < b_s) - (a_s > b_s);
}

void info_ps(struct sim *sim, struct conn *conn)
{
    struct runner *sorted[MODEL_COUNT_MAX];
    struct runner *runner = NULL;
    size_t count = 0;
    struct evbuffer *body = evbuffer_new();
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        if (listed(runner) && count < MODEL_COUNT_MAX)
            sorted[count++] = runner;
    }
    qsort(sorted, count, sizeof(sorted[0]), by_expiry);
    evbuffer_add_printf(body, "{\"models\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            evbuffer_add(body, ",", 1);
        add_runner(sorted[i], body);
    }
    evbuffer_add_printf(body, "]}");
    reply(conn, 200, body);
}

static void add_tag(const struct sim *sim, const struct model *model, struct evbuffer *out)
{
    char when[TEXT_TIME_MAX];
    int64_t modified = sim->started_s - 3600 - (model - sim->models) * 60;
    evbuffer_add_printf(out, "{\"name\":");
    add_string(out, model->name);
    evbuffer_add_printf(out, ",\"model\":");
    add_string(out, model->name);
    text_time(when, modified, 123456789, zone_now(sim, modified), 9);
    evbuffer_add_printf(out, ",\"modified_at\":\"%s\",\"size\":%lld,\"digest\":\"%s\",", when,
                        (long long)model->size_bytes, model->digest);
    add_details(model, out);
    if (sim->profile->tags_capabilities)
        add_capabilities(model, sim->profile, out);
    evbuffer_add_printf(out, "}");
}

void info_tags(struct sim *sim, struct conn *conn)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add_printf(body, "{\"models\":[");
    for (size_t i = 0; i < sim->model_count; i++) {
        if (i > 0)
            evbuffer_add(body, ",", 1);
        add_tag(sim, &sim->models[i], body);
    }
    evbuffer_add_printf(body, "]}");
    reply(conn, 200, body);
}

static void add_show(const struct sim *sim, const struct model *model, struct evbuffer *out)
{
    char when[TEXT_TIME_MAX];
    evbuffer_add_printf(out,
                        "{\"license\":\"\",\"modelfile\":\"FROM /root/.ollama/models/blobs/sha256-"
                        "%s\\n\",\"parameters\":\"",
                        model->digest);
    if (model->num_ctx > 0)
        evbuffer_add_printf(out, "num_ctx                        %d", model->num_ctx);
    evbuffer_add_printf(out, "\",\"template\":\"{{ .Prompt }}\",");
    add_details(model, out);
    evbuffer_add_printf(out,
                        ",\"model_info\":{\"general.architecture\":\"%s\",\"%s.context_length\":%d,"
                        "\"%s.embedding_length\":%d}",
                        model->family, model->family, model->train_ctx, model->family, model->dim);
    if (sim->profile->show_capabilities)
        add_capabilities(model, sim->profile, out);
    text_time(when, sim->started_s - 3600, 123456789, zone_now(sim, sim->started_s), 9);
    evbuffer_add_printf(out, ",\"modified_at\":\"%s\"}", when);
}

void info_show(struct sim *sim, struct conn *conn, const struct http_request *request)
{
    struct evbuffer *body = evbuffer_new();
    cJSON *root = cJSON_ParseWithLength(request->body, request->body_bytes);
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(root, "model");
    if (name == NULL)
        name = cJSON_GetObjectItemCaseSensitive(root, "name");
    const char *wanted = cJSON_IsString(name) ? name->valuestring : "";
    const struct model *model = model_find(sim->models, sim->model_count, wanted);
    int status = 200;
    if (wanted[0] == '\0') {
        status = 400;
        line_error(request->body_bytes == 0 ? "missing request body" : "model is required", false,
                   body);
    } else if (model == NULL) {
        char text[MODEL_NAME_MAX + 32];
        status = 404;
        snprintf(text, sizeof(text), "model '%s' not found", wanted);
        line_error(text, false, body);
    } else {
        add_show(sim, model, body);
    }
    cJSON_Delete(root);
    reply(conn, status, body);
}
