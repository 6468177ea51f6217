#include "fleet_seen.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/reply.h"

/* --- pieces ----------------------------------------------------------------------------------- */

void seen_begin(struct fleet_seen *fleet, int64_t redis_ms)
{
    fleet->redis_ms = redis_ms;
    fleet->n_nodes = fleet->n_routers = fleet->nodes_left_out = 0;
    fleet->queue = (struct seen_queue){.oldest_ms = -1};
}

void seen_health(struct fleet_seen *fleet, const struct redisReply *hash)
{
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
        if (fleet->n_nodes == SEEN_NODES_MAX) {
            fleet->nodes_left_out++;
            continue;
        }
        seen_node_decode(reply_span(reply_at(hash, i)), reply_span(reply_at(hash, i + 1)),
                         fleet->redis_ms, &fleet->nodes[fleet->n_nodes++]);
    }
}

void seen_drained(struct fleet_seen *fleet, const struct redisReply *set)
{
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        for (size_t m = 0; m < reply_count(set) && !fleet->nodes[i].drained; m++)
            fleet->nodes[i].drained = span_eq(fleet->nodes[i].id, reply_span(reply_at(set, m)));
    }
}

void seen_routers(struct fleet_seen *fleet, const struct redisReply *hash,
                  const struct seen_limits *limits)
{
    for (size_t i = 0; i + 1 < reply_count(hash) && fleet->n_routers < SEEN_ROUTERS_MAX; i += 2) {
        struct seen_router *router = &fleet->routers[fleet->n_routers++];

        seen_router_decode(reply_span(reply_at(hash, i)), reply_span(reply_at(hash, i + 1)),
                           fleet->redis_ms, router);
        router->alive = router->age_ms >= 0 && router->age_ms <= limits->node_lost_ms;
    }
}

static int64_t number_at(const struct redisReply *answer, size_t i)
{
    int64_t value;

    return reply_i64(reply_at(answer, i), &value) ? value : 0;
}

static enum request_priority priority_of(struct span word)
{
    if (span_is(word, "high"))
        return REQUEST_HIGH;
    return span_is(word, "low") ? REQUEST_LOW : REQUEST_NORMAL;
}

void seen_queue(struct fleet_seen *fleet, const struct redisReply *answer)
{
    struct seen_queue *queue = &fleet->queue;
    int64_t oldest = number_at(answer, 3);

    queue->length = number_at(answer, 1);
    queue->looked_at = number_at(answer, 2);
    if (queue->length > 0 && oldest > 0)
        queue->oldest_ms = fleet->redis_ms > oldest ? fleet->redis_ms - oldest : 0;
    for (size_t i = 4; i + 3 < reply_count(answer); i += 4) {
        if (queue->n_groups == SEEN_GROUPS_MAX) {
            queue->n_others += number_at(answer, i + 2);
            continue;
        }
        int64_t since = number_at(answer, i + 3);
        queue->groups[queue->n_groups++] = (struct seen_group){
            .priority = priority_of(reply_span(reply_at(answer, i))),
            .model = reply_span(reply_at(answer, i + 1)),
            .count = number_at(answer, i + 2),
            .oldest_ms = fleet->redis_ms > since ? fleet->redis_ms - since : 0,
        };
    }
}

/* --- states ----------------------------------------------------------------------------------- */

static enum seen_state state_of(const struct seen_node *node, const struct seen_limits *limits)
{
    if (!node->json.ptr || node->age_ms < 0)
        return SEEN_BAD;
    if (node->age_ms > limits->node_lost_ms)
        return SEEN_LOST;
    if (node->age_ms > limits->node_late_ms)
        return SEEN_LATE;
    if (node->drained)
        return SEEN_DRAINED;
    if (node->temp_c >= (double)limits->temp_max_mc / 1000.0 || strcmp(node->reason, "hot") == 0)
        return SEEN_HOT;
    if (node->ram_pct >= (double)limits->ram_max_pct || strcmp(node->reason, "memory") == 0)
        return SEEN_MEMORY;
    return node->available ? SEEN_UP : SEEN_RESTING;
}

