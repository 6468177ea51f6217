#include "chunks.h"

#include <assert.h>
#include <string.h>

#include "common/json.h"

void chunks_init(struct chunks *chunks, enum body_kind kind, size_t max_bytes, int64_t interval_ms,
                 size_t pieces_max)
{
    assert(interval_ms >= 0 && pieces_max >= 1);
    *chunks = (struct chunks){
        .max_bytes = max_bytes,
        .interval_ms = interval_ms,
        .pieces_max = pieces_max,
    };
    pieces_init(&chunks->open, kind, max_bytes);
    buf_init(&chunks->frame, max_bytes);
    /* Up to half of it are entries that were taken already; fits() holds the limit. */
    buf_init(&chunks->closed, 2 * (max_bytes + CHUNKS_SLACK_BYTES));
}

void chunks_done(struct chunks *chunks)
{
    pieces_done(&chunks->open);
    buf_done(&chunks->frame);
    buf_done(&chunks->closed);
    chunks->open_n = 0;
    chunks->closed_n = 0;
    chunks->closed_taken = 0;
}

static void clear_open(struct chunks *chunks)
{
    pieces_clear(&chunks->open);
    buf_clear(&chunks->frame);
    chunks->open_n = 0;
}

static void clear_closed(struct chunks *chunks)
{
    buf_clear(&chunks->closed);
    chunks->closed_n = 0;
    chunks->closed_taken = 0;
}

/* --- may two pieces be merged? ---------------------------------------------------------------- */

static bool is_one_of(const struct json_iter *it, const struct span *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i].ptr == it->value.ptr)
            return true;
    }
    return false;
}

/* True if every member of `object` is one of the known ones. Compared by address, like all values
 * that json_get() has found: a second member of the same name is not one of them. */
static bool has_only(struct span object, const struct span *known, size_t n)
{
    struct json_iter it;

    for (json_begin(&it, object); json_next(&it);) {
        if (!is_one_of(&it, known, n))
            return false;
    }
    return true;
}

/* True if the line has the shape of an ordinary chunk: nothing in it is lost when it is merged. */
static bool is_plain(enum body_kind kind, const struct piece *piece)
{
    struct span known[PIECES_PART_COUNT + 4];
    size_t n = 0;

    for (int i = 0; i < PIECES_PART_COUNT; i++)
        known[n++] = piece->value[i];
    known[n++] = piece->model;
    known[n++] = piece->created_at;
    known[n++] = piece->done;
    if (kind != BODY_CHAT)
        return has_only(piece->line, known, n);
    known[n++] = piece->container;
    if (!has_only(piece->line, known, n))
        return false;
    known[n - 1] = piece->role;
    return has_only(piece->container, known, n);
}

/* The part furthest along in the order thinking, text, tool_calls that is not empty. */
static int last_part(const struct pieces *pieces)
{
    int part = PIECES_TOOL_CALLS;

    while (part > PIECES_THINKING && pieces->joined[part].len == 0)
        part--;
    return part;
}

static int first_part(const struct piece *piece)
{
    int part = PIECES_THINKING;

    while (part < PIECES_LOGPROBS && piece->inside[part].len == 0)
        part++;
    return part;
}

static bool has_same(const struct piece *a, const struct piece *b)
{
    return span_eq(a->model, b->model) && span_eq(a->done, b->done) && span_eq(a->role, b->role);
}

/* A frame that something has been merged into is plain; of one that is alone nobody has asked. */
static bool can_merge(const struct chunks *chunks, const struct piece *piece)
{
    enum body_kind kind = chunks->open.kind;
    struct piece frame;

    if (chunks->open_n == 0 || !is_plain(kind, piece))
        return false;
    if (first_part(piece) < last_part(&chunks->open))
        return false;
    return pieces_split(kind, buf_span(&chunks->frame), &frame) && has_same(&frame, piece) &&
           (chunks->open_n > 1 || is_plain(kind, &frame));
}

/* --- adding ----------------------------------------------------------------------------------- */

/* Bytes of the open entry once composed, keys that may come aside. */
static size_t open_len(const struct chunks *chunks)
{
    return chunks->frame_rest + pieces_len(&chunks->open);
}

static bool fits(const struct chunks *chunks, size_t more)
{
    size_t used = chunks->closed.len - chunks->closed_taken + open_len(chunks);

    return more <= chunks->max_bytes && used <= chunks->max_bytes - more;
}

