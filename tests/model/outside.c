/* The client, the operator, time; and what all actors share. */

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "action.h"

/* --- for all -----------------------------------------------------------------------------------
 */

void actions_add(struct actions *actions, struct action action)
{
    assert(actions->n < ACTIONS_MAX);
    actions->all[actions->n++] = action;
}

void actions_add_lossy(const struct world *world, struct actions *actions, struct action action)
{
    actions_add(actions, action);
    action.is_lost = 1;
    if (world_may(world, DISTURB_ANSWER) && !world->budget.lost)
        actions_add(actions, action);
}

bool told(const struct outcome *outcome, const char *word)
{
    return strcmp(outcome->answer.word, word) == 0;
}

/* True if it said `word`, or anything if that is NULL. */
bool ask(struct world *world, const struct call *call, struct outcome *outcome, const char *word)
{
    outcome->call = *call;
    outcome->before = world->redis;
    world->redis = server_call(world->redis, call, &outcome->answer);
    return !word || told(outcome, word);
}

bool says_lost(const struct world *world, const struct call *call)
{
    struct answer answer;

    (void)server_call(world->redis, call, &answer);
    return answer.is_same && strcmp(answer.word, "lost") == 0;
}

/* --- outside -----------------------------------------------------------------------------------
 */

/* Nothing of the request is left on any stream. */
static bool is_over(const struct world *world)
{
    const struct view *view = world_view(world);

    return view->requests.n == 0 && view->streams[0].n == 0 && view->streams[1].n == 0;
}

static bool may_cancel(const struct world *world)
{
    return world_may(world, DISTURB_CANCEL) && world->n_control < CONTROL_MAX && !world->has_cancel;
}

void actions_find_outside(const struct world *world, struct actions *actions)
{
    const struct view *view = world_view(world);
    bool has_room = world->n_control < CONTROL_MAX;
    bool may_expire = view->terminals > 0 ? is_over(world) : view->job_ttl == TTL_SHORT;

    if (world->submitted == 0 ||
        (world_may(world, DISTURB_RESUBMIT) && world->submitted < 2 && world->gone_terminals == 0))
        actions_add(actions, (struct action){.kind = ACT_SUBMIT});
    if (may_cancel(world))
        actions_add(actions, (struct action){.kind = ACT_CANCEL});
    if (world_may(world, DISTURB_DRAIN) && has_room && world->n_control == world->has_cancel) {
        actions_add(actions, (struct action){.kind = ACT_DRAIN, .node = 0});
        actions_add(actions, (struct action){.kind = ACT_DRAIN, .node = 1});
    }
    if (world_may(world, DISTURB_LATE) && !world->is_late && world->submitted > 0)
        actions_add(actions, (struct action){.kind = ACT_LATE});
    if (world_may(world, DISTURB_EXPIRE) && !world->is_expired && view->job_ttl >= TTL_SET &&
        may_expire)
        actions_add(actions, (struct action){.kind = ACT_EXPIRE});
    for (uint8_t i = 0; i <= NODES; i++) {
        const struct stream_view *stream = i < NODES ? &view->streams[i] : &view->requests;

        if (world_may(world, DISTURB_GROUP) && !world->budget.group_gone && stream->exists == 1 &&
            stream->n > 0)
            actions_add(actions, (struct action){.kind = ACT_GROUP_GONE, .node = i});
    }
}

void action_take_outside(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct call call = {.kind = CALL_SUBMIT,
                        .era = (uint8_t)((world->has_cancel ? ERA_AFTER_CANCEL : 0) |
                                         (world->is_late ? ERA_AFTER_DEADLINE : 0))};

    if (action->kind != ACT_SUBMIT || world->submitted > 0)
        world->budget.faults--;
    if (action->kind == ACT_SUBMIT) {
        world->submitted++;
        (void)ask(world, &call, outcome, NULL);
    } else if (action->kind == ACT_CANCEL) {
        world->has_cancel = 1;
        world->control[world->n_control++] = 1;
    } else if (action->kind == ACT_DRAIN) {
        world->control[world->n_control++] = (uint8_t)(2 + action->node);
    } else if (action->kind == ACT_LATE) {
        world->is_late = 1;
        call = (struct call){.kind = CALL_LATE};
        (void)ask(world, &call, outcome, NULL);
    } else if (action->kind == ACT_GROUP_GONE) {
        world->budget.group_gone = 1;
        call = (struct call){.kind = CALL_GROUP_GONE, .node = action->node};
        (void)ask(world, &call, outcome, NULL);
    } else {
        call = (struct call){.kind = CALL_EXPIRE};
        world->is_expired = 1;
        world->gone_terminals = world_view(world)->terminals;
        (void)ask(world, &call, outcome, NULL);
    }
}

/* --- all ---------------------------------------------------------------------------------------
 */

/* What can still happen to a request that is over: a cancel that comes too late. */
static void find_late_cancels(const struct world *world, struct actions *actions)
{
    if (may_cancel(world))
        actions_add(actions, (struct action){.kind = ACT_CANCEL});
    for (uint8_t i = 0; i < ROUTERS; i++) {
        if (world->routers[i].is_up && world->routers[i].heard < world->n_control)
            actions_add_lossy(world, actions, (struct action){.kind = ACT_HEAR, .who = i});
        else if (!world->routers[i].is_up && world->n_control > 0)
            actions_add(actions, (struct action){.kind = ACT_ROUTER_START, .who = i});
    }
}

