#include "request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

int failure_set(struct failure *failure, int status, const char *format, ...)
{
    va_list args;
    failure->status = status;
    va_start(args, format);
    vsnprintf(failure->text, sizeof(failure->text), format, args);
    va_end(args);
    return -EINVAL;
}

static const char *json_type(const cJSON *item)
{
    if (cJSON_IsString(item))
        return "string";
    if (cJSON_IsNumber(item))
        return "number";
    if (cJSON_IsBool(item))
        return "bool";
    return cJSON_IsArray(item) ? "array" : "object";
}

static const char *struct_name(enum infer_kind kind)
{
    switch (kind) {
    case INFER_GENERATE:
        return "GenerateRequest";
    case INFER_CHAT:
        return "ChatRequest";
    case INFER_EMBED:
        return "EmbedRequest";
    case INFER_EMBEDDINGS:
        return "EmbeddingRequest";
    }
    return "";
}

/* Every field whose JSON type Go's decoder insists on. */
static int check_types(enum infer_kind kind, const cJSON *root, struct failure *failure)
{
    static const struct {
        const char *field;
        int json_type;
        const char *go_type;
    } wanted[] = {
        {"model", cJSON_String, "string"},
        {"prompt", cJSON_String, "string"},
        {"system", cJSON_String, "string"},
        {"template", cJSON_String, "string"},
        {"suffix", cJSON_String, "string"},
        {"stream", cJSON_True | cJSON_False, "bool"},
        {"raw", cJSON_True | cJSON_False, "bool"},
        {"truncate", cJSON_True | cJSON_False, "bool"},
        {"shift", cJSON_True | cJSON_False, "bool"},
        {"logprobs", cJSON_True | cJSON_False, "bool"},
        {"top_logprobs", cJSON_Number, "int"},
        {"dimensions", cJSON_Number, "int"},
        {"messages", cJSON_Array, "[]api.Message"},
        {"tools", cJSON_Array, "api.Tools"},
        {"images", cJSON_Array, "[]api.ImageData"},
        {"context", cJSON_Array, "[]int"},
        {"options", cJSON_Object, "map[string]interface {}"},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, wanted[i].field);
        if (item == NULL || cJSON_IsNull(item) || (item->type & 0xFF & wanted[i].json_type) != 0)
            continue;
        return failure_set(failure, 400,
                           "json: cannot unmarshal %s into Go struct field %s.%s of type %s",
                           json_type(item), struct_name(kind), wanted[i].field, wanted[i].go_type);
    }
    return 0;
}

static int check_messages(const cJSON *root, struct failure *failure)
{
    const cJSON *message = NULL;
    cJSON_ArrayForEach(message, cJSON_GetObjectItemCaseSensitive(root, "messages"))
    {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
        if (!cJSON_IsObject(message))
            return failure_set(failure, 400,
                               "json: cannot unmarshal %s into Go struct field "
                               "ChatRequest.messages of type api.Message",
                               json_type(message));
        if (content != NULL && !cJSON_IsString(content) && !cJSON_IsNull(content))
            return failure_set(failure, 400,
                               "json: cannot unmarshal %s into Go struct field "
                               "ChatRequest.messages.content of type string",
                               json_type(content));
    }
    return 0;
}

static int read_keep_alive(const cJSON *item, struct infer_request *request,
                           struct failure *failure)
{
    if (item == NULL || cJSON_IsNull(item))
        return 0;
    request->keep_alive_given = true;
    if (cJSON_IsNumber(item)) {
        double ns = item->valuedouble * 1e9;
        request->keep_alive_ns = ns < 0 || ns >= 9.2e18 ? DURATION_FOREVER : (int64_t)ns;
        return 0;
    }
    if (!cJSON_IsString(item))
        return failure_set(failure, 400, "Unsupported type: '%s'",
                           cJSON_IsBool(item) ? "bool" : json_type(item));
    int r = text_duration(item->valuestring, &request->keep_alive_ns);
    if (r == -ENODATA)
        return failure_set(failure, 400, "time: missing unit in duration \"%.200s\"",
                           item->valuestring);
    if (r != 0)
        return failure_set(failure, 400, "time: invalid duration \"%.200s\"", item->valuestring);
    if (request->keep_alive_ns < 0)
        request->keep_alive_ns = DURATION_FOREVER;
    return 0;
}

