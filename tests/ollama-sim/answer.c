#include "answer.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { TOOL_CALL_TOKENS = 12 };

bool answer_thinks(const struct infer_request *request, const struct model *model,
                   const struct profile *profile)
{
    if (!profile->thinking || model->thinking == 0 || request->think == THINK_NO)
        return false;
    return request->think == THINK_YES || profile->thinks_by_default;
}

static char *copy_bytes(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

static char *take_text(struct evbuffer *buffer, size_t *ret_len)
{
    size_t len = evbuffer_get_length(buffer);
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    evbuffer_remove(buffer, text, len);
    text[len] = '\0';
    evbuffer_free(buffer);
    if (ret_len != NULL)
        *ret_len = len;
    return text;
}

/* {"answer":"<text>"} around the echo, or around so many tokens. */
static void wrap_json(struct answer *answer)
{
    struct evbuffer *plain = evbuffer_new();
    struct evbuffer *json = evbuffer_new();
    size_t len = 0;
    if (answer->text != NULL)
        evbuffer_add(plain, answer->text, answer->text_bytes);
    for (int64_t i = 0; answer->text == NULL && i < answer->count; i++)
        evbuffer_add_printf(plain, i == 0 ? "tok%lld" : " tok%lld", (long long)i);
    free(answer->text);
    char *text = take_text(plain, &len);
    evbuffer_add_printf(json, "{\"answer\":");
    text_json(json, text, len, false);
    evbuffer_add_printf(json, "}");
    free(text);
    answer->text = take_text(json, &answer->text_bytes);
    answer->count = (int64_t)token_count(answer->text, answer->text_bytes);
}

static void init_repeat(struct answer *answer)
{
    struct evbuffer *text = evbuffer_new();
    for (int i = 0; i < 31; i++)
        evbuffer_add_printf(text, " again");
    free(answer->text);
    answer->text = take_text(text, &answer->text_bytes);
    answer->count = 31;
    answer->dropped = true;
    answer->calls_tool = false;
}

static void init_tool_call(struct answer *answer, const struct infer_request *request)
{
    const cJSON *function =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(request->tools, 0), "function");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(function, "name");
    const char *user = prompt_last_user(request);
    const char *tool = cJSON_IsString(name) ? name->valuestring : "tool";
    struct evbuffer *arguments = evbuffer_new();
    evbuffer_add_printf(arguments, "{\"input\":");
    text_json(arguments, user, strlen(user), false);
    evbuffer_add_printf(arguments, "}");
    answer->tool_arguments = take_text(arguments, NULL);
    answer->tool_name = copy_bytes(tool, strlen(tool));
    answer->calls_tool = true;
    answer->count = TOOL_CALL_TOKENS;
}

static void limit_length(struct answer *answer, int64_t num_predict)
{
    if (num_predict < 0 || answer->thinking + answer->count <= num_predict)
        return;
    answer->cut = true;
    if (answer->thinking > num_predict)
        answer->thinking = num_predict;
    answer->count = num_predict - answer->thinking;
}

void answer_init(struct answer *answer, const struct infer_request *request,
                 const struct model *model, const struct profile *profile,
                 const struct fault_plan *plan, int tokens)
{
    const char *user = prompt_last_user(request);
    *answer = (struct answer){.count = tokens};
    if (answer_thinks(request, model, profile))
        answer->thinking = model->thinking;
    if (strncmp(user, "echo ", 5) == 0) {
        answer->text_bytes = strlen(user + 5);
        answer->text = copy_bytes(user + 5, answer->text_bytes);
        answer->count = (int64_t)token_count(answer->text, answer->text_bytes);
    } else if (request->tools != NULL && !prompt_after_tool(request)) {
        init_tool_call(answer, request);
    }
    if (request->json_format && !answer->calls_tool)
        wrap_json(answer);
    if (plan->on[FAULT_REPEAT31])
        init_repeat(answer);
    if (plan->on[FAULT_LONG_LINE])
        answer->long_bytes = plan->number[FAULT_LONG_LINE];
    if (!plan->on[FAULT_REPEAT31])
        limit_length(answer, request->num_predict);
}

void answer_free(struct answer *answer)
{
    free(answer->text);
    free(answer->tool_name);
    free(answer->tool_arguments);
    free(answer->long_piece);
    *answer = (struct answer){0};
}

static void long_token(struct answer *answer, const char **ret_text, size_t *ret_len)
{
    size_t bytes = (size_t)answer->long_bytes;
    answer->long_piece = malloc(bytes + 1);
    if (answer->long_piece == NULL)
        abort();
    memset(answer->long_piece, 'x', bytes);
    *ret_text = answer->long_piece;
    *ret_len = bytes;
}

static void next_content(struct answer *answer, int64_t index, const char **ret_text,
                         size_t *ret_len)
{
    if (answer->long_bytes > 0 && index == 1) {
        long_token(answer, ret_text, ret_len);
        return;
    }
    if (answer->text != NULL) {
        *ret_text = answer->text + answer->at;
        *ret_len = token_length(*ret_text, answer->text_bytes - answer->at);
        answer->at += *ret_len;
        return;
    }
    snprintf(answer->piece, sizeof(answer->piece), index == 0 ? "tok%lld" : " tok%lld",
             (long long)index);
    *ret_text = answer->piece;
    *ret_len = strlen(answer->piece);
}

bool answer_ended(const struct answer *answer)
{
    return answer->made >= answer->thinking + answer->count;
}

void answer_next(struct answer *answer, enum answer_part *ret_part, const char **ret_text,
                 size_t *ret_len)
{
    int64_t index = answer->made++;
    if (index < answer->thinking) {
        snprintf(answer->piece, sizeof(answer->piece), index == 0 ? "think%lld" : " think%lld",
                 (long long)index);
        *ret_part = PART_THINKING;
        *ret_text = answer->piece;
        *ret_len = strlen(answer->piece);
        return;
    }
    *ret_part = answer->calls_tool ? PART_SILENT : PART_CONTENT;
    next_content(answer, index - answer->thinking, ret_text, ret_len);
}
