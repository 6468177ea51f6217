#include "common/keys.h"

#include <stdio.h>
#include <string.h>

#include "common/node_id.h"

static void key_write(char *buf, size_t cap, const char *prefix, const char *suffix)
{
    (void)snprintf(buf, cap, "%s%s", prefix, suffix);
}

void keys_init(struct keys *keys, const char *prefix)
{
    *keys = (struct keys){.prefix = ""};
    key_write(keys->prefix, sizeof keys->prefix, prefix, "");
    key_write(keys->requests, sizeof keys->requests, keys->prefix, ":requests");
    key_write(keys->health, sizeof keys->health, keys->prefix, ":health");
    key_write(keys->routers, sizeof keys->routers, keys->prefix, ":routers");
    key_write(keys->events, sizeof keys->events, keys->prefix, ":events");
    key_write(keys->dead, sizeof keys->dead, keys->prefix, ":dead");
    key_write(keys->drained, sizeof keys->drained, keys->prefix, ":drained");
    key_write(keys->control, sizeof keys->control, keys->prefix, ":control");
}

/* Appends what there is room for. */
static size_t put(char *buf, size_t len, struct span text)
{
    size_t room = KEY_MAX - 1 - len, n = text.len < room ? text.len : room;

    if (n > 0)
        memcpy(buf + len, text.ptr, n);
    return n;
}

static const char *key_of(const struct keys *keys, const char *kind, struct span id, char *buf)
{
    size_t len = 0;

    len += put(buf, len, span_str(keys->prefix));
    len += put(buf, len, span_str(kind));
    len += put(buf, len, id);
    buf[len] = '\0';
    return buf;
}

const char *key_node_requests(const struct keys *keys, struct span node, char buf[static KEY_MAX])
{
    return key_of(keys, ":requests:", node, buf);
}

const char *key_epoch(const struct keys *keys, struct span node, char buf[static KEY_MAX])
{
    return key_of(keys, ":epoch:", node, buf);
}

const char *key_job(const struct keys *keys, struct span request_id, char buf[static KEY_MAX])
{
    return key_of(keys, ":job:", request_id, buf);
}

const char *key_responses(const struct keys *keys, struct span request_id, char buf[static KEY_MAX])
{
    return key_of(keys, ":responses:", request_id, buf);
}

bool key_callback_valid(const struct keys *keys, struct span callback)
{
    char begin[KEY_MAX];

    (void)key_of(keys, ":responses:", span_str(""), begin);
    if (callback.len > CALLBACK_MAX || !span_starts(callback, begin) ||
        callback.len == strlen(begin))
        return false;
    for (size_t i = 0; i < callback.len; i++) {
        if (callback.ptr[i] < 0x21 || callback.ptr[i] > 0x7e)
            return false;
    }
    return true;
}

bool request_id_valid(struct span id)
{
    if (id.len < 1 || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] != ':' && !node_id_byte_valid(id.ptr[i]))
            return false;
    }
    return true;
}