/* The types that Ollama checks in `options`, with the words it uses for them. */
static int check_options(const cJSON *options, struct failure *failure)
{
    static const struct {
        const char *name;
        int json_type;
        const char *word;
    } wanted[] = {
        {"num_ctx", cJSON_Number, "integer"},
        {"num_batch", cJSON_Number, "integer"},
        {"num_gpu", cJSON_Number, "integer"},
        {"main_gpu", cJSON_Number, "integer"},
        {"num_thread", cJSON_Number, "integer"},
        {"num_keep", cJSON_Number, "integer"},
        {"seed", cJSON_Number, "integer"},
        {"num_predict", cJSON_Number, "integer"},
        {"top_k", cJSON_Number, "integer"},
        {"repeat_last_n", cJSON_Number, "integer"},
        {"top_p", cJSON_Number, "float32"},
        {"min_p", cJSON_Number, "float32"},
        {"typical_p", cJSON_Number, "float32"},
        {"temperature", cJSON_Number, "float32"},
        {"repeat_penalty", cJSON_Number, "float32"},
        {"presence_penalty", cJSON_Number, "float32"},
        {"frequency_penalty", cJSON_Number, "float32"},
        {"stop", cJSON_Array, "array"},
        {"use_mmap", cJSON_True | cJSON_False, "boolean"},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(options, wanted[i].name);
        if (item == NULL || cJSON_IsNull(item) || (item->type & 0xFF & wanted[i].json_type) != 0)
            continue;
        return failure_set(failure, 500, "option \"%s\" must be of type %s", wanted[i].name,
                           wanted[i].word);
    }
    return 0;
}

static int option_int(const cJSON *options, const char *name, int unset)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(options, name);
    return cJSON_IsNumber(item) ? item->valueint : unset;
}

/* -1 unset, else 0 or 1. */
static int flag(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : -1;
}

static void read_options(struct infer_request *request)
{
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(request->root, "options");
    request->runner = (struct runner_options){
        .num_ctx = option_int(options, "num_ctx", -1),
        .num_batch = option_int(options, "num_batch", -1),
        .num_gpu = option_int(options, "num_gpu", -1),
        .main_gpu = option_int(options, "main_gpu", -1),
        .use_mmap = flag(options, "use_mmap"),
        .num_thread = option_int(options, "num_thread", -1),
        .shift = flag(request->root, "shift"),
    };
    request->num_predict = option_int(options, "num_predict", -1);
}

static int read_think(const cJSON *item, struct infer_request *request, struct failure *failure)
{
    if (item == NULL || cJSON_IsNull(item))
        return 0;
    if (cJSON_IsBool(item)) {
        request->think = cJSON_IsTrue(item) ? THINK_YES : THINK_NO;
        return 0;
    }
    if (!cJSON_IsString(item) || strstr("low medium high max", item->valuestring) == NULL)
        return failure_set(failure, 400, "invalid think value: must be boolean or string");
    request->think = THINK_YES;
    return 0;
}

static int read_format(const cJSON *item, struct infer_request *request, struct failure *failure)
{
    if (item == NULL || cJSON_IsNull(item))
        return 0;
    if (cJSON_IsString(item) && item->valuestring[0] == '\0')
        return 0;
    bool json = cJSON_IsString(item) && strcmp(item->valuestring, "json") == 0;
    if (!json && !cJSON_IsObject(item)) {
        char *shown = cJSON_PrintUnformatted(item);
        failure_set(failure, 500,
                    "invalid format: %.200s; expected \"json\" or a valid JSON Schema object",
                    shown != NULL ? shown : "");
        cJSON_free(shown);
        return -EINVAL;
    }
    request->json_format = true;
    return 0;
}

static bool text_missing(const cJSON *root, const char *field)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, field);
    return !cJSON_IsString(item) || item->valuestring[0] == '\0';
}

