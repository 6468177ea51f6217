#include "life.h"

#include "common/reply.h"
#include "common/request.h"

#include "reply_view.h"

static struct life_step *step_add(struct life *life, enum life_source source,
                                  const struct redisReply *entry)
{
    if (life->n == LIFE_STEPS_MAX) {
        life->left_out++;
        return NULL;
    }
    struct life_step *step = &life->steps[life->n++];
    *step = (struct life_step){
        .source = source, .id = reply_span(reply_at(entry, 0)), .fields = reply_at(entry, 1)};
    step->at_ms = entry_id_ms(step->id);
    return step;
}

/* The step of the pieces of that attempt; NULL. */
static struct life_step *pieces_find(struct life *life, struct span attempt)
{
    for (size_t i = life->n; i > 0; i--) {
        struct life_step *step = &life->steps[i - 1];
        if (step->source == LIFE_REPLY && step->n_pieces > 0 &&
            span_eq(view_field(step->fields, "attempt"), attempt))
            return step;
    }
    return NULL;
}

static bool add_piece(struct life *life, const struct redisReply *entry)
{
    const struct redisReply *fields = reply_at(entry, 1);
    struct life_step *step = pieces_find(life, view_field(fields, "attempt"));
    bool is_first = step == NULL;

    if (is_first)
        step = step_add(life, LIFE_REPLY, entry);
    if (!step)
        return false;
    step->n_pieces++;
    step->bytes += view_field(fields, "response").len;
    step->last_ms = entry_id_ms(reply_span(reply_at(entry, 0)));
    return is_first;
}

bool life_add(struct life *life, enum life_source source, const struct redisReply *entry)
{
    const struct redisReply *fields = reply_at(entry, 1);

    if (!span_is(view_field(fields, FIELD_REQUEST_ID), life->request_id))
        return false;
    if (source == LIFE_REPLY && span_is(view_field(fields, "type"), "chunk"))
        return add_piece(life, entry);
    return step_add(life, source, entry) != NULL;
}

/* What happened in the same millisecond stands in the order of the sources, and of their streams.
 */
static bool is_after(const struct life_step *a, const struct life_step *b)
{
    if (a->at_ms != b->at_ms)
        return a->at_ms > b->at_ms;
    return a->source > b->source;
}

void life_sort(struct life *life)
{
    for (size_t i = 1; i < life->n; i++) {
        struct life_step step = life->steps[i];
        size_t at = i;
        for (; at > 0 && is_after(&life->steps[at - 1], &step); at--)
            life->steps[at] = life->steps[at - 1];
        life->steps[at] = step;
    }
}

bool life_is_known(const struct life *life)
{
    return life->n > 0 || reply_count(life->job) > 0 || reply_count(life->queued) > 0;
}

bool life_is_open(const struct life *life)
{
    struct span state = view_field(life->job, "state");

    if (state.len > 0)
        return !span_is(state, "done");
    return reply_count(life->queued) > 0;
}
