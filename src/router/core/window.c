#include "window.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "tap.h"
#include "window_private.h"

static uint32_t clients_max(struct window_sizes sizes)
{
    return sizes.capacity + sizes.parked_max + 1;
}

size_t window_bytes(struct window_sizes sizes, uint32_t names_capacity)
{
    uint32_t n = sizes.capacity, parked = sizes.parked_max, clients = clients_max(sizes);

    return 4 * index_pool_bytes(n) + index_pool_bytes(clients) + index_pool_bytes(parked) +
           2 * index_table_bytes(n) + index_table_bytes(clients) + 2 * index_table_bytes(parked) +
           carve_bytes(n * sizeof(struct window_request)) +
           carve_bytes(n * sizeof(struct window_side)) +
           carve_bytes(n * sizeof(struct window_flow)) +
           carve_bytes(n * sizeof(struct window_lane)) +
           carve_bytes(clients * sizeof(struct window_client)) +
           carve_bytes(parked * sizeof(struct parked)) +
           carve_bytes(names_capacity * sizeof(uint32_t));
}

static void pools_init(struct window *window, char **at)
{
    uint32_t n = window->sizes.capacity, parked = window->sizes.parked_max;
    uint32_t clients = clients_max(window->sizes);

    index_pool_init(&window->request_pool, at, n);
    index_pool_init(&window->side_pool, at, n);
    index_pool_init(&window->flow_pool, at, n);
    index_pool_init(&window->lane_pool, at, n);
    index_pool_init(&window->client_pool, at, clients);
    index_pool_init(&window->parked_pool, at, parked);
    index_table_init(&window->by_id, at, n);
    index_table_init(&window->by_request_id, at, n);
    index_table_init(&window->by_client, at, clients);
    index_table_init(&window->parked_by_id, at, parked);
    index_table_init(&window->parked_by_request_id, at, parked);
}

void window_init(struct window *window, void *mem, struct window_sizes sizes, struct names *models,
                 uint64_t seed)
{
    uint32_t n = sizes.capacity;
    char *at = mem;

    assert(n > 0 && n <= UINT32_C(1) << 20 && sizes.parked_max <= UINT32_C(1) << 24);
    *window = (struct window){.sizes = sizes, .models = models, .seed = seed};
    pools_init(window, &at);
    window->requests = carve(&at, n * sizeof(struct window_request));
    window->sides = carve(&at, n * sizeof(struct window_side));
    window->flows = carve(&at, n * sizeof(struct window_flow));
    window->lanes = carve(&at, n * sizeof(struct window_lane));
    window->clients = carve(&at, clients_max(sizes) * sizeof(struct window_client));
    window->parked = carve(&at, sizes.parked_max * sizeof(struct parked));
    window->model_waiting = carve(&at, models->pool.capacity * sizeof(uint32_t));
    for (int c = 0; c < REQUEST_PRIORITY_COUNT; c++)
        window->ring[c] = window->parked_ring[c] = INDEX_NONE;
}

/* --- states ----------------------------------------------------------------------------------- */

/* may[from][to]: the picture in the header. */
static const bool may[WINDOW_STATE_COUNT][WINDOW_STATE_COUNT] = {
    /* clang-format off */
    /*                    FREE   WAITING  MOVING  ENDING */
    [WINDOW_FREE]    = {  false, true,    false,  false },
    [WINDOW_WAITING] = {  true,  false,   true,   true  },
    [WINDOW_MOVING]  = {  true,  true,    false,  true  },
    [WINDOW_ENDING]  = {  true,  true,    false,  false },
    /* clang-format on */
};

_Static_assert(WINDOW_STATE_COUNT == 4, "a new state needs a row and a column above");

