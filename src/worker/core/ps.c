#include "ps.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/model_memory.h"

/* The largest double below which every integer is exact. */
#define EXACT_MAX     9007199254740992.0

#define FOR_EVER_YEAR 2200 /* no clock and no keep_alive that somebody means reaches beyond it */

/* Parses a body that must be one JSON object and nothing else. The caller deletes *ret. */
static int parse_object(struct span body, const char *what, cJSON **ret, struct err *err)
{
    const char *end = body.ptr;
    cJSON *tree = body.ptr ? cJSON_ParseWithLengthOpts(body.ptr, body.len, &end, false) : NULL;
    const char *stop = body.ptr ? body.ptr + body.len : NULL;

    while (tree && end < stop && strchr(" \t\r\n", *end) && *end != '\0')
        end++;
    if (tree && end == stop && cJSON_IsObject(tree)) {
        *ret = tree;
        return 0;
    }

    bool is_json = tree && end == stop;

    cJSON_Delete(tree);
    if (is_json)
        return err_set(err, -EINVAL, "%s of Ollama's is JSON but no object", what);
    return err_set(err, -EINVAL, "%s of Ollama's is not JSON (byte %zu): '%.*s'", what,
                   (size_t)(end - body.ptr), (int)(body.len > 40 ? 40 : body.len),
                   body.ptr ? body.ptr : "");
}

/* Parses a body with a list of models, an array or null. The caller deletes *ret_tree. */
static int parse_models(struct span body, const char *what, cJSON **ret_tree,
                        const cJSON **ret_models, struct err *err)
{
    cJSON *tree = NULL;
    int rc = parse_object(body, what, &tree, err);

    if (rc < 0)
        return rc;

    const cJSON *models = cJSON_GetObjectItemCaseSensitive(tree, "models");

    if (!cJSON_IsArray(models) && !cJSON_IsNull(models)) {
        cJSON_Delete(tree);
        return err_set(err, -EINVAL, "%s of Ollama's has no list `models`", what);
    }
    *ret_tree = tree;
    *ret_models = models;
    return 0;
}

/* The text of a member; "" if it is absent or no string. Borrowed from the tree. */
static const char *read_text(const cJSON *entry, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, name));

    return text ? text : "";
}

/* The canonical name of an entry, from `name` or else `model`. */
static bool read_name(const cJSON *entry, char *ret)
{
    return model_name_canonical(span_str(read_text(entry, "name")), ret) ||
           model_name_canonical(span_str(read_text(entry, "model")), ret);
}

/* A count or size; absent, negative, no integer or too large to be exact is 0. */
static int64_t read_count(const cJSON *entry, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, name);
    double value = cJSON_IsNumber(item) ? item->valuedouble : 0;

    if (!(value > 0) || value > EXACT_MAX || value > (double)(int64_t)value)
        return 0;
    return (int64_t)value;
}

/* A model of Ollama's cloud takes no memory here and is not this node's to offer. */
static bool is_remote(const cJSON *entry)
{
    return read_text(entry, "remote_host")[0] != '\0';
}

static bool is_listed(const cJSON *array, const char *word)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, array)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, word) == 0)
            return true;
    }
    return false;
}

/* An embedding model cannot generate, so it must not be probed with a token. Ollama says so since
 * 0.30; before, its family (bert, nomic-bert, ...) or its name (mxbai-embed-large, embeddinggemma)
 * does. Wrongly true only means that a hang of that model is not cleared by a probe. */
static bool embeds_only(const cJSON *entry, const char *name)
{
    const cJSON *capabilities = cJSON_GetObjectItemCaseSensitive(entry, "capabilities");
    const char *family = read_text(cJSON_GetObjectItemCaseSensitive(entry, "details"), "family");

    if (cJSON_IsArray(capabilities))
        return is_listed(capabilities, "embedding") && !is_listed(capabilities, "completion");
    return strstr(family, "bert") || strstr(family, "embed") || strstr(name, "embed");
}

/* --- /api/ps ---------------------------------------------------------------------------------- */

bool ps_has_room(const struct ps *ps, const char *name, int64_t file_bytes, int64_t ram_bytes)
{
    double room = model_memory_usable((double)ram_bytes) - model_memory_bytes((double)file_bytes);

    for (size_t i = 0; i < ps->n; i++) {
        if (strcmp(ps->models[i].name, name) == 0)
            continue;
        if (ps->models[i].size_bytes <= 0)
            return false;
        room -= (double)ps->models[i].size_bytes;
    }
    return file_bytes > 0 && room >= 0.0;
}

