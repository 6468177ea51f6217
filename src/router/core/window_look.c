/* Questions to the window: nothing here changes it. */
#include <assert.h>

#include "window.h"
#include "window_private.h"

struct window_request *window_at(struct window *window, uint32_t index)
{
    if (index >= window->request_pool.high || window->requests[index].state == WINDOW_FREE)
        return NULL;
    return &window->requests[index];
}

static const struct window_side *side_of(const struct window *window, uint32_t index)
{
    static const struct window_side none = {.callback = ""};

    assert(index < window->request_pool.high && window->requests[index].state != WINDOW_FREE);
    uint32_t side = window->requests[index].side;
    return side == INDEX_NONE ? &none : &window->sides[side];
}

const char *window_callback(const struct window *window, uint32_t index)
{
    return side_of(window, index)->callback;
}

const char *window_tried(const struct window *window, uint32_t index)
{
    return side_of(window, index)->tried;
}

const char *window_last_error(const struct window *window, uint32_t index)
{
    return side_of(window, index)->last_error;
}

uint32_t window_find(const struct window *window, struct stream_id id)
{
    uint32_t i = index_table_first(&window->by_id, window_id_hash(id));

    while (i != INDEX_NONE && stream_id_compare(window->requests[i].id, id) != 0)
        i = index_table_next(&window->by_id, i);
    return i;
}

uint32_t window_find_request(const struct window *window, struct span request_id, uint32_t previous)
{
    const struct index_table *table = &window->by_request_id;
    uint32_t i = previous == WINDOW_NONE ? index_table_first(table, window_hash(window, request_id))
                                         : index_table_next(table, previous);

    while (i != INDEX_NONE && !span_is(request_id, window->requests[i].request_id))
        i = index_table_next(table, i);
    return i;
}

size_t window_expired(const struct window *window, int64_t redis_ms, uint32_t *out, size_t n)
{
    size_t found = 0;

    for (uint32_t i = 0; i < window->request_pool.high && found < n; i++) {
        const struct window_request *r = &window->requests[i];
        if (r->state == WINDOW_WAITING && r->deadline_ms <= redis_ms)
            out[found++] = i;
    }
    return found;
}

uint32_t window_each(const struct window *window, uint32_t *cursor)
{
    while (*cursor < window->request_pool.high) {
        uint32_t i = (*cursor)++;
        if (window->requests[i].state != WINDOW_FREE)
            return i;
    }
    return WINDOW_NONE;
}

uint32_t window_oldest(const struct window *window)
{
    uint32_t oldest = WINDOW_NONE;

    for (uint32_t i = 0; i < window->request_pool.high; i++) {
        const struct window_request *r = &window->requests[i];
        if (r->state == WINDOW_WAITING &&
            (oldest == WINDOW_NONE || r->submitted_ms < window->requests[oldest].submitted_ms))
            oldest = i;
    }
    return oldest;
}

uint32_t window_count(const struct window *window)
{
    return window->request_pool.n;
}

uint32_t window_room(const struct window *window)
{
    return window->sizes.capacity - window->request_pool.n;
}

uint32_t window_state_count(const struct window *window, enum window_state state)
{
    assert(state != WINDOW_FREE && state < WINDOW_STATE_COUNT);
    return window->counts[state];
}

uint32_t window_class_count(const struct window *window, enum request_priority class)
{
    return window->class_waiting[class];
}

uint32_t window_model_count(const struct window *window, uint32_t model)
{
    return window->model_waiting[model];
}