static bool nothing_to_do(const struct infer_request *request)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(request->root, "input");
    switch (request->kind) {
    case INFER_GENERATE:
    case INFER_EMBEDDINGS:
        return text_missing(request->root, "prompt");
    case INFER_CHAT:
        return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(request->root, "messages")) == 0;
    case INFER_EMBED:
        return input == NULL || (cJSON_IsArray(input) && cJSON_GetArraySize(input) == 0) ||
               (cJSON_IsString(input) && input->valuestring[0] == '\0');
    }
    return false;
}

static int check_input(const cJSON *root, struct failure *failure)
{
    const cJSON *input = cJSON_GetObjectItemCaseSensitive(root, "input");
    const cJSON *item = NULL;
    if (input == NULL || cJSON_IsString(input))
        return 0;
    if (!cJSON_IsArray(input))
        return failure_set(failure, 400, "invalid input type");
    cJSON_ArrayForEach(item, input)
    {
        if (!cJSON_IsString(item))
            return failure_set(failure, 400, "invalid input type");
    }
    return 0;
}

static int read_fields(struct infer_request *request, const struct profile *profile,
                       struct failure *failure)
{
    const cJSON *root = request->root;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *tools = cJSON_GetObjectItemCaseSensitive(root, "tools");
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(root, "options");
    if (check_types(request->kind, root, failure) != 0 || check_messages(root, failure) != 0)
        return -EINVAL;
    if (read_keep_alive(cJSON_GetObjectItemCaseSensitive(root, "keep_alive"), request, failure) !=
        0)
        return -EINVAL;
    if (profile->thinking &&
        read_think(cJSON_GetObjectItemCaseSensitive(root, "think"), request, failure) != 0)
        return -EINVAL;
    request->model = cJSON_IsString(model) ? model->valuestring : "";
    request->stream = flag(root, "stream") != 0 &&
                      (request->kind == INFER_GENERATE || request->kind == INFER_CHAT);
    request->truncate = flag(root, "truncate") != 0;
    request->raw = flag(root, "raw") == 1;
    request->logprobs = profile->logprobs && flag(root, "logprobs") == 1;
    request->top_logprobs = option_int(root, "top_logprobs", 0);
    request->dimensions = profile->embed_dimensions ? option_int(root, "dimensions", 0) : 0;
    request->tools = cJSON_GetArraySize(tools) > 0 ? tools : NULL;
    request->empty = nothing_to_do(request);
    if (profile->logprobs && (request->top_logprobs < 0 || request->top_logprobs > 20))
        return failure_set(failure, 400, "top_logprobs must be between 0 and 20");
    if (check_input(root, failure) != 0 || check_options(options, failure) != 0)
        return -EINVAL;
    read_options(request);
    return read_format(cJSON_GetObjectItemCaseSensitive(root, "format"), request, failure);
}

static int parse_json(const char *body, size_t len, cJSON **ret_root, struct failure *failure)
{
    const char *end = NULL;
    if (len == 0)
        return failure_set(failure, 400, "missing request body");
    /* The NUL behind the body is parsed too, so that an end too early is an error there. */
    cJSON *root = cJSON_ParseWithLengthOpts(body, len + 1, &end, 0);
    bool in_string = end != NULL && end > body && end[-1] == '"';
    if (root == NULL && (end == NULL || *end == '\0' || in_string))
        return failure_set(failure, 400, "unexpected EOF");
    if (root == NULL)
        return failure_set(failure, 400, "invalid character '%c' looking for beginning of value",
                           *end);
    *ret_root = root;
    return 0;
}

int request_parse(enum infer_kind kind, const char *body, size_t len, const struct profile *profile,
                  struct infer_request *ret_request, struct failure *ret_failure)
{
    struct infer_request request = {.kind = kind};
    if (parse_json(body, len, &request.root, ret_failure) != 0)
        return -EINVAL;
    int r = cJSON_IsObject(request.root)
                ? read_fields(&request, profile, ret_failure)
                : failure_set(ret_failure, 400,
                              "json: cannot unmarshal %s into Go value of type api.%s",
                              json_type(request.root), struct_name(kind));
    if (r != 0) {
        request_free(&request);
        return r;
    }
    *ret_request = request;
    return 0;
}

void request_free(struct infer_request *request)
{
    cJSON_Delete(request->root);
    *request = (struct infer_request){0};
}
