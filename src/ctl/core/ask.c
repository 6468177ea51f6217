#include "ask.h"

#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/keys.h"

static const char *const names[] = {
    FIELD_REQUEST_ID, FIELD_MODEL,    FIELD_MESSAGES,   FIELD_PROMPT,   FIELD_INPUT,
    FIELD_CALLBACK,   FIELD_PARAMS,   FIELD_STREAM,     FIELD_PROGRESS, FIELD_SESSION,
    FIELD_CLIENT,     FIELD_PRIORITY, FIELD_TIMEOUT_MS, FIELD_METADATA};
_Static_assert(sizeof names / sizeof names[0] <= ASK_FIELDS_MAX, "each has a place");

static const char *const payloads[] = {FIELD_MESSAGES, FIELD_PROMPT, FIELD_INPUT};

void ask_init(struct ask *ask)
{
    *ask = (struct ask){.n = 0};
    buf_init(&ask->store, ASK_MAX_BYTES);
}

void ask_done(struct ask *ask)
{
    buf_done(&ask->store);
}

static size_t find(const struct ask *ask, const char *name)
{
    size_t i = 0;

    while (i < ask->n && strcmp(ask->fields[i].name, name) != 0)
        i++;
    return i;
}

bool ask_set(struct ask *ask, const char *name, struct span value)
{
    size_t i = find(ask, name), at = ask->store.len;

    if (!buf_add_span(&ask->store, value) || i == ASK_FIELDS_MAX)
        return false;
    ask->fields[i].name = name;
    ask->fields[i].at = at;
    ask->fields[i].len = value.len;
    ask->n += i == ask->n;
    return true;
}

struct span ask_get(const struct ask *ask, const char *name)
{
    size_t i = find(ask, name);

    if (i == ask->n)
        return (struct span){NULL, 0};
    return (struct span){buf_span(&ask->store).ptr + ask->fields[i].at, ask->fields[i].len};
}

static void drop(struct ask *ask, const char *name)
{
    size_t i = find(ask, name);

    if (i < ask->n)
        ask->fields[i] = ask->fields[--ask->n];
}

/* --- from JSON -------------------------------------------------------------------------------- */

static int too_large(struct err *err)
{
    return err_set(err, -EINVAL, "the request is larger than %zu MiB, or there is no memory",
                   ASK_MAX_BYTES >> 20);
}

static int set_decoded(struct ask *ask, const char *name, struct span value, struct err *err)
{
    size_t at = ask->store.len;

    if (!ask_set(ask, name, value)) /* as long as it can get */
        return too_large(err);
    char *text = ask->store.ptr + at;
    if (!json_string_decode(value, text, value.len))
        return err_set(err, -EINVAL, "\"%s\" has a NUL character in it", name);
    ask->fields[find(ask, name)].len = strlen(text);
    return 0;
}

static int set_member(struct ask *ask, const char *name, struct span value, struct err *err)
{
    bool truth;

    switch (json_type(value)) {
    case JSON_NONE:
    case JSON_NULL:
        return 0;
    case JSON_BOOL:
        if (!json_to_bool(value, &truth) || !truth)
            return 0;
        value = span_str("1");
        break;
    case JSON_STRING:
        if (strcmp(name, FIELD_INPUT) != 0)
            return set_decoded(ask, name, value, err);
        break;
    case JSON_NUMBER:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return ask_set(ask, name, value) ? 0 : too_large(err);
}

static int take_member(struct ask *ask, struct span key, struct span value, struct err *err)
{
    size_t i = 0;

    while (i < sizeof names / sizeof names[0] && !span_is(key, names[i]))
        i++;
    if (i == sizeof names / sizeof names[0]) {
        return err_set(err, -EINVAL,
                       "\"%.*s\" is no field of a request (what belongs to Ollama stands in "
                       "params)",
                       SPAN_ARG(key));
    }
    if (find(ask, names[i]) < ask->n)
        return err_set(err, -EINVAL, "\"%s\" is there twice", names[i]);
    return set_member(ask, names[i], value, err);
}

int ask_from_json(struct ask *ask, struct span json, struct err *err)
{
    struct json_iter it;
    struct err why;
    int rc = 0;

    if (json_check(json, &why) < 0)
        return err_set(err, -EINVAL, "it is not JSON: %s", why.msg);
    if (json_type(json) == JSON_ARRAY)
        return ask_set(ask, FIELD_MESSAGES, span_trim(json)) ? 0 : too_large(err);
    if (json_type(json) != JSON_OBJECT) {
        return err_set(err, -EINVAL,
                       "it is no JSON object of request fields and no array of messages");
    }
    for (json_begin(&it, json); rc == 0 && json_next(&it);)
        rc = take_member(ask, it.key, it.value, err);
    return rc;
}

/* --- from text -------------------------------------------------------------------------------- */

static void add_message(struct buf *out, const char *role, struct span content)
{
    (void)buf_add_fmt(out, "%s{\"role\":\"%s\",\"content\":", out->len > 1 ? "," : "", role);
    (void)buf_add_json_str(out, content);
    (void)buf_add_str(out, "}");
}

static void make_payload(enum ask_kind kind, struct span text, const char *system, struct buf *out)
{
    if (kind == ASK_GENERATE) {
        (void)buf_add_span(out, text);
        return;
    }
    if (kind == ASK_EMBED) {
        (void)buf_add_json_str(out, text);
        return;
    }
    (void)buf_add_str(out, "[");
    if (system)
        add_message(out, "system", span_str(system));
    add_message(out, "user", text);
    (void)buf_add_str(out, "]");
}

int ask_text(struct ask *ask, enum ask_kind kind, struct span text, const char *system,
             struct err *err)
{
    struct buf payload;

    if (!span_is_utf8(text) || (system && !span_is_utf8(span_str(system))))
        return err_set(err, -EINVAL, "the text is not UTF-8");
    if (system && kind != ASK_CHAT)
        return err_set(err, -EINVAL, "--system goes with a chat message only");
    buf_init(&payload, ASK_MAX_BYTES);
    make_payload(kind, text, system, &payload);
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
        drop(ask, payloads[i]);
    bool ok = !payload.failed && ask_set(ask, payloads[kind], buf_span(&payload));
    buf_done(&payload);
    return ok ? 0 : too_large(err);
}

int ask_check(const struct ask *ask, struct err *err)
{
    size_t n = 0;

    if (ask_get(ask, FIELD_MODEL).len == 0)
        return err_set(err, -EINVAL, "no model: name it with --model");
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++)
        n += ask_get(ask, payloads[i]).ptr != NULL;
    if (n == 0)
        return err_set(err, -EINVAL, "nothing to ask: give a text, or messages, prompt or input");
    if (n > 1)
        return err_set(err, -EINVAL, "more than one of messages, prompt and input");
    return 0;
}