/* The only writer of a request's state. */
static void state_set(struct window *window, uint32_t index, enum window_state to)
{
    struct window_request *r = &window->requests[index];

    assert(index < window->request_pool.high && may[r->state][to]);
    if (r->state == WINDOW_WAITING)
        order_unlink(window, index);
    if (r->state != WINDOW_FREE)
        window->counts[r->state]--;
    r->state = to;
    if (to != WINDOW_FREE)
        window->counts[to]++;
    if (to == WINDOW_WAITING)
        order_insert(window, index);
}

void window_end(struct window *window, uint32_t index)
{
    tap_line(window->tap, "end %" PRIu32, index);
    state_set(window, index, WINDOW_ENDING);
}

void window_take(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];

    tap_line(window->tap, "take %" PRIu32, index);
    assert(r->state == WINDOW_WAITING);
    order_charge(window, index);
    state_set(window, index, WINDOW_MOVING);
    order_turn_end(window, r->client, r->class);
}

void window_put_back(struct window *window, uint32_t index)
{
    enum window_state from = window->requests[index].state;

    tap_line(window->tap, "put_back %" PRIu32, index);
    assert(from == WINDOW_MOVING || from == WINDOW_ENDING);
    state_set(window, index, WINDOW_WAITING);
    if (from == WINDOW_MOVING)
        order_refund(window, index);
}

/* --- clients ---------------------------------------------------------------------------------- */

uint64_t window_hash(const struct window *window, struct span text)
{
    return span_hash_add(SPAN_HASH_START ^ window->seed, text);
}

static uint32_t client_get(struct window *window, struct span name)
{
    uint64_t hash = window_hash(window, name);
    uint32_t i = index_table_first(&window->by_client, hash);

    while (i != INDEX_NONE && window->clients[i].hash != hash)
        i = index_table_next(&window->by_client, i);
    if (i != INDEX_NONE)
        return i;
    i = index_pool_take(&window->client_pool);
    assert(i != INDEX_NONE); /* there are as many as requests and parked entries, and one more */
    struct window_client *client = &window->clients[i];
    *client = (struct window_client){.hash = hash};
    for (int c = 0; c < REQUEST_PRIORITY_COUNT; c++) {
        client->flow[c] = INDEX_NONE;
        client->list[c].head = client->list[c].tail = INDEX_NONE;
    }
    index_table_add(&window->by_client, hash, i);
    return i;
}

void window_client_tidy(struct window *window, uint32_t client)
{
    const struct window_client *c = &window->clients[client];

    if (c->held > 0 || c->parked_n > 0)
        return;
    index_table_remove(&window->by_client, c->hash, client);
    index_pool_give(&window->client_pool, client);
}

/* --- in and out ------------------------------------------------------------------------------- */

enum request_priority window_class_at(enum request_priority priority, int64_t waited_ms,
                                      int64_t priority_age_ms)
{
    if (priority_age_ms <= 0 || waited_ms <= 0)
        return priority;
    int64_t up = waited_ms / priority_age_ms;
    if (up >= (int64_t)priority)
        return REQUEST_HIGH;
    return (enum request_priority)((int64_t)priority - up);
}

/* The newest of the list: what does not fit is cut off at its beginning, at a comma. */
static struct span tried_tail(struct span tried)
{
    while (tried.len > WINDOW_TRIED_MAX) {
        const char *comma = memchr(tried.ptr, ',', tried.len);
        if (!comma)
            return (struct span){NULL, 0};
        tried.len -= (size_t)(comma + 1 - tried.ptr);
        tried.ptr = comma + 1;
    }
    return tried;
}

static uint32_t side_make(struct window *window, const struct window_entry *entry)
{
    if (entry->callback.len == 0 && entry->tried.len == 0 && entry->last_error.len == 0)
        return INDEX_NONE;
    uint32_t i = index_pool_take(&window->side_pool);
    assert(i != INDEX_NONE); /* as many as requests */
    struct window_side *side = &window->sides[i];
    (void)span_copy(entry->callback, side->callback, sizeof side->callback);
    (void)span_copy(tried_tail(entry->tried), side->tried, sizeof side->tried);
    (void)span_copy(entry->last_error, side->last_error, sizeof side->last_error);
    return i;
}

