#include "errors.h"

#include <stdio.h>
#include <string.h>

#define JSON NULL
#define SAME NULL

static const struct named_error errors[] = {
    {"missing400", 400, JSON, "missing request body", SAME, ERROR_BEFORE},
    {"invalid400", 400, JSON, "invalid character 'x' looking for beginning of value", SAME,
     ERROR_BEFORE},
    {"type400", 400, JSON,
     "json: cannot unmarshal number into Go struct field ChatRequest.model of type string", SAME,
     ERROR_BEFORE},
    {"duration400", 400, JSON, "time: missing unit in duration \"300\"", SAME, ERROR_BEFORE},
    {"model400", 400, JSON, "model is required", SAME, ERROR_BEFORE},
    {"name400", 400, JSON, "invalid model name", SAME, ERROR_BEFORE},
    {"logprobs400", 400, JSON, "top_logprobs must be between 0 and 20", SAME, ERROR_BEFORE},
    {"nochat400", 400, JSON, "\"%m\" does not support chat", SAME, ERROR_BEFORE},
    {"nogenerate400", 400, JSON, "\"%m\" does not support generate", SAME, ERROR_BEFORE},
    {"nothinking400", 400, JSON, "\"%m\" does not support thinking", SAME, ERROR_BEFORE},
    {"notools400", 400, JSON, "registry.ollama.ai/library/%m does not support tools", SAME,
     ERROR_BEFORE},
    {"raw400", 400, JSON, "raw mode does not support template, system, or context", SAME,
     ERROR_BEFORE},
    {"input400", 400, JSON, "invalid input type", SAME, ERROR_BEFORE},
    {"toolong400", 400, JSON, "the input length exceeds the context length", SAME, ERROR_BEFORE},
    {"prompt400", 400, JSON,
     "the prompt is longer than the context length currently available to the model; shorten it",
     SAME, ERROR_RUNNING},
    {"unauthorized401", 401, JSON, "unauthorized", SAME, ERROR_BEFORE},
    {"forbidden403", 403, "", NULL, SAME, ERROR_BEFORE},
    {"notfound404", 404, JSON, "model '%m' not found", SAME, ERROR_BEFORE},
    {"notfound404embed", 404, JSON, "model \"%m\" not found, try pulling it first", SAME,
     ERROR_BEFORE},
    {"page404", 404, "text/plain", "404 page not found", SAME, ERROR_BEFORE},
    {"method405", 405, "text/plain", "405 method not allowed", SAME, ERROR_BEFORE},
    {"rate429", 429, JSON, "too many requests", SAME, ERROR_BEFORE},
    {"canceled499", 499, JSON, "request canceled", SAME, ERROR_BEFORE},
    {"busy503", 503, JSON, "server busy, please try again.  maximum pending requests exceeded",
     SAME, ERROR_BEFORE},
    {"memory500", 500, JSON,
     "model requires more system memory (3.9 GiB) than is available (2.1 GiB)", SAME, ERROR_BEFORE},
    {"oom500", 500, JSON, "model requires more system memory (3.9 GiB) than is available (2.1 GiB)",
     "llama-server reported out-of-memory during startup: failed to allocate buffer", ERROR_BEFORE},
    {"layout500", 500, JSON, "memory layout cannot be allocated", SAME, ERROR_BEFORE},
    {"terminated500", 500, JSON, "llama runner process has terminated: exit status 2",
     "llama-server process has terminated: exit status 1: error loading model", ERROR_BEFORE},
    {"killed500", 500, JSON, "llama runner process has terminated: signal: killed",
     "llama-server process has terminated: signal: killed", ERROR_BEFORE},
    {"timeout500", 500, JSON, "timed out waiting for llama runner to start - progress 0.47 - ",
     "timed out waiting for llama-server to start - ", ERROR_BEFORE},
    {"stopped500", 500, JSON,
     "model runner has unexpectedly stopped, this may be due to resource limitations or an "
     "internal "
     "error, check ollama server logs for details",
     "model runner has unexpectedly stopped, this may be due to resource limitations or an "
     "internal "
     "error, check ollama server logs for details: signal: killed",
     ERROR_RUNNING},
    {"eof500", 500, JSON, "an error was encountered while running the model: unexpected EOF", SAME,
     ERROR_RUNNING},
    {"reading500", 500, JSON, "error reading llm response: read: connection reset by peer",
     "error reading llama-server response: read: connection reset by peer", ERROR_RUNNING},
    {"status500", 500, JSON, "unexpected server status: llm server error", SAME, ERROR_RUNNING},
    {"noslots500", 500, JSON, "no slots available after 10 retries", SAME, ERROR_RUNNING},
    {"format500", 500, JSON,
     "invalid format: \"xml\"; expected \"json\" or a valid JSON Schema object", SAME,
     ERROR_RUNNING},
    {"option500", 500, JSON, "option \"num_ctx\" must be of type integer", SAME, ERROR_BEFORE},
    {"empty500", 500, "", NULL, SAME, ERROR_BEFORE},
    {"html502", 502, "text/html",
     "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
     "Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
     SAME, ERROR_BEFORE},
};

const struct named_error *error_at(size_t i)
{
    return i < sizeof(errors) / sizeof(errors[0]) ? &errors[i] : NULL;
}

const struct named_error *error_find(const char *name)
{
    for (size_t i = 0; error_at(i) != NULL; i++)
        if (strcmp(errors[i].name, name) == 0)
            return &errors[i];
    return NULL;
}

const char *error_text(const struct named_error *error, const struct profile *profile,
                       const char *model, char *out, size_t size)
{
    const char *text =
        profile->llama_server && error->head_text != NULL ? error->head_text : error->text;
    const char *mark = text != NULL ? strstr(text, "%m") : NULL;
    if (mark != NULL)
        snprintf(out, size, "%.*s%s%s", (int)(mark - text), text, model, mark + 2);
    else
        snprintf(out, size, "%s", text != NULL ? text : "");
    return out;
}
