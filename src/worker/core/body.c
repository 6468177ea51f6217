#include "body.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/request_check.h"

/* What the fleet keeps out of params, in the order in which `dropped` lists it. */
static const struct field {
    const char *name; /* as listed; behind "options." as Ollama calls it */
    bool in_options;
    bool allowed; /* by allow_runner_options */
} fields[] = {
    {"model", false, false},
    {"stream", false, false},
    {"messages", false, false},
    {"prompt", false, false},
    {"input", false, false},
    {"keep_alive", false, true},
    {"shift", false, true},
    {"options.num_ctx", true, true},
    {"options.num_batch", true, true},
    {"options.num_gpu", true, true},
    {"options.main_gpu", true, true},
    {"options.use_mmap", true, true},
    {"options.num_thread", true, true},
};

enum { FIELD_COUNT = sizeof fields / sizeof fields[0] };

/* One body while it is written. */
struct build {
    const struct body_request *req;
    struct buf *body;
    unsigned dropped;    /* bit i: fields[i] was dropped */
    bool client_num_ctx; /* the client's own num_ctx stays, so the pinned one is not written */
    bool has_options;
};

const char *body_path(enum body_kind kind)
{
    static const char *const paths[BODY_KIND_COUNT] = {
        [BODY_CHAT] = "/api/chat",
        [BODY_GENERATE] = "/api/generate",
        [BODY_EMBED] = "/api/embed",
    };

    assert(kind < BODY_KIND_COUNT);
    return paths[kind];
}

static int check_content(const struct body_request *req, struct err *err)
{
    switch (req->kind) {
    case BODY_CHAT:
        return request_check_messages(req->content, err);
    case BODY_GENERATE:
        return request_check_prompt(req->content, err);
    case BODY_EMBED:
        return request_check_input(req->content, err);
    case BODY_KIND_COUNT:
        break;
    }
    assert(req->kind < BODY_KIND_COUNT);
    return -EINVAL;
}

static int check_request(const struct body_request *req, struct err *err)
{
    struct err why = {.msg = ""};

    if (req->model.len == 0 || !span_is_utf8(req->model))
        return err_set(err, -EINVAL, "model is empty or not UTF-8; it must be a model's name");
    int rc = check_content(req, err);
    if (rc < 0 || req->params.len == 0)
        return rc;
    if (json_check(req->params, &why) < 0)
        return err_set(err, -EINVAL, "params is not JSON (%s); it must be a JSON object", why.msg);
    if (json_type(req->params) != JSON_OBJECT)
        return err_set(err, -EINVAL, "params is JSON but no object; it must be a JSON object");
    return 0;
}

/* The index in fields[] of a raw key, FIELD_COUNT if it is none of them. */
static size_t field_find(struct span raw_key, bool in_options)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *name = fields[i].name + (in_options ? strlen("options.") : 0);
        if (fields[i].in_options == in_options && json_key_matches_go(raw_key, name))
            return i;
    }
    return FIELD_COUNT;
}

static bool may_pass(const struct build *build, size_t field)
{
    return field == FIELD_COUNT || (fields[field].allowed && build->req->allow_runner_options);
}

/* Notes a member that must not be passed on. False if it may. */
static bool drop(struct build *build, struct span raw_key, bool in_options)
{
    size_t i = field_find(raw_key, in_options);

    if (may_pass(build, i))
        return false;
    build->dropped |= 1U << i;
    return true;
}

static void add_member(struct buf *body, struct span raw_key, struct span value, bool first)
{
    buf_add_str(body, first ? "\"" : ",\"");
    buf_add_span(body, raw_key);
    buf_add_str(body, "\":");
    buf_add_span(body, value);
}

static bool pins_num_ctx(const struct build *build)
{
    return build->req->num_ctx > 0 && !build->client_num_ctx;
}

/* The value of `options`, an object or null. */
static void add_options(struct build *build, struct span options)
{
    struct json_iter it;
    bool first = true;

    buf_add_str(build->body, "{");
    for (json_begin(&it, options); json_next(&it);) {
        if (drop(build, it.key, true))
            continue;
        add_member(build->body, it.key, it.value, first);
        first = false;
    }
    if (pins_num_ctx(build))
        buf_add_fmt(build->body, "%s\"num_ctx\":%" PRId64, first ? "" : ",", build->req->num_ctx);
    buf_add_str(build->body, "}");
}

