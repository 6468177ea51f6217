/* What a router does: intake.c, accept.c, dispatch.c, ending.c, takeback.c, adopt.c, listen.c. */

#include <string.h>

#include "action.h"

/* --- what is possible --------------------------------------------------------------------------
 */

static bool holds(const struct router *router, uint8_t id)
{
    for (uint8_t i = 0; i < router->n; i++) {
        if (router->held[i].entry.id == id)
            return true;
    }
    return false;
}

/* The first entry that is pending at the router and that it does not know; 0: none. */
static uint8_t unknown_pending(const struct world *world, uint8_t who)
{
    const struct stream_view *requests = &world_view(world)->requests;

    for (uint8_t i = 0; i < requests->n && i < SLOTS; i++) {
        if (requests->entries[i].holder == who + 1 &&
            !holds(&world->routers[who], requests->entries[i].id))
            return requests->entries[i].id;
    }
    return 0;
}

/* By what it heard, or by what the job says of an entry that came back: ask_job(). */
static bool is_cancelled(const struct world *world, uint8_t who, const struct known *entry)
{
    const struct view *view = world_view(world);
    bool job_says = entry->came_back && view->job_state == JOB_AT_QUEUED &&
                    view->job_entry == entry->id && view->job_cancel;

    return era_is_cancelled(entry->era) && (world->routers[who].knows_cancel || job_says);
}

static void find_ends(const struct world *world, struct action action, const struct held *held,
                      struct actions *actions)
{
    action.kind = ACT_END;
    action.how = held->must;
    if (held->must) {
        actions_add_lossy(world, actions, action);
        return;
    }
    action.how = ENDING_EXPIRED;
    if (world_is_late(world, held->entry.era))
        actions_add_lossy(world, actions, action);
    action.how = ENDING_CANCELLED;
    if (is_cancelled(world, action.who, &held->entry))
        actions_add_lossy(world, actions, action);
    action.how = ENDING_UNKNOWN;
    if (world_may(world, DISTURB_UNKNOWN) && !world->budget.gave_up)
        actions_add(actions, action);
}

static void find_held(const struct world *world, uint8_t who, struct actions *actions)
{
    const struct router *router = &world->routers[who];

    for (uint8_t i = 0; i < router->n; i++) {
        const struct held *held = &router->held[i];
        struct action action = {.kind = ACT_MOVE, .who = who, .what = i};

        find_ends(world, action, held, actions);
        if (held->must)
            continue;
        for (uint8_t node = 0; node < NODES; node++) {
            action.node = node;
            if (held->entry.tried == 3 || !(held->entry.tried >> node & 1))
                actions_add_lossy(world, actions, action);
        }
        actions_add(actions, (struct action){.kind = ACT_STATUS, .who = who, .what = i});
    }
}

/* A router may believe that a node is lost if it ever was, and that it may get no work if anything
 * has made it so: what it knows of P:health is of some time ago. */
static void find_nodes(const struct world *world, uint8_t who, uint8_t node,
                       struct actions *actions)
{
    const struct view *view = world_view(world);
    const struct node_view *now = &view->nodes[node];
    bool was_old = (world->budget.nodes_old | world->budget.nodes_crashed) >> node & 1;
    bool is_closed = now->is_drained || now->is_unavailable || now->health != FRESH_NOW ||
                     world->is_late || world->routers[who].knows_cancel || was_old;

    for (uint8_t i = 0; i < view->streams[node].n && i < SLOTS; i++) {
        struct action action = {.kind = ACT_TAKE_BACK,
                                .who = who,
                                .node = node,
                                .what = view->streams[node].entries[i].id};

        if (is_closed)
            actions_add(actions, action);
        action.how = 1;
        if (was_old || now->health == FRESH_OLD || now->health == FRESH_NONE)
            actions_add(actions, action);
    }
    if (now->health == FRESH_OLD && world_may(world, DISTURB_FORGET) && !world->budget.forgot)
        actions_add(actions, (struct action){.kind = ACT_FORGET, .who = who, .node = node});
}

