#include "prompt.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text.h"

enum { TOKEN_CHARS_MAX = 12, TOKEN_BLANKS_MAX = 16, IMAGE_TOKENS = 256 };

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t token_length(const char *text, size_t len)
{
    size_t length = 0;
    while (length < len && length < TOKEN_BLANKS_MAX && is_blank(text[length]))
        length++;
    for (int chars = 0; chars < TOKEN_CHARS_MAX && length < len && !is_blank(text[length]);
         chars++) {
        uint32_t rune = 0;
        length += text_rune(text + length, len - length, &rune);
    }
    return length;
}

size_t token_count(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t at = 0; at < len; count++)
        at += token_length(text + at, len - at);
    return count;
}

void tokens_free(struct tokens *tokens)
{
    free(tokens->ids);
    *tokens = (struct tokens){0};
}

static void add_id(struct tokens *tokens, uint32_t id)
{
    if (tokens->count == TOKENS_MAX)
        return;
    if (tokens->count == tokens->size) {
        size_t size = tokens->size > 0 ? tokens->size * 2 : 64;
        uint32_t *ids = realloc(tokens->ids, size * sizeof(*ids));
        if (ids == NULL)
            abort();
        tokens->ids = ids;
        tokens->size = size;
    }
    tokens->ids[tokens->count++] = id;
}

void tokens_add(struct tokens *tokens, const char *text, size_t len)
{
    add_id(tokens, text_hash32(text, len, 0) % 256000);
}

void tokens_add_text(struct tokens *tokens, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t length = token_length(text + at, len - at);
        tokens_add(tokens, text + at, length);
        at += length;
    }
}

size_t tokens_common(const struct tokens *a, const struct tokens *b)
{
    size_t shared = 0;
    while (shared < a->count && shared < b->count && a->ids[shared] == b->ids[shared])
        shared++;
    return shared;
}

static void add_string(struct tokens *out, const cJSON *item)
{
    if (cJSON_IsString(item))
        tokens_add_text(out, item->valuestring, strlen(item->valuestring));
}

static void add_mark(struct tokens *out, const char *role)
{
    tokens_add(out, "<|", 2);
    tokens_add(out, role, strlen(role));
}

static void add_images(struct tokens *out, const cJSON *images)
{
    const cJSON *image = NULL;
    cJSON_ArrayForEach(image, images)
    {
        uint32_t seed = cJSON_IsString(image)
                            ? text_hash32(image->valuestring, strlen(image->valuestring), 1)
                            : 0;
        for (uint32_t i = 0; i < IMAGE_TOKENS; i++)
            add_id(out, seed + i);
    }
}

static void add_json(struct tokens *out, const cJSON *item)
{
    char *text = item != NULL ? cJSON_PrintUnformatted(item) : NULL;
    if (text != NULL)
        tokens_add_text(out, text, strlen(text));
    cJSON_free(text);
}

static const char *role_of(const cJSON *message)
{
    const cJSON *role = cJSON_GetObjectItemCaseSensitive(message, "role");
    return cJSON_IsString(role) ? role->valuestring : "user";
}

static void add_message(struct tokens *out, const cJSON *message)
{
    add_mark(out, role_of(message));
    add_images(out, cJSON_GetObjectItemCaseSensitive(message, "images"));
    add_string(out, cJSON_GetObjectItemCaseSensitive(message, "content"));
    add_json(out, cJSON_GetObjectItemCaseSensitive(message, "tool_calls"));
}

/* Renders all messages but the first `dropped` that are no system message. */
static void render_chat(const struct infer_request *request, size_t dropped, struct tokens *out)
{
    const cJSON *message = NULL;
    add_json(out, request->tools);
    cJSON_ArrayForEach(message, cJSON_GetObjectItemCaseSensitive(request->root, "messages"))
    {
        if (dropped > 0 && message->next != NULL && strcasecmp(role_of(message), "system") != 0)
            dropped--;
        else
            add_message(out, message);
    }
    add_mark(out, "assistant");
}

static void render_generate(const struct infer_request *request, struct tokens *out)
{
    const cJSON *root = request->root;
    const cJSON *id = NULL;
    cJSON_ArrayForEach(id, cJSON_GetObjectItemCaseSensitive(root, "context"))
    {
        add_id(out, cJSON_IsNumber(id) && id->valueint > 0 ? (uint32_t)id->valueint : 0);
    }
    add_string(out, cJSON_GetObjectItemCaseSensitive(root, "system"));
    if (!request->raw)
        add_mark(out, "user");
    add_images(out, cJSON_GetObjectItemCaseSensitive(root, "images"));
    add_string(out, cJSON_GetObjectItemCaseSensitive(root, "prompt"));
    if (!request->raw)
        add_mark(out, "assistant");
}

void prompt_render(const struct infer_request *request, size_t limit, struct tokens *out)
{
    int messages = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(request->root, "messages"));
    if (request->kind != INFER_CHAT) {
        render_generate(request, out);
        return;
    }
    /* Steps that grow keep a long history from taking quadratic time. */
    render_chat(request, 0, out);
    for (size_t dropped = 1; out->count > limit && dropped < (size_t)messages;
         dropped += 1 + dropped / 16) {
        out->count = 0;
        render_chat(request, dropped, out);
    }
}

const char *prompt_last_user(const struct infer_request *request)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(request->root, "prompt");
    const cJSON *message = NULL;
    if (request->kind == INFER_CHAT) {
        text = NULL;
        cJSON_ArrayForEach(message, cJSON_GetObjectItemCaseSensitive(request->root, "messages"))
        {
            if (strcasecmp(role_of(message), "user") == 0)
                text = cJSON_GetObjectItemCaseSensitive(message, "content");
        }
    }
    return cJSON_IsString(text) ? text->valuestring : "";
}

bool prompt_after_tool(const struct infer_request *request)
{
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(request->root, "messages");
    const cJSON *last = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);
    return last != NULL && strcasecmp(role_of(last), "tool") == 0;
}
