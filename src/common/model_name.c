#include "common/model_name.h"

#include <string.h>
#include <strings.h>

#define DEFAULT_HOST      "registry.ollama.ai"
#define DEFAULT_NAMESPACE "library"
#define DEFAULT_TAG       "latest"
#define PART_MAX          80 /* bytes of a namespace, model or tag: Ollama, types/model/name.go */

/* [host/][namespace/]model[:tag]; absent parts are {NULL, 0}. */
struct parts {
    struct span host, namespace, model, tag;
};

/* Position of the last `c` in s, or s.len. */
static size_t last_of(struct span s, char c)
{
    for (size_t i = s.len; i > 0; i--) {
        if (s.ptr[i - 1] == c)
            return i - 1;
    }
    return s.len;
}

/* Takes what is behind the last '/' off *s. */
static struct span take_last(struct span *s)
{
    size_t at = last_of(*s, '/');
    struct span last;

    if (at == s->len) {
        last = *s;
        *s = (struct span){NULL, 0};
    } else {
        last = (struct span){s->ptr + at + 1, s->len - at - 1};
        s->len = at;
    }
    return last;
}

/* Ollama looks for the last ':' behind the last '/' first, then for parts from the end. */
static struct parts split(struct span name)
{
    struct parts parts = {0};
    size_t slash = last_of(name, '/');
    size_t colon = last_of(name, ':');

    if (colon < name.len && (slash == name.len || colon > slash)) {
        parts.tag = (struct span){name.ptr + colon + 1, name.len - colon - 1};
        name.len = colon;
    }
    parts.model = take_last(&name);
    if (!name.ptr)
        return parts;
    parts.namespace = take_last(&name);
    if (!name.ptr)
        return parts;
    parts.host = name;
    if (span_starts(name, "https://")) {
        parts.host = (struct span){name.ptr + 8, name.len - 8};
    } else if (span_starts(name, "http://")) {
        parts.host = (struct span){name.ptr + 7, name.len - 7};
    }
    return parts;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits and `more`, beginning with a letter, a digit or '_'. */
static bool part_ok(struct span part, const char *more, size_t max)
{
    if (!part.ptr)
        return true;
    if (part.len == 0 || part.len > max || (!is_alphanumeric(part.ptr[0]) && part.ptr[0] != '_'))
        return false;
    for (size_t i = 1; i < part.len; i++) {
        char c = part.ptr[i];
        if (!is_alphanumeric(c) && (c == '\0' || !strchr(more, c)))
            return false;
    }
    return true;
}

static bool equals_ignoring_case(struct span s, const char *text)
{
    return s.len == strlen(text) && (s.len == 0 || strncasecmp(s.ptr, text, s.len) == 0);
}

/* Appends in lower case at *len; false if it does not fit. */
static bool append(char *buf, size_t *len, struct span s)
{
    if (s.len > MODEL_NAME_MAX - *len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        buf[(*len)++] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    return true;
}

static bool write_parts(const struct parts *parts, char *buf)
{
    bool has_host = parts->host.ptr && !equals_ignoring_case(parts->host, DEFAULT_HOST);
    bool has_namespace = parts->namespace.ptr &&
                         (has_host || !equals_ignoring_case(parts->namespace, DEFAULT_NAMESPACE));
    const struct span slash = {"/", 1}, colon = {":", 1};
    size_t len = 0;

    if (has_host && !(append(buf, &len, parts->host) && append(buf, &len, slash)))
        return false;
    if (has_namespace && !(append(buf, &len, parts->namespace) && append(buf, &len, slash)))
        return false;
    if (!append(buf, &len, parts->model) || !append(buf, &len, colon) ||
        !append(buf, &len, parts->tag.ptr ? parts->tag : span_str(DEFAULT_TAG)))
        return false;
    buf[len] = '\0';
    return true;
}

bool model_name_canonical(struct span name, char *buf)
{
    char canonical[MODEL_NAME_MAX + 1];
    struct parts parts = split(span_trim(name));

    if (!parts.model.ptr || !part_ok(parts.host, "_-.:", MODEL_NAME_MAX) ||
        !part_ok(parts.namespace, "_-", PART_MAX) || !part_ok(parts.model, "_-.", PART_MAX) ||
        !part_ok(parts.tag, "_-.", PART_MAX) || !write_parts(&parts, canonical))
        return false;
    memcpy(buf, canonical, sizeof canonical);
    return true;
}