void actions_find_router(const struct world *world, uint8_t who, struct actions *actions)
{
    const struct router *router = &world->routers[who];
    const struct view *view = world_view(world);
    const struct budget *budget = &world->budget;
    uint8_t other = (uint8_t)!who;

    if (!router->is_up) {
        actions_add(actions, (struct action){.kind = ACT_ROUTER_START, .who = who});
    } else {
        if (router->n < HELD_MAX && view->requests.delivered < view->requests.last)
            actions_add_lossy(world, actions, (struct action){.kind = ACT_READ, .who = who});
        if (router->n < HELD_MAX && unknown_pending(world, who))
            actions_add(actions, (struct action){.kind = ACT_RECONCILE, .who = who});
        find_held(world, who, actions);
        if (view->requests.exists != 1)
            actions_add(actions, (struct action){.kind = ACT_ROUTER_MEND, .who = who});
        if (router->heard < world->n_control)
            actions_add_lossy(world, actions, (struct action){.kind = ACT_HEAR, .who = who});
        for (uint8_t node = 0; node < NODES; node++)
            find_nodes(world, who, node, actions);
        if (view->routers[other].consumer)
            actions_add(actions, (struct action){.kind = ACT_ADOPT, .who = who});
        if (view->routers[who].presence != FRESH_NOW)
            actions_add(actions, (struct action){.kind = ACT_PRESENCE, .who = who});
        if (world_may(world, DISTURB_CRASH) && !(budget->routers_crashed >> who & 1))
            actions_add(actions, (struct action){.kind = ACT_ROUTER_CRASH, .who = who});
    }
    if (view->routers[who].presence == FRESH_NOW &&
        (!router->is_up || (world_may(world, DISTURB_SILENT) && !(budget->routers_old >> who & 1))))
        actions_add(actions, (struct action){.kind = ACT_ROUTER_OLD, .who = who});
}

/* --- what happens ------------------------------------------------------------------------------
 */

/* accept_request() */
static void accept(struct world *world, uint8_t who, uint8_t id)
{
    struct router *router = &world->routers[who];
    struct known entry = known_on(&world_view(world)->requests, id);
    struct held *held = &router->held[router->n];

    if (entry.id == 0 || router->n == HELD_MAX || holds(router, id))
        return;
    *held = (struct held){.entry = entry};
    if (world_is_late(world, entry.era))
        held->must = ENDING_EXPIRED;
    else if (router->knows_cancel && era_is_cancelled(entry.era))
        held->must = ENDING_CANCELLED;
    else if (entry.attempt > limits.attempts)
        held->must = ENDING_EXHAUSTED;
    router->n++;
}

static void drop(struct router *router, uint8_t i)
{
    router->n--;
    memmove(&router->held[i], &router->held[i + 1], (router->n - i) * sizeof router->held[0]);
    router->held[router->n] = (struct held){0};
}

static struct call call_about(const struct action *action, enum script script,
                              const struct known *entry)
{
    return (struct call){.kind = (uint8_t)CALL_OF(script),
                         .router = action->who,
                         .node = action->node,
                         .entry = entry->id,
                         .attempt = entry->attempt,
                         .tried = entry->tried,
                         .era = entry->era,
                         .came_back = entry->came_back};
}

static void move(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct router *router = &world->routers[action->who];
    struct held *held = &router->held[action->what];
    struct call call = call_about(action, SCRIPT_MOVE, &held->entry);

    call.is_late = world_is_late(world, held->entry.era);
    if (!ask(world, &call, outcome, NULL) || action->is_lost)
        return;
    if (told(outcome, "moved") || told(outcome, "lost") || told(outcome, "duplicate"))
        drop(router, action->what);
    else if (told(outcome, "cancelled"))
        held->must = ENDING_CANCELLED;
    else if (told(outcome, "expired"))
        held->must = ENDING_EXPIRED;
    else if (told(outcome, "forged"))
        held->must = ENDING_UNKNOWN;
}

static void end(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct router *router = &world->routers[action->who];
    struct held *held = &router->held[action->what];
    struct call call = call_about(action, SCRIPT_END, &held->entry);

    call.how = action->how;
    if (action->how == ENDING_UNKNOWN && held->must != ENDING_UNKNOWN) {
        world->budget.gave_up = 1;
        world->budget.faults--;
    }
    if (!ask(world, &call, outcome, NULL) || action->is_lost)
        return;
    if (told(outcome, "forged"))
        held->entry.came_back = 0; /* end_forged(): once more, as a client's */
    else
        drop(router, action->what);
}

