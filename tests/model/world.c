#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "table.h"

#define ID_GONE     250 /* what an id that is on no stream is renamed to; no counter gets there */
#define ID_DEAD     255 /* an id that is on no stream */
#define ID_DEAD_JOB 254 /* the same, but the job names it */

struct limits limits = {.faults = 3, .attempts = 2, .kinds = UINT16_MAX};

static const char *const disturbance_names[DISTURB_COUNT] = {
    [DISTURB_RESUBMIT] = "resubmit", [DISTURB_CANCEL] = "cancel", [DISTURB_DRAIN] = "drain",
    [DISTURB_LATE] = "late",         [DISTURB_EXPIRE] = "expire", [DISTURB_GROUP] = "group",
    [DISTURB_ANSWER] = "answer",     [DISTURB_CRASH] = "crash",   [DISTURB_ZOMBIE] = "zombie",
    [DISTURB_SILENT] = "silent",     [DISTURB_FORGET] = "forget", [DISTURB_FAIL] = "fail",
    [DISTURB_UNKNOWN] = "unknown",   [DISTURB_STOP] = "stop",
};

uint16_t disturbances_parse(const char *list)
{
    unsigned kinds = 0;

    while (*list) {
        size_t len = strcspn(list, ",");
        unsigned kind = 0;

        while (kind < DISTURB_COUNT && (strlen(disturbance_names[kind]) != len ||
                                        memcmp(disturbance_names[kind], list, len) != 0))
            kind++;
        if (kind == DISTURB_COUNT)
            return 0;
        kinds |= 1U << kind;
        list += len + (list[len] == ',');
    }
    return (uint16_t)kinds;
}

bool world_may(const struct world *world, enum disturbance kind)
{
    return world->budget.faults > 0 && (limits.kinds >> kind & 1);
}

static void begin_node(struct world *world, uint8_t node)
{
    const struct call call = {.kind = CALL_OF(SCRIPT_REGISTER), .node = node};
    struct process *process = &world->processes[node][0];
    struct answer answer;

    world->redis = server_call(world->redis, &call, &answer);
    process->state = PROCESS_OPEN;
    process->epoch = server_view(world->redis)->nodes[node].epoch;
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->budget.faults = limits.faults;
    for (int i = 0; i < ROUTERS; i++)
        world->routers[i].is_up = 1;
    for (uint8_t i = 0; i < NODES; i++)
        begin_node(world, i);
}

const struct view *world_view(const struct world *world)
{
    return server_view(world->redis);
}

bool world_is_known(const struct world *world)
{
    for (int i = 0; i < ROUTERS; i++) {
        if (world->routers[i].n > 0)
            return true;
    }
    for (int i = 0; i < NODES; i++) {
        for (int p = 0; p < PROCESSES; p++) {
            if (world->processes[i][p].job != JOB_NOTHING)
                return true;
        }
    }
    return false;
}

bool world_is_over(const struct world *world)
{
    const struct view *view = world_view(world);
    bool may_come_again = world_may(world, DISTURB_RESUBMIT) && world->submitted < 2;
    bool may_be_forgotten = world_may(world, DISTURB_EXPIRE) && !world->is_expired;

    return view->terminals + world->gone_terminals > 0 && view->requests.n == 0 &&
           view->streams[0].n == 0 && view->streams[1].n == 0 && !world_is_known(world) &&
           !may_come_again && !may_be_forgotten;
}

bool world_is_late(const struct world *world, uint8_t era)
{
    return world->is_late && !(era & ERA_AFTER_DEADLINE);
}

bool era_is_cancelled(uint8_t era)
{
    return !(era & ERA_AFTER_CANCEL);
}

struct known known_on(const struct stream_view *stream, uint8_t id)
{
    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++) {
        const struct entry *entry = &stream->entries[i];

        if (entry->id == id)
            return (struct known){.id = id,
                                  .attempt = entry->attempt,
                                  .tried = entry->tried,
                                  .era = entry->era,
                                  .came_back = entry->came_back};
    }
    return (struct known){0};
}

/* --- one name for what is the same -------------------------------------------------------------
 */

/* A world under other names: router i is called r[i], node i is called n[i]. */
struct names {
    uint8_t routers[ROUTERS], nodes[NODES];
};

#define NAMINGS 4 /* either order of routers, either of nodes */

