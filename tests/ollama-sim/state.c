#include <event2/buffer.h>
#include <string.h>

#include "control.h"
#include "sched.h"
#include "text.h"

static const char *const paths[SIM_PATHS] = {
    "/",         "/api/version",  "/api/ps",    "/api/tags",       "/api/show",
    "/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "other",
};

size_t state_path_index(const char *path)
{
    size_t i = 0;
    while (i < SIM_PATHS - 1 && strcmp(paths[i], path) != 0)
        i++;
    return i;
}

static void add_string(struct evbuffer *out, const char *text)
{
    text_json(out, text, strlen(text), false);
}

static void add_count(struct evbuffer *out, const char *key, uint64_t value)
{
    evbuffer_add_printf(out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void add_model(const struct sim *sim, size_t index, struct evbuffer *out)
{
    const struct model *model = &sim->models[index];
    const struct runner *runner = NULL;
    LIST_FOREACH(runner, &sim->sched.runners, link)
    {
        if (runner->model == model)
            break;
    }
    const char *state = "unloaded";
    if (runner != NULL)
        state = runner->state == RUNNER_LOADING ? "loading" : runner->dead ? "dead" : "loaded";
    evbuffer_add_printf(out, index > 0 ? ",{\"name\":" : "{\"name\":");
    add_string(out, model->name);
    evbuffer_add_printf(out, ",\"state\":\"%s\",\"num_ctx\":%d", state,
                        runner != NULL ? runner->options.num_ctx : 0);
    add_count(out, "waiting", runner != NULL ? runner->waiting_count : 0);
    add_count(out, "requests", model->requests);
    add_count(out, "loads", model->loads);
    add_count(out, "generated", model->generated);
    add_count(out, "in_flight", (uint64_t)model->in_flight);
    add_count(out, "max_in_flight", (uint64_t)model->max_in_flight);
    add_count(out, "running", (uint64_t)model->running);
    add_count(out, "max_running", (uint64_t)model->max_running);
    evbuffer_add_printf(out, "}");
}

static void add_fault(const struct fault *fault, struct evbuffer *out)
{
    const struct fault_kind_info *info = fault_info(fault->kind);
    evbuffer_add_printf(out, "{\"name\":\"%s\"", info->name);
    if (info->argument == ARGUMENT_TEXT) {
        evbuffer_add_printf(out, ",\"arg\":");
        add_string(out, fault->word);
    } else if (info->argument != ARGUMENT_NONE) {
        evbuffer_add_printf(out, ",\"arg\":%lld", (long long)fault->number);
    }
    evbuffer_add_printf(
        out, ",\"count\":%lld,\"after\":%lld,\"struck\":%llu,\"model\":", (long long)fault->count,
        (long long)fault->after, (unsigned long long)fault->struck);
    add_string(out, fault->model);
    evbuffer_add_printf(out, ",\"path\":");
    add_string(out, fault->path);
    evbuffer_add_printf(out, "}");
}

static void add_counters(const struct sim *sim, struct evbuffer *out)
{
    const struct counters *counters = &sim->counters;
    evbuffer_add_printf(out, "\"requests\":{");
    for (size_t i = 0; i < SIM_PATHS; i++)
        evbuffer_add_printf(out, "%s\"%s\":%llu", i > 0 ? "," : "", paths[i],
                            (unsigned long long)counters->by_path[i]);
    evbuffer_add_printf(out, "}");
    add_count(out, "in_flight", (uint64_t)counters->in_flight);
    add_count(out, "max_in_flight", (uint64_t)counters->max_in_flight);
    add_count(out, "pending", sim->sched.pending_count + (sim->sched.current != NULL));
    add_count(out, "loads", counters->loads);
    add_count(out, "unloads", counters->unloads);
    add_count(out, "load_aborts", counters->load_aborts);
    add_count(out, "completed", counters->completed);
    add_count(out, "failed", counters->failed);
    add_count(out, "aborted", counters->aborted);
    add_count(out, "wedged", counters->wedged);
    add_count(out, "connections_open", (uint64_t)sim->server.open);
    add_count(out, "max_connections_open", (uint64_t)sim->server.max_open);
    add_count(out, "connections_accepted", sim->server.accepted);
}

void state_write(const struct sim *sim, struct evbuffer *out)
{
    evbuffer_add_printf(out, "{\"version\":\"%s\",\"speed\":%g,", sim->profile->version,
                        sim->settings.speed);
    add_counters(sim, out);
    evbuffer_add_printf(out, ",\"models\":[");
    for (size_t i = 0; i < sim->model_count; i++)
        add_model(sim, i, out);
    evbuffer_add_printf(out, "],\"faults\":[");
    for (size_t i = 0; i < sim->faults.count; i++) {
        if (i > 0)
            evbuffer_add(out, ",", 1);
        add_fault(&sim->faults.faults[i], out);
    }
    evbuffer_add_printf(out, "]}");
}
