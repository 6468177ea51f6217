#include "common/request.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/reply.h"
#include "common/request_check.h"

/* Every field there is. The first FIELDS_OF_CLIENT are a client's, the rest are added by routers.
 */
enum field {
    F_REQUEST_ID = 0,
    F_MODEL,
    F_MESSAGES,
    F_PROMPT,
    F_INPUT,
    F_CALLBACK,
    F_PARAMS,
    F_STREAM,
    F_PROGRESS,
    F_SESSION,
    F_CLIENT,
    F_PRIORITY,
    F_TIMEOUT_MS,
    F_METADATA,
    FIELDS_OF_CLIENT,
    F_ATTEMPT = FIELDS_OF_CLIENT,
    F_ORIGIN_ID,
    F_SUBMITTED_MS,
    F_DEADLINE_MS,
    F_TRIED,
    F_LAST_ERROR,
    FIELD_COUNT
};

static const char *const field_names[] = {
    [F_REQUEST_ID] = FIELD_REQUEST_ID,
    [F_MODEL] = FIELD_MODEL,
    [F_MESSAGES] = FIELD_MESSAGES,
    [F_PROMPT] = FIELD_PROMPT,
    [F_INPUT] = FIELD_INPUT,
    [F_CALLBACK] = FIELD_CALLBACK,
    [F_PARAMS] = FIELD_PARAMS,
    [F_STREAM] = FIELD_STREAM,
    [F_PROGRESS] = FIELD_PROGRESS,
    [F_SESSION] = FIELD_SESSION,
    [F_CLIENT] = FIELD_CLIENT,
    [F_PRIORITY] = FIELD_PRIORITY,
    [F_TIMEOUT_MS] = FIELD_TIMEOUT_MS,
    [F_METADATA] = FIELD_METADATA,
    [F_ATTEMPT] = FIELD_ATTEMPT,
    [F_ORIGIN_ID] = FIELD_ORIGIN_ID,
    [F_SUBMITTED_MS] = FIELD_SUBMITTED_MS,
    [F_DEADLINE_MS] = FIELD_DEADLINE_MS,
    [F_TRIED] = FIELD_TRIED,
    [F_LAST_ERROR] = FIELD_LAST_ERROR,
};
_Static_assert(sizeof field_names / sizeof field_names[0] == FIELD_COUNT, "a field lacks its name");

struct fields {
    struct span value[FIELD_COUNT];
    bool repeated[FIELD_COUNT];
    struct span unknown; /* the first name that is in no table */
    bool has_unknown;
};

static int bad(struct err *err, const char *text)
{
    return err_set(err, -EINVAL, "%s", text);
}

static enum field field_of(struct span name)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (span_is(name, field_names[i]))
            return (enum field)i;
    }
    return FIELD_COUNT;
}

/* Sorts the pairs into the table. All of them are looked at, whatever their number, so that a reply
 * can be sent for a broken entry too; the time is linear in what was received anyway. */
static void gather(const struct redisReply *pairs, struct fields *ret, struct request *request)
{
    size_t n = reply_count(pairs);

    *ret = (struct fields){.has_unknown = false};
    for (size_t i = 0; i + 1 < n; i += 2) {
        struct span name = reply_span(reply_at(pairs, i));
        struct span value = reply_span(reply_at(pairs, i + 1));
        enum field field = field_of(name);

        if (field < FIELDS_OF_CLIENT || field == FIELD_COUNT) /* what routers add must not count */
            request->bytes += name.len + value.len;
        if (field == FIELD_COUNT) {
            if (!ret->has_unknown)
                ret->unknown = name;
            ret->has_unknown = true;
        } else if (ret->value[field].ptr) {
            ret->repeated[field] = true;
        } else {
            ret->value[field] = value;
            if (field >= FIELDS_OF_CLIENT && !request->forged)
                request->forged = field_names[field];
        }
    }
    request->came_back = request->forged != NULL;
}