static void hear(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct router *router = &world->routers[action->who];
    uint8_t op = world->control[router->heard];
    struct call call = {.router = action->who, .control = (uint8_t)(router->heard + 1)};

    if (op == 1) {
        router->knows_cancel = 1;
        call.kind = CALL_OF(SCRIPT_CANCEL);
    } else {
        call.kind = CALL_OF(SCRIPT_DRAIN);
        call.node = (uint8_t)(op - 2);
    }
    if (ask(world, &call, outcome, NULL) && !action->is_lost)
        router->heard++;
}

static void take_back(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct known entry = known_on(&world_view(world)->streams[action->node], action->what);
    struct call call = call_about(action, SCRIPT_TAKEBACK, &entry);

    call.how = action->how;
    (void)ask(world, &call, outcome, NULL);
}

static void simple(struct world *world, const struct action *action, uint8_t kind,
                   struct outcome *outcome)
{
    struct call call = {.kind = kind, .router = action->who, .node = action->node};

    if (kind == CALL_OF(SCRIPT_ADOPT))
        call.node = (uint8_t)!action->who;
    if (kind == CALL_OF(SCRIPT_STATUS))
        call.entry = world->routers[action->who].held[action->what].entry.id;
    if (kind == CALL_OF(SCRIPT_FORGET)) {
        world->budget.faults--;
        world->budget.forgot = 1;
    }
    (void)ask(world, &call, outcome, NULL);
}

static void come_and_go(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct router *router = &world->routers[action->who];
    uint8_t bit = (uint8_t)(1U << action->who);

    if (action->kind == ACT_ROUTER_START) {
        *router = (struct router){.is_up = 1};
    } else if (action->kind == ACT_ROUTER_CRASH) {
        *router = (struct router){0};
        world->budget.faults--;
        world->budget.routers_crashed |= bit;
    } else {
        simple(world, action, CALL_PRESENCE_OLD, outcome);
        if (router->is_up) {
            world->budget.faults--;
            world->budget.routers_old |= bit;
        }
    }
}

void router_learn(struct world *world, uint8_t who)
{
    struct router *router = &world->routers[who];

    for (uint8_t i = router->n; i-- > 0;) {
        const struct held *held = &router->held[i];
        const struct action action = {.who = who};
        struct call move = call_about(&action, SCRIPT_MOVE, &held->entry);
        struct call end = call_about(&action, SCRIPT_END, &held->entry);

        end.how = held->must ? held->must : ENDING_UNKNOWN;
        if (known_on(&world_view(world)->requests, held->entry.id).id == 0 &&
            says_lost(world, &move) && says_lost(world, &end))
            drop(router, i);
    }
}

void action_take_router(struct world *world, const struct action *action, struct outcome *outcome)
{
    uint8_t who = action->who;
    struct call read = {.kind = CALL_READ, .router = who};
    struct call mend = {.kind = CALL_GROUP, .node = 2};

    if (action->kind == ACT_READ) {
        if (ask(world, &read, outcome, "entry") && !action->is_lost)
            accept(world, who, outcome->answer.number);
    } else if (action->kind == ACT_ROUTER_MEND) {
        (void)ask(world, &mend, outcome, NULL);
    } else if (action->kind == ACT_RECONCILE) {
        accept(world, who, unknown_pending(world, who));
    } else if (action->kind == ACT_MOVE) {
        move(world, action, outcome);
    } else if (action->kind == ACT_END) {
        end(world, action, outcome);
    } else if (action->kind == ACT_STATUS) {
        simple(world, action, CALL_OF(SCRIPT_STATUS), outcome);
    } else if (action->kind == ACT_HEAR) {
        hear(world, action, outcome);
    } else if (action->kind == ACT_TAKE_BACK) {
        take_back(world, action, outcome);
    } else if (action->kind == ACT_ADOPT) {
        simple(world, action, CALL_OF(SCRIPT_ADOPT), outcome);
    } else if (action->kind == ACT_PRESENCE) {
        simple(world, action, CALL_OF(SCRIPT_PRESENCE), outcome);
    } else if (action->kind == ACT_FORGET) {
        simple(world, action, CALL_OF(SCRIPT_FORGET), outcome);
    } else {
        come_and_go(world, action, outcome);
    }
}
