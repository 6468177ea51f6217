/* Whose turn it is: classes, clients, models. The rules are in window.h. */
#include <assert.h>
#include <inttypes.h>

#include "tap.h"
#include "window_private.h"

/* Does a come before b, for one client? */
static bool is_before(const struct window *window, uint32_t a, uint32_t b)
{
    const struct window_request *ra = &window->requests[a], *rb = &window->requests[b];

    if (ra->submitted_ms != rb->submitted_ms)
        return ra->submitted_ms < rb->submitted_ms;
    return stream_id_compare(ra->id, rb->id) < 0;
}

/* --- the ring of a class ---------------------------------------------------------------------- */

/* At the end of the ring: just before the flow whose turn it is. */
static void ring_join(struct window *window, uint32_t index)
{
    struct window_flow *flow = &window->flows[index];
    uint32_t head = window->ring[flow->class];

    if (head == INDEX_NONE) {
        flow->ring_next = flow->ring_prev = window->ring[flow->class] = index;
        return;
    }
    flow->ring_next = head;
    flow->ring_prev = window->flows[head].ring_prev;
    window->flows[flow->ring_prev].ring_next = index;
    window->flows[head].ring_prev = index;
}

static void ring_leave(struct window *window, uint32_t index)
{
    struct window_flow *flow = &window->flows[index];
    uint32_t *head = &window->ring[flow->class];

    if (flow->ring_next == index) {
        *head = INDEX_NONE;
        return;
    }
    if (*head == index)
        *head = flow->ring_next;
    window->flows[flow->ring_prev].ring_next = flow->ring_next;
    window->flows[flow->ring_next].ring_prev = flow->ring_prev;
}

static uint32_t flow_get(struct window *window, uint32_t client, enum request_priority class)
{
    uint32_t *flow = &window->clients[client].flow[class];

    if (*flow != INDEX_NONE)
        return *flow;
    *flow = index_pool_take(&window->flow_pool);
    assert(*flow != INDEX_NONE); /* each has a request */
    window->flows[*flow] =
        (struct window_flow){.client = client, .class = class, .lanes = INDEX_NONE};
    ring_join(window, *flow);
    return *flow;
}

/* --- lanes ------------------------------------------------------------------------------------ */

static uint32_t lane_get(struct window *window, uint32_t flow, uint32_t model)
{
    uint32_t *first = &window->flows[flow].lanes;
    uint32_t i = *first;

    while (i != INDEX_NONE && window->lanes[i].model != model)
        i = window->lanes[i].next;
    if (i != INDEX_NONE)
        return i;
    i = index_pool_take(&window->lane_pool);
    assert(i != INDEX_NONE); /* each has a request */
    window->lanes[i] = (struct window_lane){.flow = flow,
                                            .model = model,
                                            .next = *first,
                                            .prev = INDEX_NONE,
                                            .head = INDEX_NONE,
                                            .tail = INDEX_NONE};
    if (*first != INDEX_NONE)
        window->lanes[*first].prev = i;
    *first = i;
    return i;
}

static void lane_free(struct window *window, uint32_t index)
{
    struct window_lane *lane = &window->lanes[index];

    if (lane->prev != INDEX_NONE) {
        window->lanes[lane->prev].next = lane->next;
    } else {
        window->flows[lane->flow].lanes = lane->next;
    }
    if (lane->next != INDEX_NONE)
        window->lanes[lane->next].prev = lane->prev;
    index_pool_give(&window->lane_pool, index);
}

/* The request behind which `index` belongs, or INDEX_NONE for the front. Looks from both ends at
 * once: new requests belong at the end, those that come back near the front. */
static uint32_t lane_place(const struct window *window, const struct window_lane *lane,
                           uint32_t index)
{
    uint32_t back = lane->tail, front = lane->head;

    while (back != INDEX_NONE) {
        if (is_before(window, back, index))
            return back;
        if (is_before(window, index, front))
            return window->requests[front].lane_prev;
        back = window->requests[back].lane_prev;
        front = window->requests[front].lane_next;
    }
    return INDEX_NONE;
}

static void lane_insert(struct window *window, uint32_t lane_index, uint32_t index)
{
    struct window_lane *lane = &window->lanes[lane_index];
    struct window_request *r = &window->requests[index];
    uint32_t before = lane_place(window, lane, index);

    r->lane = lane_index;
    r->lane_prev = before;
    r->lane_next = before == INDEX_NONE ? lane->head : window->requests[before].lane_next;
    if (before == INDEX_NONE) {
        lane->head = index;
    } else {
        window->requests[before].lane_next = index;
    }
    if (r->lane_next == INDEX_NONE) {
        lane->tail = index;
    } else {
        window->requests[r->lane_next].lane_prev = index;
    }
}

static void lane_unlink(struct window *window, struct window_lane *lane, uint32_t index)
{
    const struct window_request *r = &window->requests[index];

    if (lane->resume == index)
        lane->resume = r->lane_next;
    if (r->lane_prev == INDEX_NONE) {
        lane->head = r->lane_next;
    } else {
        window->requests[r->lane_prev].lane_next = r->lane_next;
    }
    if (r->lane_next == INDEX_NONE) {
        lane->tail = r->lane_prev;
    } else {
        window->requests[r->lane_next].lane_prev = r->lane_prev;
    }
}