void actions_find(const struct world *world, struct actions *actions)
{
    actions->n = 0;
    if (!limits.is_plain && world_is_over(world)) {
        find_late_cancels(world, actions);
        return;
    }
    actions_find_outside(world, actions);
    for (uint8_t i = 0; i < ROUTERS; i++)
        actions_find_router(world, i, actions);
    for (uint8_t i = 0; i < NODES; i++) {
        for (uint8_t p = 0; p < PROCESSES; p++)
            actions_find_worker(world, i, p, actions);
    }
}

void action_take(struct world *world, const struct action *action, struct outcome *outcome)
{
    *outcome = (struct outcome){.call.kind = CALL_COUNT, .before = world->redis};
    if (action->is_lost) {
        world->budget.faults--;
        world->budget.lost = 1;
    }
    if (action->kind < ACT_READ)
        action_take_outside(world, action, outcome);
    else if (action->kind < ACT_REGISTER)
        action_take_router(world, action, outcome);
    else
        action_take_worker(world, action, outcome);
    world_rename_ids(world);
    if (limits.is_plain)
        return;
    for (uint8_t i = 0; i < ROUTERS; i++)
        router_learn(world, i);
    for (uint8_t i = 0; i < NODES; i++) {
        for (uint8_t p = 0; p < PROCESSES; p++)
            worker_learn(world, i, p);
    }
}

static const char *const texts[ACT_COUNT] = {
    [ACT_SUBMIT] = "the client submits r1",
    [ACT_CANCEL] = "the client cancels r1",
    [ACT_DRAIN] = "the operator drains",
    [ACT_LATE] = "the deadline passes",
    [ACT_EXPIRE] = "the times to live of job and reply pass",
    [ACT_GROUP_GONE] = "the operator destroys a consumer group",
    [ACT_READ] = "reads new entries",
    [ACT_RECONCILE] = "finds an entry pending at itself",
    [ACT_MOVE] = "moves it",
    [ACT_END] = "ends it",
    [ACT_STATUS] = "writes its status",
    [ACT_HEAR] = "applies a control entry",
    [ACT_TAKE_BACK] = "takes back",
    [ACT_ADOPT] = "adopts the other router's entries",
    [ACT_PRESENCE] = "shows that it is there",
    [ACT_FORGET] = "forgets the node",
    [ACT_ROUTER_MEND] = "makes the group again",
    [ACT_ROUTER_CRASH] = "crashes",
    [ACT_ROUTER_START] = "starts again",
    [ACT_ROUTER_OLD] = "has not been heard of for long",
    [ACT_REGISTER] = "registers",
    [ACT_LOOK] = "looks at what is pending here",
    [ACT_FETCH] = "reads its stream",
    [ACT_START] = "starts it",
    [ACT_CHUNK] = "writes a chunk",
    [ACT_DONE] = "has the answer, and sends it",
    [ACT_FAIL] = "fails, and sends it back",
    [ACT_REFUSE] = "cannot take it now, and sends it back",
    [ACT_ABORT] = "has no time left to finish it, and sends it back",
    [ACT_TOO_LATE] = "sees the deadline pass",
    [ACT_TOLD] = "hears of the cancel",
    [ACT_SEND_END] = "sends how it ended",
    [ACT_BEAT] = "beats",
    [ACT_MEND] = "makes its group again",
    [ACT_STOP] = "is told to stop",
    [ACT_LEAVE] = "gives back what it was never given",
    [ACT_GOODBYE] = "says goodbye",
    [ACT_CRASH] = "crashes",
    [ACT_ZOMBIE] = "is started once more, while the old process goes on",
    [ACT_RESTART] = "is started again",
    [ACT_NODE_OLD] = "has not been heard of for long",
};

void action_text(const struct action *action, const struct outcome *outcome, char *buf,
                 unsigned size)
{
    const char *node = action->node < NODES ? node_names[action->node] : "requests", *sent = "",
               *sentence = texts[action->kind];
    char who[48] = "";

    if (action->kind >= ACT_REGISTER)
        (void)snprintf(who, sizeof who, "worker %s%s ", node,
                       action->process ? " (the old process)" : "");
    else if (action->kind >= ACT_READ)
        (void)snprintf(who, sizeof who, "router %s ", router_names[action->who]);
    if (outcome->call.kind == CALL_OF(SCRIPT_REQUEUE) ||
        outcome->call.kind == CALL_OF(SCRIPT_FINISH) || outcome->call.kind == CALL_OF(SCRIPT_END))
        sent = ending_name((enum ending)outcome->call.how);
    else if (action->kind == ACT_MOVE || action->kind == ACT_DRAIN ||
             action->kind == ACT_GROUP_GONE || action->kind == ACT_FORGET)
        sent = node;
    else if (action->kind == ACT_TAKE_BACK)
        sent = action->how ? "lost" : "unstarted";
    (void)snprintf(buf, size, "%s%s%s%s%s%s%s%s%s", who, sentence, *sent ? " (" : "", sent,
                   *sent ? ")" : "", action->kind == ACT_TAKE_BACK ? " from " : "",
                   action->kind == ACT_TAKE_BACK ? node : "",
                   outcome->call.kind == CALL_COUNT ? "" : " -> ",
                   outcome->call.kind == CALL_COUNT ? "" : outcome->answer.word);
    if (action->is_lost)
        (void)snprintf(buf + strlen(buf), size - (unsigned)strlen(buf), ", which it never hears");
}