/* Then the client's own bytes go on, white space and all. */
static bool is_untouched(const struct build *build, struct span options)
{
    struct json_iter it;

    if (pins_num_ctx(build))
        return false;
    for (json_begin(&it, options); json_next(&it);) {
        if (!may_pass(build, field_find(it.key, true)))
            return false;
    }
    return true;
}

/* Of another type than these it would be refused by Ollama, in its own words. */
static bool is_options(struct json_iter *it)
{
    enum json_type type = json_type(it->value);

    return json_key_matches_go(it->key, "options") && (type == JSON_OBJECT || type == JSON_NULL);
}

static bool has_num_ctx(struct span params)
{
    struct json_iter outer;
    struct json_iter inner;

    for (json_begin(&outer, params); json_next(&outer);) {
        if (!is_options(&outer))
            continue;
        for (json_begin(&inner, outer.value); json_next(&inner);) {
            if (json_key_matches_go(inner.key, "num_ctx"))
                return true;
        }
    }
    return false;
}

static void add_params(struct build *build)
{
    struct span params = build->req->params;
    struct json_iter it;

    build->client_num_ctx = build->req->allow_runner_options && has_num_ctx(params);
    for (json_begin(&it, params); json_next(&it);) {
        if (drop(build, it.key, false))
            continue;
        if (!is_options(&it) || is_untouched(build, it.value)) {
            add_member(build->body, it.key, it.value, false);
            build->has_options |= is_options(&it);
            continue;
        }
        add_member(build->body, it.key, (struct span){NULL, 0}, false);
        add_options(build, it.value);
        build->has_options = true;
    }
    if (!build->has_options && pins_num_ctx(build)) {
        buf_add_str(build->body, ",\"options\":");
        add_options(build, (struct span){NULL, 0});
    }
}

static void add_content(struct build *build)
{
    switch (build->req->kind) {
    case BODY_CHAT:
        buf_add_str(build->body, ",\"messages\":");
        buf_add_span(build->body, build->req->content);
        break;
    case BODY_GENERATE:
        buf_add_str(build->body, ",\"prompt\":");
        buf_add_json_str(build->body, build->req->content);
        break;
    case BODY_EMBED:
        buf_add_str(build->body, ",\"input\":");
        buf_add_span(build->body, build->req->content);
        return; /* no stream */
    case BODY_KIND_COUNT:
        break;
    }
    buf_add_str(build->body, ",\"stream\":true");
}

static void list_dropped(unsigned dropped, char *ret)
{
    size_t len = 0;

    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!(dropped >> i & 1U))
            continue;
        size_t n = strlen(fields[i].name);
        assert(len + n + 2 <= BODY_DROPPED_MAX);
        if (len > 0)
            ret[len++] = ',';
        memcpy(ret + len, fields[i].name, n);
        len += n;
    }
    ret[len] = '\0';
}

int body_build(const struct body_request *req, struct buf *body, char *ret_dropped, struct err *err)
{
    struct build build = {.req = req, .body = body};
    int rc = check_request(req, err);

    if (rc < 0)
        return rc;
    buf_add_str(body, "{\"model\":");
    buf_add_json_str(body, req->model);
    add_content(&build);
    add_params(&build);
    buf_add_str(body, "}");
    if (body->failed) {
        return err_set(err, -EFBIG, "the request is larger than %zu bytes as a body for Ollama",
                       body->max_bytes);
    }
    list_dropped(build.dropped, ret_dropped);
    return 0;
}

bool body_build_probe(struct span model, int64_t num_ctx, struct buf *body)
{
    buf_add_str(body, "{\"model\":");
    buf_add_json_str(body, model);
    buf_add_str(body, ",\"prompt\":\"hi\",\"stream\":true,\"options\":{\"num_predict\":1");
    if (num_ctx > 0)
        buf_add_fmt(body, ",\"num_ctx\":%" PRId64, num_ctx);
    return buf_add_str(body, "}}");
}

bool body_build_preload(struct span model, int64_t num_ctx, struct buf *body)
{
    buf_add_str(body, "{\"model\":");
    buf_add_json_str(body, model);
    buf_add_str(body, ",\"stream\":true");
    if (num_ctx > 0)
        buf_add_fmt(body, ",\"options\":{\"num_ctx\":%" PRId64 "}", num_ctx);
    return buf_add_str(body, "}");
}

bool body_build_unload(struct span model, struct buf *body)
{
    buf_add_str(body, "{\"model\":");
    buf_add_json_str(body, model);
    return buf_add_str(body, ",\"keep_alive\":0}");
}