static uint8_t swap_mask(uint8_t mask, const uint8_t *to)
{
    uint8_t out = 0;

    for (unsigned i = 0; i < 2; i++)
        out = (uint8_t)(out | ((unsigned)mask >> i & 1U) << to[i]);
    return out;
}

/* Ids by rank among those on the stream. */
static uint8_t rank(const struct stream_view *stream, uint8_t id, uint8_t job_entry)
{
    if (id == 0)
        return 0;
    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++) {
        if (stream->entries[i].id == id)
            return (uint8_t)(i + 1);
    }
    return id == job_entry ? ID_DEAD_JOB : ID_DEAD;
}

static void canon_stream(const struct stream_view *from, const struct names *names, bool is_origin,
                         struct stream_view *to)
{
    *to = *from;
    to->last = 0;
    to->delivered = 0;
    for (uint8_t i = 0; i < SLOTS; i++) {
        struct entry *entry = &to->entries[i];

        entry->id = entry->id ? (uint8_t)(i + 1) : 0;
        entry->tried = swap_mask(entry->tried, names->nodes);
        if (is_origin && entry->holder >= 1 && entry->holder <= ROUTERS)
            entry->holder = (uint8_t)(names->routers[entry->holder - 1] + 1);
    }
}

static uint8_t job_entry_at(const struct view *view, int node)
{
    bool is_there = view->job_state == JOB_AT_ROUTED || view->job_state == JOB_AT_RUNNING;

    return is_there && view->job_node == node + 1 ? view->job_entry : 0;
}

static uint8_t job_entry_at_origin(const struct view *view)
{
    return view->job_state == JOB_AT_QUEUED ? view->job_entry : 0;
}

static void canon_view(const struct view *from, const struct names *names, struct view *to)
{
    uint8_t at_origin = job_entry_at_origin(from);

    *to = *from;
    canon_stream(&from->requests, names, true, &to->requests);
    to->job_entry = rank(&from->requests, at_origin, at_origin);
    for (int i = 0; i < NODES; i++) {
        uint8_t at_node = job_entry_at(from, i), other = names->nodes[i];

        canon_stream(&from->streams[i], names, false, &to->streams[other]);
        to->nodes[other] = from->nodes[i];
        if (at_node)
            to->job_entry = rank(&from->streams[i], at_node, at_node);
    }
    if (from->job_node >= 1 && from->job_node <= NODES)
        to->job_node = (uint8_t)(names->nodes[from->job_node - 1] + 1);
    for (int i = 0; i < ROUTERS; i++)
        to->routers[names->routers[i]] = from->routers[i];
}

static void canon_router(const struct view *view, const struct names *names,
                         const struct router *from, struct router *to)
{
    *to = *from;
    for (uint8_t i = 0; i < HELD_MAX; i++) {
        struct known *entry = &to->held[i].entry;

        entry->id = rank(&view->requests, entry->id, job_entry_at_origin(view));
        entry->tried = swap_mask(entry->tried, names->nodes);
    }
}

static void canon_process(const struct view *view, const struct names *names, int node,
                          const struct process *from, struct process *to)
{
    *to = *from;
    to->entry.id = rank(&view->streams[node], from->entry.id, job_entry_at(view, node));
    to->entry.tried = swap_mask(from->entry.tried, names->nodes);
}

static void canon_budget(const struct budget *from, const struct names *names, struct budget *to)
{
    to->routers_crashed = swap_mask(from->routers_crashed, names->routers);
    to->routers_old = swap_mask(from->routers_old, names->routers);
    to->nodes_crashed = swap_mask(from->nodes_crashed, names->nodes);
    to->nodes_old = swap_mask(from->nodes_old, names->nodes);
    if (!limits.is_plain && !(limits.kinds >> DISTURB_SILENT & 1))
        to->nodes_old = (uint8_t)(to->nodes_old & ~to->nodes_crashed); /* find_nodes(): either */
    to->nodes_stopped = swap_mask(from->nodes_stopped, names->nodes);
}

/* By state of Redis and naming; 0: not asked for yet. */
static struct {
    uint64_t (*of)[NAMINGS];
    uint32_t n;
} view_hashes;