static uint32_t cost_of(size_t bytes)
{
    size_t cost = 1 + bytes / WINDOW_COST_BYTES;

    return cost < WINDOW_COST_MAX ? (uint32_t)cost : WINDOW_COST_MAX;
}

static uint32_t request_make(struct window *window, const struct window_entry *entry,
                             uint32_t client, enum request_priority class)
{
    uint32_t i = index_pool_take(&window->request_pool);

    assert(i != INDEX_NONE);
    struct window_request *r = &window->requests[i];
    *r = (struct window_request){.id = entry->id, .client = client, .class = class};
    r->model = names_hold(window->models, entry->model);
    assert(r->model != NAME_NONE); /* the table has room for as many names as we hold requests */
    (void)span_copy(entry->request_id, r->request_id, sizeof r->request_id);
    r->request_hash = window_hash(window, entry->request_id);
    r->session_hash = entry->session_hash;
    r->prefix_hash = entry->prefix_hash;
    r->prompt_tokens = entry->prompt_tokens;
    r->prefix_tokens = entry->prefix_tokens;
    r->output_tokens_max = entry->output_tokens_max;
    r->submitted_ms = entry->submitted_ms;
    r->deadline_ms = entry->deadline_ms;
    r->attempt = entry->attempt < INT32_MAX ? (int32_t)entry->attempt : INT32_MAX;
    r->cost = cost_of(entry->bytes);
    r->priority = entry->priority;
    r->stream = entry->stream;
    r->progress = entry->progress;
    r->came_back = entry->came_back;
    r->side = side_make(window, entry);
    index_table_add(&window->by_id, window_id_hash(r->id), i);
    index_table_add(&window->by_request_id, r->request_hash, i);
    window->clients[client].held++;
    return i;
}

static void request_remove(struct window *window, uint32_t index)
{
    struct window_request *r = &window->requests[index];

    state_set(window, index, WINDOW_FREE);
    index_table_remove(&window->by_id, window_id_hash(r->id), index);
    index_table_remove(&window->by_request_id, r->request_hash, index);
    names_drop(window->models, r->model);
    if (r->side != INDEX_NONE)
        index_pool_give(&window->side_pool, r->side);
    window->clients[r->client].held--;
    window_client_tidy(window, r->client);
    index_pool_give(&window->request_pool, index);
}

void window_remove(struct window *window, uint32_t index)
{
    tap_line(window->tap, "remove %" PRIu32, index);
    request_remove(window, index);
}

static void victim_park(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    const struct parked entry = {
        .id = r->id,
        .request_hash = r->request_hash,
        .deadline_ms = r->deadline_ms,
        .client = r->client,
        .priority = (uint8_t)r->priority,
        .class = (uint8_t)r->class,
    };

    bool has_room = parked_add(window, &entry);
    assert(has_room);
    (void)has_room;
    request_remove(window, index);
}

static struct window_added entry_park(struct window *window, const struct window_entry *entry,
                                      uint32_t client, enum request_priority class)
{
    const struct parked parked = {
        .id = entry->id,
        .request_hash = window_hash(window, entry->request_id),
        .deadline_ms = entry->deadline_ms,
        .client = client,
        .priority = (uint8_t)entry->priority,
        .class = (uint8_t) class,
    };

    if (parked_add(window, &parked))
        return (struct window_added){WINDOW_PARKED, WINDOW_NONE, false};
    window_client_tidy(window, client);
    return (struct window_added){WINDOW_FULL, WINDOW_NONE, false};
}

/* An older entry of the same client and class is parked: a newer one that comes straight from the
 * stream may not take the slot that was freed for it. */
static bool is_overtaking(const struct window *window, uint32_t client, enum request_priority class,
                          struct stream_id id)
{
    uint32_t head = window->clients[client].list[class].head;

    return head != INDEX_NONE && stream_id_compare(window->parked[head].id, id) < 0;
}

