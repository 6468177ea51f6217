#include <inttypes.h>
/* Entries that were read but have no room: per class a ring of clients, per client a list by id. */

#include "tap.h"
#include "window_private.h"

static void ring_join(struct window *window, uint32_t client, uint8_t class)
{
    struct parked_list *list = &window->clients[client].list[class];
    uint32_t *head = &window->parked_ring[class];

    if (*head == INDEX_NONE) {
        list->ring_next = list->ring_prev = *head = client;
        return;
    }
    struct parked_list *first = &window->clients[*head].list[class];
    list->ring_next = *head;
    list->ring_prev = first->ring_prev;
    window->clients[first->ring_prev].list[class].ring_next = client;
    first->ring_prev = client;
}

static void ring_leave(struct window *window, uint32_t client, uint8_t class)
{
    struct parked_list *list = &window->clients[client].list[class];
    uint32_t *head = &window->parked_ring[class];

    if (list->ring_next == client) {
        *head = INDEX_NONE;
        return;
    }
    if (*head == client)
        *head = list->ring_next;
    window->clients[list->ring_prev].list[class].ring_next = list->ring_next;
    window->clients[list->ring_next].list[class].ring_prev = list->ring_prev;
}

/* The entry behind which one with this id belongs: looks from both ends at once. */
static uint32_t list_place(const struct window *window, const struct parked_list *list,
                           struct stream_id id)
{
    uint32_t back = list->tail, front = list->head;

    while (back != INDEX_NONE) {
        if (stream_id_compare(window->parked[back].id, id) < 0)
            return back;
        if (stream_id_compare(id, window->parked[front].id) < 0)
            return window->parked[front].prev;
        back = window->parked[back].prev;
        front = window->parked[front].next;
    }
    return INDEX_NONE;
}

static void list_insert(struct window *window, uint32_t index)
{
    struct parked *p = &window->parked[index];
    struct parked_list *list = &window->clients[p->client].list[p->class];
    uint32_t before = list_place(window, list, p->id);

    if (list->head == INDEX_NONE)
        ring_join(window, p->client, p->class);
    p->prev = before;
    p->next = before == INDEX_NONE ? list->head : window->parked[before].next;
    if (before == INDEX_NONE) {
        list->head = index;
    } else {
        window->parked[before].next = index;
    }
    if (p->next == INDEX_NONE) {
        list->tail = index;
    } else {
        window->parked[p->next].prev = index;
    }
}

static void list_unlink(struct window *window, uint32_t index)
{
    const struct parked *p = &window->parked[index];
    struct parked_list *list = &window->clients[p->client].list[p->class];

    if (p->prev == INDEX_NONE) {
        list->head = p->next;
    } else {
        window->parked[p->prev].next = p->next;
    }
    if (p->next == INDEX_NONE) {
        list->tail = p->prev;
    } else {
        window->parked[p->next].prev = p->prev;
    }
    if (list->head == INDEX_NONE)
        ring_leave(window, p->client, p->class);
}

bool parked_add(struct window *window, const struct parked *entry)
{
    uint32_t i = index_pool_take(&window->parked_pool);

    if (i == INDEX_NONE)
        return false;
    window->parked[i] = *entry;
    list_insert(window, i);
    index_table_add(&window->parked_by_id, window_id_hash(entry->id), i);
    index_table_add(&window->parked_by_request_id, entry->request_hash, i);
    window->clients[entry->client].parked_n++;
    return true;
}

void parked_remove(struct window *window, uint32_t index)
{
    struct parked *p = &window->parked[index];
    uint32_t client = p->client;

    list_unlink(window, index);
    index_table_remove(&window->parked_by_id, window_id_hash(p->id), index);
    index_table_remove(&window->parked_by_request_id, p->request_hash, index);
    index_pool_give(&window->parked_pool, index);
    p->client = INDEX_NONE;
    window->clients[client].parked_n--;
    window_client_tidy(window, client);
}

uint32_t parked_find(const struct window *window, struct stream_id id)
{
    uint32_t i = index_table_first(&window->parked_by_id, window_id_hash(id));

    while (i != INDEX_NONE && stream_id_compare(window->parked[i].id, id) != 0)
        i = index_table_next(&window->parked_by_id, i);
    return i;
}

void parked_age(struct window *window, int64_t redis_ms, int64_t priority_age_ms)
{
    for (uint32_t i = 0; i < window->parked_pool.high; i++) {
        struct parked *p = &window->parked[i];
        if (p->client == INDEX_NONE || p->class == REQUEST_HIGH)
            continue;
        enum request_priority class = window_class_at(
            (enum request_priority)p->priority, redis_ms - (int64_t)p->id.ms, priority_age_ms);
        if (class >= (enum request_priority)p->class)
            continue;
        list_unlink(window, i);
        p->class = (uint8_t) class;
        list_insert(window, i);
    }
}

/* Is the first parked entry of client a to be fetched before that of client b? */
static bool is_first(const struct window *window, uint8_t class, uint32_t a, uint32_t b)
{
    const struct window_client *ca = &window->clients[a], *cb = &window->clients[b];

    if (ca->held != cb->held)
        return ca->held < cb->held;
    return stream_id_compare(window->parked[ca->list[class].head].id,
                             window->parked[cb->list[class].head].id) < 0;
}

static uint32_t class_first(struct window *window, uint8_t class)
{
    uint32_t first = window->parked_ring[class], best = first, i = first;

    for (uint32_t n = 0; n < PARKED_SCAN_MAX; n++) {
        if (is_first(window, class, i, best))
            best = i;
        i = window->clients[i].list[class].ring_next;
        if (i == first)
            break;
    }
    window->parked_ring[class] = i;
    return window->clients[best].list[class].head;
}

bool window_parked_next(struct window *window, struct stream_id *ret)
{
    tap_line(window->tap, "parked_next");
    for (int priority = REQUEST_HIGH; priority < REQUEST_PRIORITY_COUNT; priority++) {
        uint8_t class = (uint8_t)priority;
        if (window->parked_ring[class] == INDEX_NONE)
            continue;
        uint32_t i = class_first(window, class);
        *ret = window->parked[i].id;
        parked_remove(window, i);
        return true;
    }
    return false;
}

bool window_unpark(struct window *window, struct span request_id, struct stream_id *ret)
{
    uint64_t hash = window_hash(window, request_id);
    uint32_t i = index_table_first(&window->parked_by_request_id, hash);

    tap_line(window->tap, "unpark %.*s", SPAN_ARG(request_id));
    while (i != INDEX_NONE && window->parked[i].request_hash != hash)
        i = index_table_next(&window->parked_by_request_id, i);
    if (i == INDEX_NONE)
        return false;
    *ret = window->parked[i].id;
    parked_remove(window, i);
    return true;
}

size_t window_parked_expired(struct window *window, int64_t redis_ms, struct stream_id *out,
                             size_t n)
{
    size_t found = 0;

    tap_line(window->tap, "parked_expired %" PRId64 " %zu", redis_ms, n);
    for (uint32_t i = 0; i < window->parked_pool.high && found < n; i++) {
        const struct parked *p = &window->parked[i];
        if (p->client == INDEX_NONE || p->deadline_ms > redis_ms)
            continue;
        out[found++] = p->id;
        parked_remove(window, i);
    }
    return found;
}

bool window_is_parked(const struct window *window, struct stream_id id)
{
    return parked_find(window, id) != INDEX_NONE;
}

uint32_t window_parked_count(const struct window *window)
{
    return window->parked_pool.n;
}
