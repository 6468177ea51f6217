#include "control.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "sched.h"
#include "text.h"

static const char JSON_TYPE[] = "application/json; charset=utf-8";

int control_arm(struct sim *sim, const char *spec, struct conn *conn, char *why, size_t why_size)
{
    struct fault fault;
    if (fault_parse(spec, &fault, why, why_size) != 0)
        return -EINVAL;
    if (fault.kind == FAULT_CONNECT_REFUSE) {
        server_refuse(&sim->server, conn, fault.number);
        return 0;
    }
    if (faults_add(&sim->faults, &fault) != 0) {
        snprintf(why, why_size, "no more than %d faults", FAULT_COUNT_MAX);
        return -EINVAL;
    }
    if (fault.kind == FAULT_PS_DEAD_RUNNER)
        sched_strike_dead(sim);
    return 0;
}

/* {"name":..., "arg":..., ...} as the text that --fault takes. */
static int object_spec(const cJSON *item, char *out, size_t size)
{
    static const char *const keys[] = {"name", "arg", "count", "after", "model", "path", "text"};
    size_t used = 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char number[32];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, keys[i]);
        const char *text = cJSON_IsString(value) ? value->valuestring : number;
        if (value == NULL)
            continue;
        if (cJSON_IsNumber(value))
            snprintf(number, sizeof(number), "%.0f", value->valuedouble);
        else if (!cJSON_IsString(value))
            return -EINVAL;
        int bytes = i == 0   ? snprintf(out, size, "%s", text)
                    : i == 1 ? snprintf(out + used, size - used, "=%s", text)
                             : snprintf(out + used, size - used, ",%s=%s", keys[i], text);
        used += (size_t)bytes;
        if (used >= size)
            return -EINVAL;
    }
    return used > 0 ? 0 : -EINVAL;
}

static int arm_list(struct sim *sim, struct conn *conn, const cJSON *list, char *why,
                    size_t why_size)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        char spec[1024] = "";
        snprintf(why, why_size, "a fault is a text or an object with a name");
        if (cJSON_IsString(item))
            snprintf(spec, sizeof(spec), "%s", item->valuestring);
        else if (object_spec(item, spec, sizeof(spec)) != 0)
            return -EINVAL;
        if (control_arm(sim, spec, conn, why, why_size) != 0)
            return -EINVAL;
    }
    return 0;
}

static void reply(struct conn *conn, int status, struct evbuffer *body)
{
    conn_reply(conn, status, JSON_TYPE, body);
    evbuffer_free(body);
}

static void reply_state(struct sim *sim, struct conn *conn)
{
    struct evbuffer *body = evbuffer_new();
    state_write(sim, body);
    reply(conn, 200, body);
}

static void reply_error(struct conn *conn, const char *why)
{
    struct evbuffer *body = evbuffer_new();
    line_error(why, false, body);
    reply(conn, 400, body);
}

static int change_faults(struct sim *sim, struct conn *conn, const cJSON *root, char *why,
                         size_t why_size)
{
    const cJSON *clear = cJSON_GetObjectItemCaseSensitive(root, "clear");
    const cJSON *set = cJSON_GetObjectItemCaseSensitive(root, "set");
    if (cJSON_IsString(clear))
        faults_clear(&sim->faults, clear->valuestring);
    else if (cJSON_IsTrue(clear) || set != NULL)
        faults_clear(&sim->faults, NULL);
    if (arm_list(sim, conn, set, why, why_size) != 0)
        return -EINVAL;
    return arm_list(sim, conn, cJSON_GetObjectItemCaseSensitive(root, "add"), why, why_size);
}