/* The client's name is nobody's business: that it is the same one is enough. */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): SPAN_ARG's conditions */
static void entry_tap(const struct window *window, const struct window_entry *entry, int64_t now_ms,
                      int64_t redis_ms, int64_t priority_age_ms)
{
    if (!window->tap)
        return;
    tap_line(window->tap,
             "add %" PRIu64 " %" PRIu64 " %.*s %.*s %016" PRIx64 " %.*s %016" PRIx64 " %016" PRIx64
             " %" PRIu32 " %" PRIu32 " %" PRIu32 " %d %" PRId64 " %" PRId64 " %" PRId64
             " %zu %d %" PRId64 " %" PRId64 " %" PRId64,
             entry->id.ms, entry->id.seq, SPAN_ARG(entry->request_id), SPAN_ARG(entry->model),
             entry->client.len ? span_hash(entry->client) : 0,
             SPAN_ARG(entry->tried.len ? entry->tried : span_str("-")), entry->session_hash,
             entry->prefix_hash, entry->prompt_tokens, entry->prefix_tokens,
             entry->output_tokens_max, (int)entry->priority, entry->submitted_ms,
             entry->deadline_ms, entry->attempt, entry->bytes, (int)entry->came_back, now_ms,
             redis_ms, priority_age_ms);
}

struct window_added window_add(struct window *window, const struct window_entry *entry,
                               int64_t now_ms, int64_t redis_ms, int64_t priority_age_ms)
{
    uint32_t index = window_find(window, entry->id);
    uint32_t parked = parked_find(window, entry->id);
    enum request_priority class =
        window_class_at(entry->priority, redis_ms - entry->submitted_ms, priority_age_ms);
    bool demoted = false;

    entry_tap(window, entry, now_ms, redis_ms, priority_age_ms);
    if (index != INDEX_NONE)
        return (struct window_added){WINDOW_KNOWN, index, false};
    if (parked != INDEX_NONE)
        parked_remove(window, parked);
    uint32_t client = client_get(window, entry->client);
    if (is_overtaking(window, client, class, entry->id) &&
        window->parked_pool.n < window->sizes.parked_max)
        return entry_park(window, entry, client, class);
    if (window_room(window) == 0) {
        uint32_t victim = order_victim(window, client, class);
        if (victim == INDEX_NONE || window->parked_pool.n == window->sizes.parked_max)
            return entry_park(window, entry, client, class);
        victim_park(window, victim);
        demoted = true;
    }
    index = request_make(window, entry, client, class);
    window->requests[index].first_seen_ms = now_ms;
    state_set(window, index, WINDOW_WAITING);
    return (struct window_added){WINDOW_ADDED, index, demoted};
}

/* --- memory ----------------------------------------------------------------------------------- */

void window_rest(struct window *window, index_idle *idle, void *arg)
{
    index_table_rest(&window->by_id, &window->request_pool, idle, arg);
    index_table_rest(&window->by_request_id, &window->request_pool, idle, arg);
    index_table_rest(&window->by_client, &window->client_pool, idle, arg);
    index_table_rest(&window->parked_by_id, &window->parked_pool, idle, arg);
    index_table_rest(&window->parked_by_request_id, &window->parked_pool, idle, arg);

    const struct {
        struct index_pool *pool;
        void *array;
        size_t size;
    } arrays[] = {
        {&window->request_pool, window->requests, sizeof window->requests[0]},
        {&window->side_pool, window->sides, sizeof window->sides[0]},
        {&window->flow_pool, window->flows, sizeof window->flows[0]},
        {&window->lane_pool, window->lanes, sizeof window->lanes[0]},
        {&window->client_pool, window->clients, sizeof window->clients[0]},
        {&window->parked_pool, window->parked, sizeof window->parked[0]},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        index_pool_idle(arrays[i].pool, arrays[i].array, arrays[i].size, idle, arg);
        index_pool_rest(arrays[i].pool);
    }
}