static uint64_t view_hash(uint32_t state, unsigned naming, const struct names *names)
{
    if (state >= view_hashes.n) {
        uint32_t n = 2 * state + 1024;

        view_hashes.of = grow(view_hashes.of, n, sizeof *view_hashes.of);
        memset(view_hashes.of + view_hashes.n, 0, (n - view_hashes.n) * sizeof *view_hashes.of);
        view_hashes.n = n;
    }
    uint64_t *hash = &view_hashes.of[state][naming];
    if (*hash == 0) {
        struct view view;

        canon_view(server_view(state), names, &view);
        *hash = hash_bytes(&view, sizeof view);
    }
    return *hash;
}

static uint64_t hash_under(const struct world *world, unsigned naming)
{
    const struct names names = {.routers = {(uint8_t)(naming & 1), !(naming & 1)},
                                .nodes = {(uint8_t)(naming >> 1), !(naming >> 1)}};
    const struct view *view = world_view(world);
    struct world canon = *world;

    canon.redis = 0;
    canon_budget(&world->budget, &names, &canon.budget);
    for (int i = 0; i < ROUTERS; i++)
        canon_router(view, &names, &world->routers[i], &canon.routers[names.routers[i]]);
    for (int i = 0; i < NODES; i++) {
        for (int p = 0; p < PROCESSES; p++)
            canon_process(view, &names, i, &world->processes[i][p],
                          &canon.processes[names.nodes[i]][p]);
    }
    for (int i = 0; i < CONTROL_MAX; i++) {
        if (world->control[i] >= 2)
            canon.control[i] = (uint8_t)(2 + names.nodes[world->control[i] - 2]);
    }
    const uint64_t both[] = {hash_bytes(&canon, sizeof canon),
                             view_hash(world->redis, naming, &names)};
    return hash_bytes(both, sizeof both);
}

uint64_t world_hash(const struct world *world)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < NAMINGS; i++) {
        uint64_t hash = hash_under(world, i);

        least = hash < least ? hash : least;
    }
    return least;
}

/* --- one number for what is the same -----------------------------------------------------------
 */

static struct {
    uint32_t *of; /* by state; TABLE_NONE: not asked for yet */
    uint32_t n;
    struct table by_view;
} twins;

static uint32_t twin_find(uint32_t state)
{
    static const struct names same = {.routers = {0, 1}, .nodes = {0, 1}};
    struct view view;
    uint64_t hash;
    uint32_t known;

    canon_view(server_view(state), &same, &view);
    hash = hash_bytes(&view, sizeof view);
    known = table_find(&twins.by_view, hash);
    if (known != TABLE_NONE)
        return known;
    table_add(&twins.by_view, hash, state);
    return state;
}

static uint32_t twin_of(uint32_t state)
{
    if (state >= twins.n) {
        uint32_t n = 2 * state + 1024;

        twins.of = grow(twins.of, n, sizeof *twins.of);
        memset(twins.of + twins.n, 0xff, (n - twins.n) * sizeof *twins.of);
        twins.n = n;
    }
    if (twins.of[state] == TABLE_NONE)
        twins.of[state] = twin_find(state);
    return twins.of[state];
}

static uint8_t other_id(const struct stream_view *from, const struct stream_view *to, uint8_t id)
{
    if (id == 0)
        return 0;
    for (uint8_t i = 0; i < from->n && i < SLOTS; i++) {
        if (from->entries[i].id == id)
            return to->entries[i].id;
    }
    return ID_GONE;
}

void world_rename_ids(struct world *world)
{
    uint32_t twin = twin_of(world->redis);
    const struct view *from = server_view(world->redis), *to = server_view(twin);

    for (int i = 0; i < ROUTERS; i++) {
        for (uint8_t k = 0; k < world->routers[i].n; k++) {
            uint8_t *id = &world->routers[i].held[k].entry.id;
            *id = other_id(&from->requests, &to->requests, *id);
        }
    }
    for (int i = 0; i < NODES; i++) {
        for (int p = 0; p < PROCESSES; p++) {
            uint8_t *id = &world->processes[i][p].entry.id;
            *id = other_id(&from->streams[i], &to->streams[i], *id);
        }
    }
    world->redis = twin;
}

void world_done(void)
{
    free(view_hashes.of);
    view_hashes.of = NULL;
    view_hashes.n = 0;
    table_free(&twins.by_view);
    free(twins.of);
    twins.of = NULL;
    twins.n = 0;
}
