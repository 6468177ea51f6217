#include "check.h"

#include <string.h>

#include "answer.h"

static int find_model(struct job *job, struct failure *failure)
{
    struct sim *sim = job->sim;
    const char *name = job->request.model;
    char canonical[MODEL_NAME_MAX];
    bool embed = job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS;
    if (job->request.kind == INFER_CHAT && name[0] == '\0')
        return failure_set(failure, 400, "model is required");
    if (name[0] != '\0' && !model_canonical(name, canonical) && sim->profile->name_checked)
        return failure_set(failure, 400, "invalid model name");
    job->model = model_find(sim->models, sim->model_count, name);
    if (job->model != NULL)
        return 0;
    if (embed)
        return failure_set(failure, 404, "model \"%s\" not found, try pulling it first", name);
    return failure_set(failure, 404, "model '%s' not found", name);
}

static int check_thinking(const struct job *job, struct failure *failure)
{
    const struct profile *profile = job->sim->profile;
    if (job->request.think != THINK_YES || job->model->thinking > 0)
        return 0;
    if (profile->thinking_quoted)
        return failure_set(failure, 400, "\"%s\" does not support thinking", job->request.model);
    return failure_set(failure, 400, "registry.ollama.ai/library/%s does not support thinking",
                       job->model->name);
}

static int check_capabilities(const struct job *job, struct failure *failure)
{
    const cJSON *suffix = cJSON_GetObjectItemCaseSensitive(job->request.root, "suffix");
    bool chat = job->request.kind == INFER_CHAT;
    if (job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS)
        return 0;
    if (job->model->kind == MODEL_EMBED && !job->request.empty)
        return failure_set(failure, 400, "\"%s\" does not support %s", job->request.model,
                           chat ? "chat" : "generate");
    if (cJSON_IsString(suffix) && suffix->valuestring[0] != '\0')
        return failure_set(failure, 400, "registry.ollama.ai/library/%s does not support insert",
                           job->model->name);
    if (job->request.tools != NULL && chat && !job->model->tools)
        return failure_set(failure, 400, "registry.ollama.ai/library/%s does not support tools",
                           job->model->name);
    return check_thinking(job, failure);
}

static int check_raw(const struct job *job, struct failure *failure)
{
    const cJSON *root = job->request.root;
    if (job->request.raw &&
        (cJSON_HasObjectItem(root, "template") || cJSON_HasObjectItem(root, "system") ||
         cJSON_HasObjectItem(root, "context")))
        return failure_set(failure, 400, "raw mode does not support template, system, or context");
    return 0;
}

int check_request(struct job *job, struct failure *ret_failure)
{
    if (find_model(job, ret_failure) != 0 || check_raw(job, ret_failure) != 0)
        return -1;
    return check_capabilities(job, ret_failure);
}

int check_prompt(const struct job *job, struct failure *ret_failure)
{
    size_t limit = (size_t)job->options.num_ctx;
    bool embed = job->request.kind == INFER_EMBED || job->request.kind == INFER_EMBEDDINGS;
    if (job->prompt.count <= limit)
        return 0;
    if (embed && !job->request.truncate)
        return failure_set(ret_failure, 400, "the input length exceeds the context length");
    if (embed || !job->sim->profile->llama_server)
        return 0;
    return failure_set(ret_failure, 400,
                       "the prompt is longer than the context length currently available to the "
                       "model; shorten it or raise num_ctx (%zu tokens, %zu allowed)",
                       job->prompt.count, limit);
}