static int change_model(struct sim *sim, const cJSON *keys, char *why, size_t why_size)
{
    struct model *model = model_find(sim->models, sim->model_count, keys->string);
    const cJSON *key = NULL;
    if (model == NULL) {
        snprintf(why, why_size, "no model %.200s", keys->string);
        return -EINVAL;
    }
    cJSON_ArrayForEach(key, keys)
    {
        char value[256] = "";
        if (cJSON_IsString(key))
            snprintf(value, sizeof(value), "%s", key->valuestring);
        else if (cJSON_IsNumber(key))
            snprintf(value, sizeof(value), "%.17g", key->valuedouble);
        else if (cJSON_IsBool(key))
            snprintf(value, sizeof(value), "%s", cJSON_IsTrue(key) ? "yes" : "no");
        if (model_set(model, key->string, value) != 0) {
            snprintf(why, why_size, "cannot use %.100s=%.100s", key->string, value);
            return -EINVAL;
        }
    }
    return 0;
}

static int change_config(struct sim *sim, const cJSON *root, char *why, size_t why_size)
{
    const cJSON *speed = cJSON_GetObjectItemCaseSensitive(root, "speed");
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(root, "version_profile");
    const cJSON *model = NULL;
    const struct profile *profile = sim->profile;
    if (cJSON_IsString(version))
        profile = profile_find(version->valuestring);
    if (profile == NULL) {
        snprintf(why, why_size, "version_profile is one of: %s", profile_names());
        return -EINVAL;
    }
    if (speed != NULL && !(cJSON_IsNumber(speed) && speed->valuedouble > 0)) {
        snprintf(why, why_size, "speed is a number above 0");
        return -EINVAL;
    }
    sim->profile = profile;
    if (speed != NULL)
        sim->settings.speed = speed->valuedouble;
    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(root, "models"))
    {
        if (change_model(sim, model, why, why_size) != 0)
            return -EINVAL;
    }
    return 0;
}

static void reply_bodies(struct sim *sim, struct conn *conn)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, "[", 1);
    for (size_t i = 0; i < sim->bodies.count; i++) {
        size_t slot = (sim->bodies.first + i) % SIM_BODIES_MAX;
        if (i > 0)
            evbuffer_add(body, ",", 1);
        text_json(body, sim->bodies.ring[slot].text, sim->bodies.ring[slot].bytes, false);
    }
    evbuffer_add(body, "]", 1);
    reply(conn, 200, body);
}

static void reset(struct sim *sim)
{
    int in_flight = sim->counters.in_flight;
    faults_clear(&sim->faults, NULL);
    bodies_free(&sim->bodies);
    sim->counters = (struct counters){.in_flight = in_flight, .max_in_flight = in_flight};
    for (size_t i = 0; i < sim->model_count; i++) {
        struct model *model = &sim->models[i];
        model->requests = model->loads = model->generated = 0;
        model->max_in_flight = model->in_flight;
        model->max_running = model->running;
    }
}

static void serve_post(struct sim *sim, struct conn *conn, const struct http_request *request)
{
    char why[512] = "not JSON";
    cJSON *root = cJSON_ParseWithLength(request->body, request->body_bytes);
    int r = -EINVAL;
    if (strcmp(request->path, "/sim/reset") == 0) {
        reset(sim);
        r = 0;
    } else if (root != NULL && strcmp(request->path, "/sim/faults") == 0) {
        r = change_faults(sim, conn, root, why, sizeof(why));
    } else if (root != NULL) {
        r = change_config(sim, root, why, sizeof(why));
    }
    cJSON_Delete(root);
    if (r != 0)
        reply_error(conn, why);
    else
        reply_state(sim, conn);
}

void control_serve(struct sim *sim, struct conn *conn, const struct http_request *request)
{
    static const char *const posts[] = {"/sim/faults", "/sim/config", "/sim/reset", NULL};
    bool get = strcmp(request->method, "GET") == 0;
    if (get && strcmp(request->path, "/sim/state") == 0) {
        reply_state(sim, conn);
        return;
    }
    if (get && strcmp(request->path, "/sim/requests") == 0) {
        reply_bodies(sim, conn);
        return;
    }
    for (size_t i = 0; posts[i] != NULL; i++) {
        if (strcmp(request->method, "POST") == 0 && strcmp(request->path, posts[i]) == 0) {
            serve_post(sim, conn, request);
            return;
        }
    }
    conn_reply_text(conn, 404, "text/plain", "404 page not found");
}