void order_insert(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    uint32_t flow = flow_get(window, r->client, r->class);
    uint32_t lane = lane_get(window, flow, r->model);

    lane_insert(window, lane, index);
    window->flows[flow].n++;
    window->class_waiting[r->class]++;
    window->model_waiting[r->model]++;
}

void order_unlink(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    uint32_t lane = r->lane, flow = window->lanes[lane].flow;

    lane_unlink(window, &window->lanes[lane], index);
    if (window->lanes[lane].head == INDEX_NONE)
        lane_free(window, lane);
    window->class_waiting[r->class]--;
    window->model_waiting[r->model]--;
    if (--window->flows[flow].n > 0)
        return;
    ring_leave(window, flow);
    window->clients[r->client].flow[r->class] = INDEX_NONE;
    index_pool_give(&window->flow_pool, flow);
}

/* --- deficit round robin ---------------------------------------------------------------------- */

/* The first request of a flow in order of service. */
static uint32_t flow_front(const struct window *window, const struct window_flow *flow)
{
    uint32_t front = INDEX_NONE;

    for (uint32_t i = flow->lanes; i != INDEX_NONE; i = window->lanes[i].next) {
        uint32_t head = window->lanes[i].head;
        if (front == INDEX_NONE || is_before(window, head, front))
            front = head;
    }
    return front;
}

/* Turns that must pass until the flow can afford the request. */
static uint32_t turns_until(const struct window *window, const struct window_flow *flow,
                            uint32_t index)
{
    uint32_t cost = window->requests[index].cost;

    if (flow->deficit >= cost)
        return 0;
    return (cost - flow->deficit + WINDOW_QUANTUM - 1) / WINDOW_QUANTUM;
}

/* Credit is kept only as far as the flow's first request needs it: a flow whose models have no node
 * for an hour must not have saved up an hour of turns. */
static void flow_credit(const struct window *window, struct window_flow *flow, uint32_t turns)
{
    uint32_t need = turns_until(window, flow, flow_front(window, flow));

    flow->deficit += (turns < need ? turns : need) * WINDOW_QUANTUM;
}

/* Goes round the ring until `mine` has had `turns` more: the others get theirs on the way. */
static void turns_pass(struct window *window, enum request_priority class, uint32_t mine,
                       uint32_t turns)
{
    uint32_t first = window->ring[class], i = first, given = turns;

    do {
        if (i == mine) {
            given--; /* those behind it have not had this turn yet */
        } else if (given > 0) {
            flow_credit(window, &window->flows[i], given);
        }
        i = window->flows[i].ring_next;
    } while (i != first);
    window->flows[mine].deficit += turns * WINDOW_QUANTUM;
    window->ring[class] = mine;
}

void order_charge(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    uint32_t mine = window->clients[r->client].flow[r->class];
    uint32_t turns = turns_until(window, &window->flows[mine], index);

    if (turns > 0)
        turns_pass(window, r->class, mine, turns);
    window->flows[mine].deficit -= r->cost;
}

void order_turn_end(struct window *window, uint32_t client, enum request_priority class)
{
    uint32_t index = window->clients[client].flow[class];

    if (index == INDEX_NONE || window->ring[class] != index)
        return;
    const struct window_flow *flow = &window->flows[index];
    if (turns_until(window, flow, flow_front(window, flow)) > 0)
        window->ring[class] = flow->ring_next;
}

void order_refund(struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    uint32_t mine = window->clients[r->client].flow[r->class];
    struct window_flow *flow = &window->flows[mine];

    flow->deficit += r->cost;
    if (flow->deficit > WINDOW_COST_MAX)
        flow->deficit = WINDOW_COST_MAX;
    window->ring[r->class] = mine; /* it is its turn again */
}

/* --- the scan --------------------------------------------------------------------------------- */

void window_scan(struct window *window)
{
    if (++window->scan == 0) /* 0 is what new requests and lanes say */
        window->scan = 1;
}

static uint32_t lane_candidate(struct window *window, struct window_lane *lane)
{
    if (lane->scan != window->scan) {
        lane->scan = window->scan;
        lane->resume = lane->head;
    }
    while (lane->resume != INDEX_NONE && window->requests[lane->resume].scan == window->scan)
        lane->resume = window->requests[lane->resume].lane_next;
    return lane->resume;
}

static uint32_t flow_candidate(struct window *window, const struct window_flow *flow,
                               const uint64_t *open)
{
    uint32_t best = INDEX_NONE;

    for (uint32_t i = flow->lanes; i != INDEX_NONE; i = window->lanes[i].next) {
        if (!names_set_has(open, window->lanes[i].model))
            continue;
        uint32_t candidate = lane_candidate(window, &window->lanes[i]);
        if (candidate == INDEX_NONE)
            continue;
        if (best == INDEX_NONE || is_before(window, candidate, best))
            best = candidate;
    }
    return best;
}

