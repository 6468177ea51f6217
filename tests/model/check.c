#include "check.h"

#include <stddef.h>

/* --- the right to a step -----------------------------------------------------------------------
 */

static const struct entry *entry_on(const struct stream_view *stream, uint8_t id)
{
    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++) {
        if (stream->entries[i].id == id)
            return &stream->entries[i];
    }
    return NULL;
}

static bool is_pending(const struct stream_view *stream, uint8_t id, uint8_t holder)
{
    const struct entry *entry = entry_on(stream, id);

    return entry && entry->holder == holder;
}

static const char *check_move(const struct world *world, const struct view *view,
                              const struct call *call)
{
    bool is_first =
        !call->came_back && (view->job_state == JOB_AT_NONE || view->job_ttl == TTL_SHORT);
    bool is_back = view->job_state == JOB_AT_QUEUED && view->job_entry == call->entry;

    if (!is_pending(&view->requests, call->entry, (uint8_t)(call->router + 1)))
        return "2: moved by a router at which the entry was not pending";
    if (!is_first && !is_back)
        return "1: moved although the job is elsewhere, or done";
    if (view->job_cancel && era_is_cancelled(call->era))
        return "moved although it was cancelled";
    if (world_is_late(world, call->era))
        return "moved although its deadline had passed";
    if (view->nodes[call->node].is_drained || view->nodes[call->node].is_unavailable ||
        view->nodes[call->node].health == FRESH_NONE)
        return "moved to a node that may get no work";
    if (view->streams[call->node].n >= CREDIT)
        return "7: moved to a node whose stream was as long as its credit";
    return NULL;
}

static const char *check_takeback(const struct view *view, const struct call *call)
{
    const struct entry *entry = entry_on(&view->streams[call->node], call->entry);

    if (!entry || view->job_state == JOB_AT_DONE)
        return "2: taken back although it was not there, or had ended";
    if (call->how && view->nodes[call->node].health == FRESH_NOW)
        return "2: taken back from a node that was not lost";
    if (!call->how && entry->holder)
        return "2: taken back as unstarted although its worker had it";
    return NULL;
}

static const char *check_worker(const struct view *view, const struct call *call)
{
    const struct stream_view *stream = &view->streams[call->node];
    bool is_started = call->how != ENDING_UNSTARTED;
    bool is_there = is_pending(stream, call->entry, 1);

    if (call->epoch != view->nodes[call->node].epoch)
        return "6: written by a process whose epoch was over";
    if (is_started && !is_there)
        return "2: written by a node at which the entry was not pending";
    if (!is_started && is_there)
        return "2: given back as unstarted although it had been delivered";
    if (view->job_state == JOB_AT_DONE)
        return "4: written although the job was done";
    return NULL;
}

static const char *check_adopt(const struct view *view, const struct call *call)
{
    if (view->routers[call->node].presence == FRESH_NOW)
        return "4.5: adopted from a router that was there";
    return NULL;
}

static bool says(const struct outcome *outcome, const char *const *words)
{
    for (; *words; words++) {
        if (told(outcome, *words))
            return true;
    }
    return false;
}
#define SAYS(outcome, ...) says(outcome, (const char *const[]){__VA_ARGS__, NULL})

const char *check_step(const struct world *before, const struct outcome *outcome)
{
    const struct call *call = &outcome->call;
    const struct view *view = server_view(outcome->before);
    int script = call->kind - CALL_SCRIPT;

    if (call->kind >= CALL_COUNT || script < 0)
        return NULL;
    if (script == SCRIPT_MOVE && told(outcome, "moved"))
        return check_move(before, view, call);
    if (script == SCRIPT_END && SAYS(outcome, "ended", "undeliverable") &&
        !is_pending(&view->requests, call->entry, (uint8_t)(call->router + 1)))
        return "2: ended by a router at which the entry was not pending";
    if (script == SCRIPT_STATUS && told(outcome, "ok") && view->job_state == JOB_AT_DONE)
        return "5: a status entry although the job was done";
    if (script == SCRIPT_TAKEBACK && told(outcome, "requeued"))
        return check_takeback(view, call);
    if (script == SCRIPT_ADOPT && SAYS(outcome, "adopted", "deleted"))
        return check_adopt(view, call);
    if ((script == SCRIPT_FINISH || script == SCRIPT_REQUEUE || script == SCRIPT_START ||
         script == SCRIPT_CHUNK) &&
        SAYS(outcome, "finished", "undeliverable", "requeued", "started", "ok"))
        return check_worker(view, call);
    return NULL;
}