static int compare_spans(struct span a, struct span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

/* Numbers in names count as numbers: pi-2 comes before pi-10. */
static int compare_ids(struct span a, struct span b)
{
    size_t i = 0, digits_a = 0, digits_b = 0;

    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i] && !(a.ptr[i] >= '0' && a.ptr[i] <= '9'))
        i++;
    while (i + digits_a < a.len && a.ptr[i + digits_a] >= '0' && a.ptr[i + digits_a] <= '9')
        digits_a++;
    while (i + digits_b < b.len && b.ptr[i + digits_b] >= '0' && b.ptr[i + digits_b] <= '9')
        digits_b++;
    if (digits_a > 0 && digits_b > 0 && digits_a != digits_b)
        return digits_a < digits_b ? -1 : 1;
    return compare_spans(a, b);
}

/* Insertion sort of what is mostly in order: a fleet of 1024 takes some milliseconds at worst. */
static void sort_by_id(struct fleet_seen *fleet)
{
    for (size_t i = 1; i < fleet->n_nodes; i++) {
        struct seen_node node = fleet->nodes[i];
        size_t at = i;
        for (; at > 0 && compare_ids(node.id, fleet->nodes[at - 1].id) < 0; at--)
            fleet->nodes[at] = fleet->nodes[at - 1];
        fleet->nodes[at] = node;
    }
}

void seen_end(struct fleet_seen *fleet, const struct seen_limits *limits)
{
    for (size_t i = 0; i < fleet->n_nodes; i++)
        fleet->nodes[i].state = state_of(&fleet->nodes[i], limits);
    sort_by_id(fleet);
}

const struct seen_node *seen_find(const struct fleet_seen *fleet, struct span id)
{
    for (size_t i = 0; i < fleet->n_nodes; i++) {
        if (span_eq(fleet->nodes[i].id, id))
            return &fleet->nodes[i];
    }
    return NULL;
}

const char *seen_state_name(enum seen_state state)
{
    static const char *const names[SEEN_STATE_COUNT] = {
        [SEEN_UP] = "up",     [SEEN_DRAINED] = "drained", [SEEN_RESTING] = "resting",
        [SEEN_HOT] = "hot",   [SEEN_MEMORY] = "memory",   [SEEN_LATE] = "late",
        [SEEN_LOST] = "lost", [SEEN_BAD] = "unreadable"};

    assert(state < SEEN_STATE_COUNT);
    return names[state];
}

const char *seen_state_text(const struct seen_node *node)
{
    if (node->state == SEEN_RESTING && node->reason[0])
        return node->reason;
    return seen_state_name(node->state);
}

bool seen_takes_work(const struct seen_node *node)
{
    return node->state == SEEN_UP;
}

const char *seen_board_short(const char *board, char *buf, size_t cap)
{
    static const char pi[] = "Raspberry Pi ", module[] = "Compute Module ";
    const char *name = strncmp(board, pi, sizeof pi - 1) == 0 ? board + sizeof pi - 1 : NULL;

    if (!name) {
        (void)snprintf(buf, cap, "%s", board[0] ? board : "-");
        return buf;
    }
    bool is_module = strncmp(name, module, sizeof module - 1) == 0;
    if (is_module)
        name += sizeof module - 1;
    (void)snprintf(buf, cap, "%s%.*s", is_module ? "CM" : "Pi ", (int)strcspn(name, " "), name);
    return buf;
}

size_t seen_count(const struct fleet_seen *fleet, enum seen_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < fleet->n_nodes; i++)
        n += fleet->nodes[i].state == state;
    return n;
}

size_t seen_routers_alive(const struct fleet_seen *fleet)
{
    size_t n = 0;

    for (size_t i = 0; i < fleet->n_routers; i++)
        n += fleet->routers[i].alive;
    return n;
}

int64_t seen_running(const struct fleet_seen *fleet)
{
    int64_t n = 0;

    for (size_t i = 0; i < fleet->n_nodes; i++)
        n += fleet->nodes[i].length > 0 ? fleet->nodes[i].length : 0;
    return n;
}