static bool compose_open(const struct chunks *chunks, struct buf *out)
{
    struct piece frame;

    if (chunks->open_n == 1)
        return buf_add_span(out, buf_span(&chunks->frame));
    bool ok = pieces_split(chunks->open.kind, buf_span(&chunks->frame), &frame);

    assert(ok); /* chunks_add() has split this very line */
    return ok && pieces_compose(&chunks->open, &frame, out);
}

/* Forgets the entries that were taken, once they are half of the buffer: that keeps the cost of
 * moving the others in proportion. */
static void drop_taken(struct chunks *chunks)
{
    if (chunks->closed_n == 0) {
        clear_closed(chunks);
    } else if (chunks->closed_taken > chunks->closed.len / 2) {
        buf_drop_front(&chunks->closed, chunks->closed_taken);
        chunks->closed_taken = 0;
    }
}

/* The open entry stops growing. */
static bool close_open(struct chunks *chunks)
{
    size_t before = chunks->closed.len;

    if (chunks->open_n == 0)
        return true;
    if (!compose_open(chunks, &chunks->closed) || !buf_add_str(&chunks->closed, "\n")) {
        chunks->closed.len = before;
        chunks->closed.failed = false;
        return false;
    }
    chunks->closed_n++;
    clear_open(chunks);
    return true;
}

static bool open_new(struct chunks *chunks, const struct piece *piece)
{
    if (!close_open(chunks))
        return false;
    chunks->frame_rest = piece->line.len - piece_len(piece);
    if (!buf_add_span(&chunks->frame, piece->line) || !pieces_add(&chunks->open, piece)) {
        clear_open(chunks);
        return false;
    }
    chunks->open_n = 1;
    return true;
}

static bool merge(struct chunks *chunks, const struct piece *piece)
{
    if (!pieces_add(&chunks->open, piece))
        return false;
    chunks->open_n++;
    return true;
}

/* Nothing that a client would miss: no part, and no member that is not in every chunk. The final
 * line's own members come with the `done` entry. */
static bool is_nothing(enum body_kind kind, const struct piece *piece)
{
    bool done = false;

    if (!piece_is_empty(piece))
        return false;
    if (json_to_bool(piece->done, &done) && done)
        return true;
    return is_plain(kind, piece);
}

bool chunks_add(struct chunks *chunks, const struct piece *piece)
{
    if (is_nothing(chunks->open.kind, piece))
        return true;
    if (can_merge(chunks, piece))
        return fits(chunks, piece_len(piece)) && merge(chunks, piece);
    return fits(chunks, piece->line.len + 1) && open_new(chunks, piece);
}

/* --- taking ----------------------------------------------------------------------------------- */

int64_t chunks_due_ms(const struct chunks *chunks)
{
    if (chunks->open_n == 0 && chunks->closed_n == 0)
        return CHUNKS_NEVER;
    if (!chunks->taken_once)
        return 0;
    if (chunks->open_n >= chunks->pieces_max)
        return chunks->last_take_ms;
    return chunks->last_take_ms + chunks->interval_ms;
}

static bool take_closed(struct chunks *chunks, struct buf *out)
{
    struct span rest = {chunks->closed.ptr + chunks->closed_taken,
                        chunks->closed.len - chunks->closed_taken};
    const char *end = memchr(rest.ptr, '\n', rest.len);

    assert(end);
    rest.len = (size_t)(end - rest.ptr);
    if (!buf_add_span(out, rest))
        return false;
    chunks->closed_taken += rest.len + 1;
    chunks->closed_n--;
    drop_taken(chunks);
    return true;
}

static bool take_open(struct chunks *chunks, struct buf *out)
{
    if (!compose_open(chunks, out))
        return false;
    clear_open(chunks);
    return true;
}

/* The moment from which the next interval counts: when the entry was due, not when a busy machine
 * got round to it, or a model that writes once an interval would stay late for ever; but only a
 * fifth of an interval is made good at a time. */
static int64_t taken_at(const struct chunks *chunks, int64_t now_ms)
{
    int64_t due_ms = chunks->last_take_ms + chunks->interval_ms;
    int64_t earliest_ms = now_ms - chunks->interval_ms / CHUNKS_CATCH_UP;

    if (!chunks->taken_once || due_ms > now_ms)
        return now_ms;
    return due_ms > earliest_ms ? due_ms : earliest_ms;
}

bool chunks_take(struct chunks *chunks, int64_t now_ms, struct buf *out)
{
    if (chunks->open_n == 0 && chunks->closed_n == 0)
        return false;
    if (!(chunks->closed_n > 0 ? take_closed(chunks, out) : take_open(chunks, out)))
        return false;
    chunks->last_take_ms = taken_at(chunks, now_ms);
    chunks->taken_once = true;
    return true;
}