/* --- what is there now -------------------------------------------------------------------------
 */

static const char *check_stream(const struct stream_view *stream)
{
    if (stream->n > SLOTS)
        return "the model has too few slots for a stream";
    if (stream->orphans)
        return "3: an entry is pending that is not on the stream";
    for (uint8_t i = 0; i < stream->n; i++) {
        if (stream->entries[i].delivered && !stream->entries[i].holder)
            return "9: an entry was delivered, and is pending at nobody";
    }
    return NULL;
}

/* The request at its places. An entry whose deadline has passed and that the job does not name was
 * given up when the client submitted it once more: its holder will find it changed. */
struct places {
    unsigned back, away;
    bool is_named; /* the entry that the job names is where the job says */
};

static void count_stream(const struct world *world, const struct stream_view *stream,
                         uint8_t job_entry, unsigned *n, bool *is_named)
{
    for (uint8_t i = 0; i < stream->n; i++) {
        const struct entry *entry = &stream->entries[i];
        bool is_job = entry->id == job_entry && entry->came_back;

        *is_named = *is_named || is_job;
        *n += entry->came_back && (is_job || !world_is_late(world, entry->era));
    }
}

static struct places count_places(const struct world *world, const struct view *view)
{
    struct places places = {0};
    bool is_queued = view->job_state == JOB_AT_QUEUED;

    count_stream(world, &view->requests, is_queued ? view->job_entry : 0, &places.back,
                 &places.is_named);
    for (int i = 0; i < NODES; i++) {
        bool is_here = !is_queued && view->job_node == i + 1;

        count_stream(world, &view->streams[i], is_here ? view->job_entry : 0, &places.away,
                     &places.is_named);
    }
    return places;
}

static const char *check_place(const struct world *world, const struct view *view)
{
    struct places at = count_places(world, view);

    switch ((enum job_at)view->job_state) {
    case JOB_AT_QUEUED:
        return at.back == 1 && at.away == 0 && at.is_named
                   ? NULL
                   : "1: a queued request is not at its one place on P:requests";
    case JOB_AT_ROUTED:
    case JOB_AT_RUNNING:
        return at.back == 0 && at.away == 1 && at.is_named
                   ? NULL
                   : "1: a routed request is not at its one place on a node's stream";
    case JOB_AT_NONE:
    case JOB_AT_DONE:
        break;
    }
    return at.back + at.away == 0 ? NULL : "1: on a stream although there is no job, or it is done";
}

/* Epochs tell the processes of one node apart, whatever Redis has forgotten. */
static bool share_epoch(const struct process *processes)
{
    return processes[0].epoch != 0 && processes[0].epoch == processes[1].epoch;
}

const char *check_state(const struct world *world)
{
    const struct view *view = world_view(world);
    unsigned terminals = (unsigned)view->terminals + world->gone_terminals;
    unsigned entries = (unsigned)view->requests.n + view->streams[0].n + view->streams[1].n;
    const char *wrong = check_stream(&view->requests);

    for (int i = 0; !wrong && i < NODES; i++) {
        wrong = check_stream(&view->streams[i]);
        if (view->streams[i].n > CREDIT)
            wrong = "7: a node's stream is longer than its credit";
        if (share_epoch(world->processes[i]))
            wrong = "6: two processes under one node id have the same epoch";
    }
    if (wrong)
        return wrong;
    if (terminals > 1)
        return "4: more than one terminal entry";
    if (view->after)
        return "5: something was written after the terminal entry";
    if (world->submitted > 0 && terminals == 0 && entries == 0)
        return "1: the request is nowhere, and was never answered";
    if (terminals == 1 && !world->is_expired && view->job_state != JOB_AT_DONE)
        return "4: a terminal entry, and the job is not done";
    if (view->job_ttl == TTL_NONE || view->callback_ttl == TTL_NONE)
        return "the job or the reply has no time to live";
    return world->is_expired ? NULL : check_place(world, view);
}
