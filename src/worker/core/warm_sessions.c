#include "warm_sessions.h"

#include <assert.h>
#include <string.h>

/* The first Ollama that runs llama-server, whose prompt cache keeps replaced states in memory. */
#define PROMPT_CACHE_MINOR 30

/* Digits up to the end of the text or `stop`; -1 if there are none or too many. *text moves on. */
static int take_number(const char **text)
{
    int value = 0, n = 0;

    for (; **text >= '0' && **text <= '9' && n < 6; ++*text, n++)
        value = value * 10 + (**text - '0');
    return n > 0 && n < 6 ? value : -1;
}

size_t warm_sessions_per_model(const char *ollama_version, int slots)
{
    const char *text = ollama_version ? ollama_version : "";
    int major = take_number(&text);
    int minor = major >= 0 && *text++ == '.' ? take_number(&text) : -1;

    if (minor >= 0 && (major > 0 || minor >= PROMPT_CACHE_MINOR))
        return WARM_SESSIONS_MAX;
    if (slots < 1)
        return 1;
    return slots < WARM_SESSIONS_MAX ? (size_t)slots : WARM_SESSIONS_MAX;
}

/* Keeps the items for which `keeps` says so, in their order. */
typedef bool item_filter(const struct warm_session *item, void *arg);

static void filter(struct warm_sessions *sessions, item_filter *keeps, void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < sessions->n; i++) {
        if (!keeps(&sessions->items[i], arg))
            continue;
        if (kept != i)
            sessions->items[kept] = sessions->items[i];
        kept++;
    }
    sessions->n = kept;
}

/* Drops one pair, and all but the newest `room` of the same model. */
struct make_room {
    struct span key;
    struct span model;
    size_t room;
};

static bool keeps_with_room(const struct warm_session *item, void *arg)
{
    struct make_room *make_room = arg;

    if (!span_is(make_room->model, item->model))
        return true;
    if (make_room->room == 0 || span_is(make_room->key, item->key))
        return false;
    make_room->room--;
    return true;
}

static bool is_usable(struct span text, size_t max)
{
    return text.len > 0 && text.len <= max && !memchr(text.ptr, '\0', text.len) &&
           span_is_utf8(text);
}

void warm_sessions_touch(struct warm_sessions *sessions, struct span key, struct span model,
                         size_t keep)
{
    assert(keep >= 1);
    if (!is_usable(model, MODEL_NAME_MAX))
        return;
    struct make_room make_room = {key, model, keep - 1};
    filter(sessions, keeps_with_room, &make_room);
    if (!is_usable(key, WARM_SESSION_KEY_MAX))
        return;

    if (sessions->n == WARM_SESSIONS_MAX)
        sessions->n--;
    memmove(&sessions->items[1], &sessions->items[0], sessions->n * sizeof sessions->items[0]);
    (void)span_copy(key, sessions->items[0].key, sizeof sessions->items[0].key);
    (void)span_copy(model, sessions->items[0].model, sizeof sessions->items[0].model);
    sessions->n++;
}

struct names {
    const struct span *names;
    size_t n;
};

static bool is_among(const struct warm_session *item, void *arg)
{
    const struct names *resident = arg;

    for (size_t i = 0; i < resident->n; i++) {
        if (span_is(resident->names[i], item->model))
            return true;
    }
    return false;
}

void warm_sessions_keep_resident(struct warm_sessions *sessions, const struct span *models,
                                 size_t n)
{
    struct names resident = {models, n};

    filter(sessions, is_among, &resident);
}