/* Who gets the answer: without these two there is nobody to tell. */
static int check_address(const struct fields *fields, const struct keys *keys,
                         struct request *request, struct err *err)
{
    request->request_id = fields->value[F_REQUEST_ID];
    request->callback = fields->value[F_CALLBACK];
    if (!request->request_id.ptr)
        return bad(err, "field 'request_id' is missing");
    if (fields->repeated[F_REQUEST_ID] || fields->repeated[F_CALLBACK])
        return bad(err, "field 'request_id' or 'callback' is given twice");
    if (!request_id_valid(request->request_id))
        return bad(err, "field 'request_id' must be 1 to 128 of A-Z a-z 0-9 . _ : -");
    if (request->callback.ptr && !key_callback_valid(keys, request->callback)) {
        return err_set(err, -EINVAL,
                       "field 'callback' must begin with '%s:responses:' and have at most %d bytes",
                       keys->prefix, CALLBACK_MAX);
    }
    return 0;
}

/* The same well-formedness for every field: known, once, UTF-8, together not too large. */
static int check_shape(const struct redisReply *pairs, const struct fields *fields,
                       size_t max_bytes, const struct request *request, struct err *err)
{
    if (reply_count(pairs) > 2 * (size_t)REQUEST_FIELDS_MAX) {
        return err_set(err, -EINVAL, "the entry has %zu fields; at most %d are taken",
                       reply_count(pairs) / 2, REQUEST_FIELDS_MAX);
    }
    if (request->bytes > max_bytes) {
        return err_set(err, -EINVAL, "the entry has %zu bytes; at most %zu are taken",
                       request->bytes, max_bytes);
    }
    if (fields->has_unknown) {
        if (!span_is_utf8(fields->unknown))
            return bad(err, "a field's name is not UTF-8");
        return err_set(err, -EINVAL, "unknown field '%.*s'; docs/protocol.md lists the fields",
                       SPAN_ARG(fields->unknown));
    }
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (fields->repeated[i])
            return err_set(err, -EINVAL, "field '%s' is given twice", field_names[i]);
        if (!span_is_utf8(fields->value[i]))
            return err_set(err, -EINVAL, "field '%s' is not UTF-8", field_names[i]);
    }
    return 0;
}

static int take_model(const struct fields *fields, struct request *request, struct err *err)
{
    request->model = fields->value[F_MODEL];
    if (!request->model.ptr)
        return bad(err, "field 'model' is missing");
    if (!model_name_canonical(request->model, request->model_name)) {
        return err_set(err, -EINVAL, "field 'model' is no model name: '%.*s'; write e.g. gemma3:1b",
                       SPAN_ARG(request->model));
    }
    return 0;
}

static int take_payload(const struct fields *fields, struct request *request, struct err *err)
{
    static const enum field of_kind[] = {
        [REQUEST_CHAT] = F_MESSAGES, [REQUEST_GENERATE] = F_PROMPT, [REQUEST_EMBED] = F_INPUT};
    int found = 0;

    _Static_assert(sizeof of_kind / sizeof of_kind[0] == REQUEST_KIND_COUNT,
                   "a kind lacks its field");
    for (int kind = 0; kind < REQUEST_KIND_COUNT; kind++) {
        if (!fields->value[of_kind[kind]].ptr)
            continue;
        request->kind = (enum request_kind)kind;
        request->payload = fields->value[of_kind[kind]];
        found++;
    }
    if (found != 1) {
        return err_set(err, -EINVAL,
                       "exactly one of 'messages', 'prompt' and 'input' must be given%s",
                       found == 0 ? "; none is" : "");
    }
    return 0;
}

static int check_json(const struct request *request, struct err *err)
{
    int rc = 0;

    switch (request->kind) {
    case REQUEST_CHAT:
        rc = request_check_messages(request->payload, err);
        break;
    case REQUEST_GENERATE:
        rc = request_check_prompt(request->payload, err);
        break;
    case REQUEST_EMBED:
        rc = request_check_input(request->payload, err);
        break;
    case REQUEST_KIND_COUNT:
        break;
    }
    if (rc == 0 && request->params.ptr)
        rc = request_check_params(request->params, err);
    return rc;
}

