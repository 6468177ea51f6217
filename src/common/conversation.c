#include "common/conversation.h"

#include <strings.h>

#include "common/json.h"
#include "common/request.h"

static bool is_role(struct span value, const char *role)
{
    char text[16];

    return json_string_decode(value, text, sizeof text) && strcasecmp(text, role) == 0;
}

/* The content of the first user message; of a first message that is the system's, too. */
static struct span beginning_of_chat(struct span messages, struct span *ret_system)
{
    enum { ROLE = 0, CONTENT, COUNT };
    static const char *const names[COUNT] = {"role", "content"};
    struct span member[COUNT];
    struct json_iter it;
    bool is_first = true;

    for (json_begin(&it, messages); json_next(&it); is_first = false) {
        json_get_all(it.value, names, COUNT, member);
        if (is_role(member[ROLE], "user"))
            return member[CONTENT];
        if (is_first && is_role(member[ROLE], "system"))
            *ret_system = member[CONTENT];
    }
    return (struct span){NULL, 0};
}

bool conversation_key(struct span model, struct span messages, struct span prompt,
                      struct span system, char buf[CONVERSATION_KEY_SIZE])
{
    const struct span separator = {"", 1};
    struct span beginning = prompt;

    if (messages.ptr) {
        beginning = beginning_of_chat(messages, &system);
    } else if (prompt.len > CONVERSATION_PROMPT_BYTES) {
        beginning.len = CONVERSATION_PROMPT_BYTES;
    }
    buf[0] = '\0';
    if (beginning.len == 0)
        return false;

    uint64_t hash = span_hash_add(SPAN_HASH_START, model);
    hash = span_hash_add(hash, separator);
    hash = span_hash_add(hash, system);
    hash = span_hash_add(hash, separator);
    hash = span_hash_add(hash, beginning);
    for (size_t i = CONVERSATION_KEY_SIZE - 1; i-- > 0; hash >>= 4)
        buf[i] = "0123456789abcdef"[hash & 15];
    buf[CONVERSATION_KEY_SIZE - 1] = '\0';
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
