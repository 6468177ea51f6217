#include "heap.h"

#include <stdlib.h>

#include "grow.h"

static bool is_before(const struct event *a, const struct event *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns;
    return a->sequence < b->sequence;
}

void heap_push(struct heap *heap, int64_t at_ns, enum event_kind kind, uint32_t a, uint32_t b)
{
    struct event event = {
        .at_ns = at_ns, .sequence = heap->sequence++, .kind = kind, .a = a, .b = b};

    heap->events = grow(heap->events, &heap->capacity, heap->n + 1, sizeof *heap->events);

    size_t i = heap->n++;

    while (i > 0 && is_before(&event, &heap->events[(i - 1) / 2])) {
        heap->events[i] = heap->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->events[i] = event;
}

bool heap_pop(struct heap *heap, struct event *ret)
{
    if (heap->n == 0)
        return false;
    *ret = heap->events[0];

    struct event last = heap->events[--heap->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < heap->n) {
        if (child + 1 < heap->n && is_before(&heap->events[child + 1], &heap->events[child]))
            child++;
        if (!is_before(&heap->events[child], &last))
            break;
        heap->events[i] = heap->events[child];
        i = child;
    }
    heap->events[i] = last;
    return true;
}

void heap_free(struct heap *heap)
{
    free(heap->events);
    *heap = (struct heap){0};
}