static int take_flag(const struct fields *fields, enum field field, bool *ret, struct err *err)
{
    struct span value = fields->value[field];

    *ret = span_is(value, "1");
    if (value.ptr && !*ret && !span_is(value, "0")) {
        return err_set(err, -EINVAL, "field '%s' is '%.*s'; write 1 or 0", field_names[field],
                       SPAN_ARG(value));
    }
    return 0;
}

static int take_priority(const struct fields *fields, struct request *request, struct err *err)
{
    static const char *const names[REQUEST_PRIORITY_COUNT] = {
        [REQUEST_HIGH] = "high", [REQUEST_NORMAL] = "normal", [REQUEST_LOW] = "low"};
    struct span value = fields->value[F_PRIORITY];

    request->priority = REQUEST_NORMAL;
    if (!value.ptr)
        return 0;
    for (int i = 0; i < REQUEST_PRIORITY_COUNT; i++) {
        if (span_is(value, names[i])) {
            request->priority = (enum request_priority)i;
            return 0;
        }
    }
    return err_set(err, -EINVAL, "field 'priority' is '%.*s'; write high, normal or low",
                   SPAN_ARG(value));
}

static int take_text(const struct fields *fields, enum field field, size_t max, struct span *ret,
                     struct err *err)
{
    *ret = fields->value[field];
    if (ret->len > max) {
        return err_set(err, -EINVAL, "field '%s' has %zu bytes; at most %zu are taken",
                       field_names[field], ret->len, max);
    }
    return 0;
}

static int take_number(const struct fields *fields, enum field field, int64_t min, int64_t max,
                       int64_t *ret, struct err *err)
{
    struct span value = fields->value[field];

    if (!value.ptr)
        return 0;
    if (!span_to_i64(value, ret) || *ret < min || *ret > max) {
        return err_set(err, -EINVAL, "field '%s' is '%.*s'; write a whole number from %lld to %lld",
                       field_names[field], SPAN_ARG(value), (long long)min, (long long)max);
    }
    return 0;
}

static int take_options(const struct fields *fields, struct request *request, struct err *err)
{
    int rc = 0;

    request->params = fields->value[F_PARAMS];
    if (rc == 0)
        rc = take_flag(fields, F_STREAM, &request->stream, err);
    if (rc == 0)
        rc = take_flag(fields, F_PROGRESS, &request->progress, err);
    if (rc == 0)
        rc = take_priority(fields, request, err);
    if (rc == 0)
        rc = take_text(fields, F_SESSION, REQUEST_SESSION_MAX, &request->session, err);
    if (rc == 0)
        rc = take_text(fields, F_CLIENT, REQUEST_CLIENT_MAX, &request->client, err);
    if (rc == 0)
        rc = take_text(fields, F_METADATA, REQUEST_METADATA_MAX, &request->metadata, err);
    if (rc == 0) {
        rc =
            take_number(fields, F_TIMEOUT_MS, 1, REQUEST_TIMEOUT_MAX_MS, &request->timeout_ms, err);
    }
    return rc;
}

/* What routers add. In an entry from a client these are decoded too: it may have come back from a
 * node. Whether it really did, the scripts tell from the job. */
static int take_added(const struct fields *fields, struct request *request, struct err *err)
{
    int rc = take_number(fields, F_ATTEMPT, 1, 1000000, &request->attempt, err);

    if (rc == 0)
        rc = take_number(fields, F_SUBMITTED_MS, 0, INT64_MAX, &request->submitted_ms, err);
    if (rc == 0)
        rc = take_number(fields, F_DEADLINE_MS, 0, INT64_MAX, &request->deadline_ms, err);
    if (rc == 0)
        rc = take_text(fields, F_TRIED, REQUEST_TRIED_MAX, &request->tried, err);
    if (rc == 0)
        rc = take_text(fields, F_LAST_ERROR, REQUEST_ERROR_MAX, &request->last_error, err);
    request->origin_id = fields->value[F_ORIGIN_ID];
    return rc;
}

