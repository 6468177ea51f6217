#include "common/conversation.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "common/json.h"
#include "common/request.h"

static bool has_role(struct span message, const char *role)
{
    char text[16];

    return json_string_decode(json_get(message, "role"), text, sizeof text) &&
           strcasecmp(text, role) == 0;
}

static struct span first_message(struct span messages)
{
    struct json_iter it;

    json_begin(&it, messages);
    return json_next(&it) ? it.value : (struct span){NULL, 0};
}

static struct span first_user_content(struct span messages)
{
    struct json_iter it;

    for (json_begin(&it, messages); json_next(&it);) {
        if (has_role(it.value, "user"))
            return json_get(it.value, "content");
    }
    return (struct span){NULL, 0};
}

static struct span beginning_of(struct span messages, struct span prompt)
{
    if (messages.ptr)
        return first_user_content(messages);
    if (prompt.len > CONVERSATION_PROMPT_BYTES)
        prompt.len = CONVERSATION_PROMPT_BYTES;
    return prompt;
}

bool conversation_key(struct span model, struct span messages, struct span prompt,
                      struct span system, char buf[CONVERSATION_KEY_SIZE])
{
    const struct span separator = {"", 1};
    struct span beginning = beginning_of(messages, prompt);
    struct span first = first_message(messages);

    buf[0] = '\0';
    if (beginning.len == 0)
        return false;
    if (has_role(first, "system"))
        system = json_get(first, "content");

    uint64_t hash = span_hash_add(SPAN_HASH_START, model);
    hash = span_hash_add(hash, separator);
    hash = span_hash_add(hash, system);
    hash = span_hash_add(hash, separator);
    hash = span_hash_add(hash, beginning);
    (void)snprintf(buf, CONVERSATION_KEY_SIZE, "%016" PRIx64, hash);
    return true;
}

size_t conversation_of(const struct request *request, char *buf)
{
    struct span none = {NULL, 0};
    char key[CONVERSATION_KEY_SIZE];

    buf[0] = '\0';
    if (request->session.len > 0) {
        (void)span_copy(request->session, buf, REQUEST_SESSION_MAX + 1);
        return request->session.len;
    }
    if (request->kind == REQUEST_EMBED ||
        !conversation_key(span_str(request->model_name),
                          request->kind == REQUEST_CHAT ? request->payload : none,
                          request->kind == REQUEST_GENERATE ? request->payload : none,
                          json_get(request->params, "system"), key))
        return 0;
    (void)span_copy(span_str(key), buf, REQUEST_SESSION_MAX + 1);
    return CONVERSATION_KEY_SIZE - 1;
}