const struct ps_model *ps_find(const struct ps *ps, const char *name)
{
    for (size_t i = 0; i < ps->n; i++) {
        if (strcmp(ps->models[i].name, name) == 0)
            return &ps->models[i];
    }
    return NULL;
}

/* From "2026-08-21T14:05:33.123456789+01:00". */
static enum ps_keep read_keep(const cJSON *entry)
{
    const char *text = read_text(entry, "expires_at");
    int64_t year;

    if (strspn(text, "0123456789") != 4 || text[4] != '-' ||
        !span_to_i64((struct span){text, 4}, &year) || year < 1970)
        return PS_KEEP_UNKNOWN;
    return year > FOR_EVER_YEAR ? PS_KEEP_FOR_EVER : PS_KEEP_FOR_A_WHILE;
}

enum ps_keep ps_keeps(const struct ps *ps)
{
    enum ps_keep keeps = PS_KEEP_UNKNOWN;

    for (size_t i = 0; i < ps->n; i++) {
        if (ps->models[i].keep == PS_KEEP_FOR_A_WHILE)
            return PS_KEEP_FOR_A_WHILE;
        if (ps->models[i].keep == PS_KEEP_FOR_EVER)
            keeps = PS_KEEP_FOR_EVER;
    }
    return keeps;
}

static void ps_add(struct ps *ps, const cJSON *entry)
{
    char name[MODEL_NAME_MAX + 1];

    if (is_remote(entry) || !read_name(entry, name) || ps_find(ps, name))
        return;
    if (ps->n == PS_RESIDENT_MAX) {
        ps->truncated = true;
        return;
    }
    struct ps_model *model = &ps->models[ps->n++];
    *model = (struct ps_model){
        .size_bytes = read_count(entry, "size"),
        .size_vram_bytes = read_count(entry, "size_vram"),
        .context_length = read_count(entry, "context_length"),
        .embeds_only = embeds_only(entry, name),
        .keep = read_keep(entry),
    };
    memcpy(model->name, name, sizeof name);
}

int ps_decode(struct span body, struct ps *ret, struct err *err)
{
    const cJSON *models = NULL, *entry;
    cJSON *tree = NULL;
    int rc = parse_models(body, "/api/ps", &tree, &models, err);

    if (rc < 0)
        return rc;
    ret->n = 0;
    ret->truncated = false;
    cJSON_ArrayForEach(entry, models)
    {
        ps_add(ret, entry);
    }
    cJSON_Delete(tree);
    return 0;
}

/* --- /api/tags -------------------------------------------------------------------------------- */

const struct tags_model *tags_find(const struct tags *tags, const char *name)
{
    for (size_t i = 0; i < tags->n; i++) {
        if (strcmp(tags->models[i].name, name) == 0)
            return &tags->models[i];
    }
    return NULL;
}

static void tags_add(struct tags *tags, const cJSON *entry)
{
    char name[MODEL_NAME_MAX + 1];

    if (is_remote(entry) || !read_name(entry, name) || tags_find(tags, name))
        return;
    if (tags->n == PS_INSTALLED_MAX) {
        tags->truncated = true;
        return;
    }
    struct tags_model *model = &tags->models[tags->n++];
    *model = (struct tags_model){
        .size_bytes = read_count(entry, "size"),
        .embeds_only = embeds_only(entry, name),
    };
    memcpy(model->name, name, sizeof name);
}

int tags_decode(struct span body, struct tags *ret, struct err *err)
{
    const cJSON *models = NULL, *entry;
    cJSON *tree = NULL;
    int rc = parse_models(body, "/api/tags", &tree, &models, err);

    if (rc < 0)
        return rc;
    ret->n = 0;
    ret->truncated = false;
    cJSON_ArrayForEach(entry, models)
    {
        tags_add(ret, entry);
    }
    cJSON_Delete(tree);
    return 0;
}

/* --- /api/version ----------------------------------------------------------------------------- */

int version_decode(struct span body, char *ret, struct err *err)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+-_";
    cJSON *tree = NULL;
    int rc = parse_object(body, "/api/version", &tree, err);

    if (rc < 0)
        return rc;

    const char *text = read_text(tree, "version");

    if (text[0] != '\0' && text[strspn(text, allowed)] == '\0' && strlen(text) < PS_VERSION_MAX) {
        memcpy(ret, text, strlen(text) + 1);
    } else {
        rc = err_set(err, -EINVAL, "/api/version of Ollama's has no version such as \"0.32.15\"");
    }
    cJSON_Delete(tree);
    return rc;
}