static int check_added(const struct fields *fields, struct err *err)
{
    static const enum field needed[] = {F_ATTEMPT, F_ORIGIN_ID, F_SUBMITTED_MS, F_DEADLINE_MS};

    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (!fields->value[needed[i]].ptr)
            return err_set(err, -EINVAL, "field '%s' is missing", field_names[needed[i]]);
    }
    return 0;
}

enum request_outcome request_decode(const struct redisReply *entry, const struct keys *keys,
                                    enum request_source source, size_t max_bytes,
                                    struct request *ret, struct err *err)
{
    const struct redisReply *pairs = reply_at(entry, 1);
    struct fields fields;

    *ret = (struct request){.id = reply_span(reply_at(entry, 0)), .attempt = 1};
    gather(pairs, &fields, ret);
    if (check_address(&fields, keys, ret, err) < 0)
        return REQUEST_UNANSWERABLE;

    if (check_shape(pairs, &fields, max_bytes, ret, err) < 0 || take_added(&fields, ret, err) < 0 ||
        take_model(&fields, ret, err) < 0 || take_payload(&fields, ret, err) < 0 ||
        take_options(&fields, ret, err) < 0)
        return REQUEST_INVALID;

    int rc = source == REQUEST_FROM_CLIENT ? check_json(ret, err) : check_added(&fields, err);
    return rc < 0 ? REQUEST_INVALID : REQUEST_OK;
}

const char *request_callback(const struct request *request, const struct keys *keys, char *buf)
{
    char key[KEY_MAX];

    if (request->callback.ptr) {
        (void)span_copy(request->callback, buf, CALLBACK_MAX + 1);
    } else {
        (void)span_copy(span_str(key_responses(keys, request->request_id, key)), buf,
                        CALLBACK_MAX + 1);
    }
    return buf;
}

static bool entry_id_parts(struct span id, uint64_t ret[static 2])
{
    size_t part = 0;

    ret[0] = ret[1] = 0;
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] == '-' && part == 0) {
            part = 1;
        } else if (id.ptr[i] >= '0' && id.ptr[i] <= '9') {
            ret[part] = ret[part] * 10 + (uint64_t)(id.ptr[i] - '0');
        } else {
            return false;
        }
    }
    return id.len > 0;
}

int64_t entry_id_ms(struct span id)
{
    uint64_t parts[2];

    if (!entry_id_parts(id, parts))
        return -1;
    return parts[0] > INT64_MAX ? INT64_MAX : (int64_t)parts[0];
}

bool entry_id_is_future(struct span id, int64_t redis_ms)
{
    return entry_id_ms(id) > redis_ms + ENTRY_FUTURE_MAX_MS;
}

/* Takes the next name off the front of a comma-separated list. */
static bool list_next(struct span *list, struct span *ret_name)
{
    if (!list->ptr || list->len == 0)
        return false;

    const char *comma = memchr(list->ptr, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->ptr) : list->len;

    *ret_name = (struct span){list->ptr, len};
    list->ptr += comma ? len + 1 : len;
    list->len -= comma ? len + 1 : len;
    return true;
}

bool node_list_has(struct span list, struct span node)
{
    struct span name;

    while (list_next(&list, &name)) {
        if (span_eq(name, node))
            return true;
    }
    return false;
}

void node_list_add(struct span list, struct span node, char *buf, size_t cap)
{
    struct span name;

    assert(node.len < cap);
    if (node_list_has(list, node)) {
        (void)span_copy(list, buf, cap);
        return;
    }
    while (list.len > 0 && list.len + 1 + node.len >= cap)
        (void)list_next(&list, &name);
    (void)snprintf(buf, cap, "%.*s%s%.*s", (int)list.len, list.len ? list.ptr : "",
                   list.len ? "," : "", (int)node.len, node.ptr ? node.ptr : "");
}
