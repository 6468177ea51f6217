#include "request_size.h"

#include <strings.h>

#include "common/json.h"
#include "common/request.h"

static uint32_t tokens_of(struct span text)
{
    size_t tokens = text.len / REQUEST_SIZE_TOKEN_BYTES;

    return tokens < UINT32_MAX ? (uint32_t)tokens : UINT32_MAX;
}

/* The content of the first message if its role is system; else `params.system`. */
static struct span system_of(const struct request *request)
{
    struct json_iter it;
    char role[16];

    if (request->kind == REQUEST_CHAT) {
        json_begin(&it, request->payload);
        if (json_next(&it) && json_string_decode(json_get(it.value, "role"), role, sizeof role) &&
            strcasecmp(role, "system") == 0)
            return json_get(it.value, "content");
    }
    return json_get(request->params, "system");
}

static uint32_t output_max(const struct request *request)
{
    int64_t predict;

    if (request->kind == REQUEST_EMBED)
        return 1;
    if (json_to_i64(json_get(json_get(request->params, "options"), "num_predict"), &predict) &&
        predict > 0 && predict < UINT32_MAX)
        return (uint32_t)predict;
    return 0;
}

struct request_size request_size_of(const struct request *request)
{
    struct span system = system_of(request), none = {"", 1};
    struct request_size size = {
        .prompt_tokens = tokens_of(request->payload) + 1,
        .output_tokens_max = output_max(request),
    };

    if (system.len == 0)
        return size;
    size.prefix_tokens = tokens_of(system);
    size.prefix_hash = span_hash_add(SPAN_HASH_START, span_str(request->model_name));
    size.prefix_hash = span_hash_add(size.prefix_hash, none);
    size.prefix_hash = span_hash_add(size.prefix_hash, system);
    if (request->kind != REQUEST_CHAT)
        size.prompt_tokens += size.prefix_tokens;
    return size;
}
