#include "pieces.h"

#include <assert.h>

#include "common/json.h"

static const char *part_name(enum body_kind kind, enum pieces_part part)
{
    switch (part) {
    case PIECES_THINKING:
        return "thinking";
    case PIECES_TEXT:
        return kind == BODY_CHAT ? "content" : "response";
    case PIECES_TOOL_CALLS:
        return "tool_calls";
    case PIECES_LOGPROBS:
        return "logprobs";
    case PIECES_PART_COUNT:
        break;
    }
    assert(part < PIECES_PART_COUNT);
    return "";
}

static bool is_text(enum pieces_part part)
{
    return part == PIECES_THINKING || part == PIECES_TEXT;
}

/* Does this part stand in the line itself, not in `message`? */
static bool is_outer(enum body_kind kind, enum pieces_part part)
{
    return kind != BODY_CHAT || part == PIECES_LOGPROBS;
}

void pieces_init(struct pieces *pieces, enum body_kind kind, size_t max_bytes)
{
    *pieces = (struct pieces){.kind = kind, .max_bytes = max_bytes};
    for (int i = 0; i < PIECES_PART_COUNT; i++)
        buf_init(&pieces->joined[i], max_bytes);
}

void pieces_done(struct pieces *pieces)
{
    for (int i = 0; i < PIECES_PART_COUNT; i++)
        buf_done(&pieces->joined[i]);
}

