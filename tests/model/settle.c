/* The schedule in which everything works, from any state to the end. */

#include <string.h>

#include "check.h"

#define STEPS_MAX 300

/* In this order, each as long as it changes anything. */
static const enum action_kind order[] = {
    ACT_ROUTER_START, ACT_RESTART, ACT_PRESENCE,  ACT_REGISTER, ACT_MEND,
    ACT_ROUTER_MEND,  ACT_HEAR,    ACT_BEAT,      ACT_LOOK,     ACT_SEND_END,
    ACT_LEAVE,        ACT_GOODBYE, ACT_END,       ACT_START,    ACT_DONE,
    ACT_FETCH,        ACT_READ,    ACT_RECONCILE, ACT_MOVE,
};

static bool step_one(struct world *world, const struct actions *actions, enum action_kind kind)
{
    for (unsigned i = 0; i < actions->n; i++) {
        struct world next = *world;
        struct outcome outcome;

        if (actions->all[i].kind != kind)
            continue;
        action_take(&next, &actions->all[i], &outcome);
        if (memcmp(&next, world, sizeof next) != 0) {
            *world = next;
            return true;
        }
    }
    return false;
}

static bool step_any(struct world *world)
{
    struct actions actions;

    actions_find(world, &actions);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (step_one(world, &actions, order[i]))
            return true;
    }
    return false;
}

const char *check_end(const struct world *from, unsigned *ret_steps)
{
    const struct call undrain = {.kind = CALL_UNDRAIN};
    struct world world = *from;
    struct answer answer;
    const struct view *view;
    unsigned steps = 0;

    world.budget.faults = 0;
    world.n_control = world.has_cancel ? CONTROL_MAX : 0; /* nothing drains again */
    for (int i = 0; i < CONTROL_MAX; i++)
        world.control[i] = 1;
    world.redis = server_call(world.redis, &undrain, &answer);
    while (steps < STEPS_MAX && step_any(&world))
        steps++;
    *ret_steps = steps;
    view = world_view(&world);
    if (steps == STEPS_MAX)
        return "everything works, and it never comes to an end";
    if (view->requests.n || view->streams[0].n || view->streams[1].n || world_is_known(&world))
        return "everything works, and something is left over";
    if (world.submitted > 0 && view->terminals + world.gone_terminals != 1)
        return "everything works, and there is not exactly one terminal entry";
    return check_state(&world);
}
