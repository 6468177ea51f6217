#include "residency.h"

#include <stdio.h>
#include <string.h>

#include "ps.h"

static const struct residency_model *find(const struct residency *residency, const char *name)
{
    for (size_t i = 0; i < residency->n; i++) {
        if (strcmp(residency->models[i].name, name) == 0)
            return &residency->models[i];
    }
    return NULL;
}

static struct residency_model *make(struct residency *residency, const char *name)
{
    size_t at = 0;

    if (residency->n < RESIDENCY_MAX) {
        at = residency->n++;
    } else {
        for (size_t i = 1; i < residency->n; i++) {
            if (residency->models[i].ran_ms < residency->models[at].ran_ms)
                at = i;
        }
    }
    residency->models[at] = (struct residency_model){.num_ctx = -1};
    (void)snprintf(residency->models[at].name, sizeof residency->models[at].name, "%s", name);
    return &residency->models[at];
}

bool residency_ran(struct residency *residency, const char *name, int64_t num_ctx, int64_t now_ms)
{
    const struct residency_model *known = find(residency, name);
    struct residency_model *model =
        known ? &residency->models[known - residency->models] : make(residency, name);

    if (model->num_ctx != num_ctx)
        model->context_length = model->other_length = 0;
    model->num_ctx = num_ctx;
    model->ran_ms = now_ms;
    model->is_new = true;
    return model->context_length == 0;
}

static void learn(struct residency_model *model, int64_t context_length)
{
    if (model->context_length == 0 || context_length == model->other_length) {
        model->context_length = context_length;
        model->other_length = 0;
    } else {
        model->other_length = context_length == model->context_length ? 0 : context_length;
    }
}

void residency_look(struct residency *residency, const struct ps *ps, int64_t asked_ms)
{
    for (size_t i = 0; i < residency->n; i++) {
        struct residency_model *model = &residency->models[i];
        const struct ps_model *seen = ps_find(ps, model->name);
        if (!model->is_new || model->ran_ms > asked_ms)
            continue; /* the answer may be older than the run */
        model->is_new = false;
        if (seen)
            learn(model, seen->context_length);
    }
}

bool residency_is_ours(const struct residency *residency, const struct ps_model *model,
                       int64_t num_ctx)
{
    const struct residency_model *known = find(residency, model->name);
    bool is_learned = known && known->num_ctx == num_ctx && known->context_length > 0;
    int64_t expected = is_learned ? known->context_length : num_ctx;

    if (known && known->num_ctx == num_ctx && known->is_new)
        return true; /* it has just answered us */
    return model->context_length == 0 || expected == 0 || model->context_length == expected;
}

void residency_clear(struct residency *residency)
{
    residency->n = 0;
}