void pieces_clear(struct pieces *pieces)
{
    for (int i = 0; i < PIECES_PART_COUNT; i++)
        buf_clear(&pieces->joined[i]);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What stands between the brackets of a raw array, without blanks beside them. */
static struct span array_raw(struct span value)
{
    struct span inside = {value.ptr + 1, value.len - 2};

    while (inside.len > 0 && is_space(inside.ptr[0])) {
        inside.ptr++;
        inside.len--;
    }
    while (inside.len > 0 && is_space(inside.ptr[inside.len - 1]))
        inside.len--;
    return inside;
}

static bool split_part(struct piece *piece, enum pieces_part part)
{
    struct span value = piece->value[part];
    enum json_type type = value.ptr ? json_type(value) : JSON_NULL;

    if (type == JSON_NULL)
        return true;
    if (type != (is_text(part) ? JSON_STRING : JSON_ARRAY))
        return false;
    piece->inside[part] = is_text(part) ? json_string_raw(value) : array_raw(value);
    return true;
}

/* Finds the parts and the members that every chunk has, in one walk for each object. */
static void find_members(enum body_kind kind, struct piece *piece)
{
    enum { MODEL, CREATED_AT, DONE, ERROR, LOGPROBS, MESSAGE, OUTER_COUNT };
    static const char *const outer[OUTER_COUNT] = {"model", "created_at", "done",
                                                   "error", "logprobs",   "message"};
    enum { ROLE = PIECES_LOGPROBS, INNER_COUNT };
    const char *const inner[INNER_COUNT] = {part_name(kind, PIECES_THINKING),
                                            part_name(kind, PIECES_TEXT),
                                            part_name(kind, PIECES_TOOL_CALLS), "role"};
    struct span out[OUTER_COUNT], in[INNER_COUNT];

    json_get_all(piece->line, outer, OUTER_COUNT, out);
    piece->container = kind == BODY_CHAT ? out[MESSAGE] : piece->line;
    json_get_all(piece->container, inner, INNER_COUNT, in);
    piece->model = out[MODEL];
    piece->created_at = out[CREATED_AT];
    piece->done = out[DONE];
    piece->error = out[ERROR];
    piece->role = in[ROLE];
    for (enum pieces_part part = 0; part < PIECES_LOGPROBS; part++)
        piece->value[part] = in[part];
    piece->value[PIECES_LOGPROBS] = out[LOGPROBS];
}

bool pieces_split(enum body_kind kind, struct span line, struct piece *ret)
{
    struct piece piece = {.line = line};

    find_members(kind, &piece);
    if (kind == BODY_CHAT && piece.container.ptr && json_type(piece.container) != JSON_OBJECT &&
        json_type(piece.container) != JSON_NULL)
        return false;
    for (enum pieces_part part = 0; part < PIECES_PART_COUNT; part++) {
        if (!split_part(&piece, part))
            return false;
    }
    *ret = piece;
    return true;
}

bool piece_is_empty(const struct piece *piece)
{
    return piece_len(piece) == 0;
}

size_t piece_len(const struct piece *piece)
{
    size_t len = 0;

    for (int i = 0; i < PIECES_PART_COUNT; i++)
        len += piece->inside[i].len;
    return len;
}

size_t pieces_len(const struct pieces *pieces)
{
    size_t len = 0;

    for (int i = 0; i < PIECES_PART_COUNT; i++)
        len += pieces->joined[i].len;
    return len;
}

static bool join_part(struct buf *joined, enum pieces_part part, struct span inside)
{
    if (inside.len == 0)
        return true;
    if (!is_text(part) && joined->len > 0)
        buf_add_str(joined, ",");
    return buf_add_span(joined, inside);
}

/* Back to where it was before a refused append. */
static void rewind_to(struct pieces *pieces, const size_t *len)
{
    for (int i = 0; i < PIECES_PART_COUNT; i++) {
        pieces->joined[i].len = len[i];
        pieces->joined[i].failed = false;
    }
}

bool pieces_add(struct pieces *pieces, const struct piece *piece)
{
    size_t before[PIECES_PART_COUNT];
    bool ok = true;

    for (int i = 0; i < PIECES_PART_COUNT; i++)
        before[i] = pieces->joined[i].len;
    for (enum pieces_part part = 0; part < PIECES_PART_COUNT; part++)
        ok = ok && join_part(&pieces->joined[part], part, piece->inside[part]);
    if (ok && pieces_len(pieces) <= pieces->max_bytes)
        return true;
    rewind_to(pieces, before);
    return false;
}

/* --- composing -------------------------------------------------------------------------------- */

/* One object while it is written. */
struct compose {
    const struct pieces *pieces;
    const struct piece *frame;
    struct buf *out;
    bool first; /* no member written yet in this object */
    bool written[PIECES_PART_COUNT];
};

static void add_key(struct compose *compose, struct span raw_key)
{
    buf_add_str(compose->out, compose->first ? "\"" : ",\"");
    buf_add_span(compose->out, raw_key);
    buf_add_str(compose->out, "\":");
    compose->first = false;
}

static void add_part(struct compose *compose, struct span raw_key, enum pieces_part part)
{
    add_key(compose, raw_key);
    buf_add_str(compose->out, is_text(part) ? "\"" : "[");
    buf_add_span(compose->out, buf_span(&compose->pieces->joined[part]));
    buf_add_str(compose->out, is_text(part) ? "\"" : "]");
    compose->written[part] = true;
}

/* A part that the frame does not have, if there is something in it. */
static void add_missing(struct compose *compose, enum pieces_part part)
{
    if (!compose->written[part] && !compose->frame->value[part].ptr &&
        compose->pieces->joined[part].len > 0)
        add_part(compose, span_str(part_name(compose->pieces->kind, part)), part);
}

/* Which part this very value of the frame is; by address, so that it is the one that was read. */
static enum pieces_part part_at(const struct piece *frame, struct span value)
{
    enum pieces_part part = 0;

    while (part < PIECES_PART_COUNT && frame->value[part].ptr != value.ptr)
        part++;
    return part;
}

static void add_from_frame(struct compose *compose, const struct json_iter *it)
{
    enum pieces_part part = part_at(compose->frame, it->value);

    if (part == PIECES_PART_COUNT || compose->pieces->joined[part].len == 0) {
        add_key(compose, it->key);
        buf_add_span(compose->out, it->value);
    } else {
        add_part(compose, it->key, part);
    }
    if (part == PIECES_TEXT)
        add_missing(compose, PIECES_THINKING);
}

/* The inside of a chat's `message`; a frame without one gets one. */
static void add_message(struct compose *compose)
{
    struct span message = compose->frame->container;
    struct json_iter it;

    compose->first = true;
    buf_add_str(compose->out, "{");
    if (json_type(message) == JSON_OBJECT) {
        for (json_begin(&it, message); json_next(&it);)
            add_from_frame(compose, &it);
    } else {
        add_key(compose, span_str("role"));
        buf_add_str(compose->out, "\"assistant\"");
    }
    for (enum pieces_part part = PIECES_THINKING; part <= PIECES_TOOL_CALLS; part++)
        add_missing(compose, part);
    buf_add_str(compose->out, "}");
    compose->first = false;
}

static bool needs_message(const struct pieces *pieces)
{
    return pieces->kind == BODY_CHAT && pieces_len(pieces) > pieces->joined[PIECES_LOGPROBS].len;
}

bool pieces_compose(const struct pieces *pieces, const struct piece *frame, struct buf *out)
{
    struct compose compose = {.pieces = pieces, .frame = frame, .out = out, .first = true};
    bool has_message = pieces->kind == BODY_CHAT && frame->container.ptr != NULL;
    struct json_iter it;

    buf_add_str(out, "{");
    for (json_begin(&it, frame->line); json_next(&it);) {
        bool is_message = has_message && it.value.ptr == frame->container.ptr;
        if (is_message && (json_type(it.value) == JSON_OBJECT || needs_message(pieces))) {
            add_key(&compose, it.key);
            add_message(&compose);
        } else {
            add_from_frame(&compose, &it);
        }
    }
    if (!has_message && needs_message(pieces)) {
        add_key(&compose, span_str("message"));
        add_message(&compose);
    }
    for (enum pieces_part part = 0; part < PIECES_PART_COUNT; part++) {
        if (is_outer(pieces->kind, part))
            add_missing(&compose, part);
    }
    return buf_add_str(out, "}");
}