static uint32_t class_candidate(struct window *window, enum request_priority class,
                                const uint64_t *open)
{
    uint32_t best = INDEX_NONE, best_turns = UINT32_MAX;
    uint32_t i = window->ring[class];

    if (i == INDEX_NONE)
        return INDEX_NONE;
    do {
        const struct window_flow *flow = &window->flows[i];
        uint32_t candidate = flow_candidate(window, flow, open);
        uint32_t turns =
            candidate == INDEX_NONE ? UINT32_MAX : turns_until(window, flow, candidate);
        if (turns < best_turns) {
            best = candidate;
            best_turns = turns;
        }
        i = flow->ring_next;
        /* Who can afford it when the turn comes to him is served then: nobody behind is sooner. */
    } while (i != window->ring[class] && best_turns > 1);
    return best;
}

uint32_t window_next(struct window *window, const uint64_t *open)
{
    for (int c = REQUEST_HIGH; c < REQUEST_PRIORITY_COUNT; c++) {
        uint32_t i = class_candidate(window, (enum request_priority)c, open);
        if (i == INDEX_NONE)
            continue;
        window->requests[i].scan = window->scan;
        return i;
    }
    return WINDOW_NONE;
}

/* --- ageing, position, giving way ------------------------------------------------------------- */

uint32_t window_age(struct window *window, int64_t redis_ms, int64_t priority_age_ms)
{
    uint32_t moved = 0;

    tap_line(window->tap, "age %" PRId64 " %" PRId64, redis_ms, priority_age_ms);
    for (uint32_t i = 0; i < window->request_pool.high; i++) {
        struct window_request *r = &window->requests[i];
        enum request_priority class =
            window_class_at(r->priority, redis_ms - r->submitted_ms, priority_age_ms);
        if (r->state != WINDOW_WAITING || class >= r->class)
            continue;
        order_unlink(window, i);
        r->class = class;
        order_insert(window, i);
        moved++;
    }
    parked_age(window, redis_ms, priority_age_ms);
    return moved;
}

/* Requests of the same flow that come before this one. */
static uint32_t flow_rank(const struct window *window, const struct window_flow *flow,
                          uint32_t index)
{
    uint32_t rank = 0;

    for (uint32_t i = flow->lanes; i != INDEX_NONE; i = window->lanes[i].next) {
        uint32_t r = window->lanes[i].head;
        for (; r != INDEX_NONE && is_before(window, r, index); r = window->requests[r].lane_next)
            rank++;
    }
    return rank;
}

uint32_t window_position(const struct window *window, uint32_t index)
{
    const struct window_request *r = &window->requests[index];
    uint32_t mine = window->lanes[r->lane].flow, ahead = 0;
    uint32_t rank = flow_rank(window, &window->flows[mine], index);
    uint32_t i = window->ring[r->class];
    bool passed = false;

    assert(r->state == WINDOW_WAITING);
    for (int c = REQUEST_HIGH; c < (int)r->class; c++)
        ahead += window->class_waiting[c];
    do { /* each other client has as many turns before ours as we have requests before this one */
        uint32_t turns = passed ? rank : rank + 1;
        if (i == mine) {
            passed = true;
        } else {
            ahead += window->flows[i].n < turns ? window->flows[i].n : turns;
        }
        i = window->flows[i].ring_next;
    } while (i != window->ring[r->class]);
    return ahead + rank;
}

/* The last request of a flow in order of service. */
static uint32_t flow_last(const struct window *window, uint32_t flow)
{
    uint32_t last = INDEX_NONE;

    for (uint32_t i = window->flows[flow].lanes; i != INDEX_NONE; i = window->lanes[i].next) {
        uint32_t tail = window->lanes[i].tail;
        if (last == INDEX_NONE || is_before(window, last, tail))
            last = tail;
    }
    return last;
}

/* The client that holds most of those that have a request waiting in the class. */
static uint32_t class_holder(const struct window *window, int class, uint32_t best)
{
    uint32_t i = window->ring[class];

    if (i == INDEX_NONE)
        return best;
    do {
        uint32_t client = window->flows[i].client;
        if (best == INDEX_NONE || window->clients[client].held > window->clients[best].held)
            best = client;
        i = window->flows[i].ring_next;
    } while (i != window->ring[class]);
    return best;
}

uint32_t order_victim(const struct window *window, uint32_t client, enum request_priority class)
{
    uint32_t holder = INDEX_NONE;

    for (int c = REQUEST_PRIORITY_COUNT - 1; c >= REQUEST_HIGH; c--)
        holder = class_holder(window, c, holder);
    bool unfair =
        holder != INDEX_NONE && window->clients[client].held + 2 <= window->clients[holder].held;
    for (int c = REQUEST_PRIORITY_COUNT - 1; c >= REQUEST_HIGH; c--) {
        if (unfair && window->clients[holder].flow[c] != INDEX_NONE)
            return flow_last(window, window->clients[holder].flow[c]);
        if (unfair || c <= (int)class || window->ring[c] == INDEX_NONE)
            continue;
        uint32_t lower = class_holder(window, c, INDEX_NONE);
        return flow_last(window, window->clients[lower].flow[c]);
    }
    return INDEX_NONE;
}
