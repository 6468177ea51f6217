/* What a worker process does: session.c, reconcile.c, feed.c, jobs.c, publish.c, beat.c, leave.c.
 */

#include <string.h>

#include "action.h"

/* --- what is possible --------------------------------------------------------------------------
 */

/* The first entry that is pending at the node and that this process does not hold; 0: none. */
static uint8_t unknown_pending(const struct world *world, const struct action *action)
{
    const struct stream_view *stream = &world_view(world)->streams[action->node];
    const struct process *process = &world->processes[action->node][action->process];

    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++) {
        if (stream->entries[i].holder && stream->entries[i].id != process->entry.id)
            return stream->entries[i].id;
    }
    return 0;
}

static bool hears_cancel(const struct world *world, const struct process *process)
{
    return world->has_cancel && era_is_cancelled(process->entry.era);
}

static void find_job(const struct world *world, struct action action, struct actions *actions)
{
    const struct process *process = &world->processes[action.node][action.process];
    bool runs = process->job == JOB_RUNS, is_here = process->job == JOB_HERE;
    bool may_fail = world_may(world, DISTURB_FAIL) && !world->budget.failed;
    const struct {
        enum action_kind kind;
        bool is_possible, is_lossy;
    } rows[] = {
        {ACT_START, is_here && !process->stops, true},
        {ACT_CHUNK, runs, true},
        {ACT_DONE, runs, true},
        {ACT_FAIL, runs && may_fail, false},
        {ACT_REFUSE, is_here && may_fail, false},
        {ACT_ABORT, runs && process->stops, false},
        {ACT_TOO_LATE, runs && world_is_late(world, process->entry.era), false},
        {ACT_TOLD, (runs || is_here) && hears_cancel(world, process), false},
        {ACT_SEND_END, process->job == JOB_ENDS, true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        action.kind = (uint8_t)rows[i].kind;
        if (rows[i].is_possible && rows[i].is_lossy)
            actions_add_lossy(world, actions, action);
        else if (rows[i].is_possible)
            actions_add(actions, action);
    }
}

static void find_leave(const struct world *world, struct action action, struct actions *actions)
{
    const struct stream_view *stream = &world_view(world)->streams[action.node];
    const struct process *process = &world->processes[action.node][action.process];

    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++) {
        action.kind = ACT_LEAVE;
        action.what = stream->entries[i].id;
        if (process->entry.id != action.what)
            actions_add(actions, action);
    }
    action.kind = ACT_GOODBYE;
    if (process->job == JOB_NOTHING)
        actions_add(actions, action);
}

static void find_session(const struct world *world, struct action action, struct actions *actions)
{
    const struct process *process = &world->processes[action.node][action.process];
    const struct view *view = world_view(world);
    const struct stream_view *stream = &view->streams[action.node];
    bool is_free = process->job == JOB_NOTHING;
    bool is_looking = process->state == PROCESS_LOOKING;

    action.kind = ACT_LOOK;
    if (is_free ? is_looking || unknown_pending(world, &action) : is_looking)
        actions_add(actions, action);
    action.kind = ACT_FETCH;
    if (process->state == PROCESS_OPEN && is_free && stream->delivered < stream->last)
        actions_add_lossy(world, actions, action);
    action.kind = ACT_BEAT;
    if (process->job == JOB_HERE || process->job == JOB_RUNS ||
        view->nodes[action.node].health != FRESH_NOW ||
        view->nodes[action.node].is_unavailable != process->stops)
        actions_add(actions, action);
    action.kind = ACT_MEND;
    if (stream->exists != 1)
        actions_add(actions, action);
    action.kind = ACT_STOP;
    if (!process->stops && world_may(world, DISTURB_STOP) &&
        !(world->budget.nodes_stopped >> action.node & 1))
        actions_add(actions, action);
}

static void find_node(const struct world *world, uint8_t node, struct actions *actions)
{
    const struct budget *budget = &world->budget;
    const struct process *now = &world->processes[node][0];
    struct action action = {.node = node};
    bool is_gone = now->state == PROCESS_GONE && world->processes[node][1].state == PROCESS_GONE;

    action.kind = ACT_RESTART;
    if (now->state == PROCESS_GONE)
        actions_add(actions, action);
    if (now->state != PROCESS_GONE && !(budget->nodes_crashed >> node & 1)) {
        action.kind = ACT_CRASH;
        if (world_may(world, DISTURB_CRASH))
            actions_add(actions, action);
        action.kind = ACT_ZOMBIE;
        if (world_may(world, DISTURB_ZOMBIE))
            actions_add(actions, action);
    }
    action.kind = ACT_NODE_OLD;
    if (world_view(world)->nodes[node].health == FRESH_NOW &&
        (is_gone || (world_may(world, DISTURB_SILENT) && !(budget->nodes_old >> node & 1))))
        actions_add(actions, action);
}

void actions_find_worker(const struct world *world, uint8_t node, uint8_t process,
                         struct actions *actions)
{
    const struct process *me = &world->processes[node][process];
    struct action action = {.node = node, .process = process};

    if (process == 0)
        find_node(world, node, actions);
    if (me->state == PROCESS_GONE)
        return;
    if (me->state == PROCESS_NEW) {
        action.kind = ACT_REGISTER;
        actions_add_lossy(world, actions, action);
        return;
    }
    find_session(world, action, actions);
    find_job(world, action, actions);
    if (me->stops)
        find_leave(world, action, actions);
}

/* --- what happens ------------------------------------------------------------------------------
 */

static void job_drop(struct process *process)
{
    process->job = JOB_NOTHING;
    process->ending = ENDING_NONE;
    process->start_sent = 0;
    process->entry = (struct known){0};
}

/* An epoch that is no longer ours: the beat tells, and the process ends. */
static void process_end(struct process *process)
{
    *process = (struct process){0};
}

static void job_end(struct process *process, enum ending how)
{
    process->job = JOB_ENDS;
    process->ending = (uint8_t)how;
}

static struct call call_of(const struct world *world, const struct action *action,
                           enum script script)
{
    const struct process *process = &world->processes[action->node][action->process];

    return (struct call){.kind = (uint8_t)CALL_OF(script),
                         .node = action->node,
                         .entry = process->entry.id,
                         .attempt = process->entry.attempt,
                         .tried = process->entry.tried,
                         .era = process->entry.era,
                         .epoch = process->epoch};
}

static bool gives_back(enum ending how)
{
    return how == ENDING_FAILED || how == ENDING_PAST || how == ENDING_GIVEN_BACK ||
           how == ENDING_UNSTARTED;
}

/* finish.lua or requeue.lua; until Redis has taken it, it is sent again. */
static void send_end(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    bool is_back = gives_back((enum ending)process->ending);
    struct call call = call_of(world, action, is_back ? SCRIPT_REQUEUE : SCRIPT_FINISH);

    call.how = process->ending;
    if (!ask(world, &call, outcome, NULL) || action->is_lost)
        return;
    if (told(outcome, "fenced"))
        process_end(process);
    else if (told(outcome, "cancelled"))
        job_end(process, ENDING_CANCELLED);
    else if (outcome->answer.word[0] != '!')
        job_drop(process);
}

static void start(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_START);

    call.is_late = world_is_late(world, process->entry.era);
    call.how = process->start_sent;
    process->start_sent = 1;
    if (!ask(world, &call, outcome, NULL) || action->is_lost)
        return;
    if (told(outcome, "started"))
        process->job = JOB_RUNS;
    else if (told(outcome, "again"))
        job_end(process, ENDING_PAST);
    else if (told(outcome, "lost"))
        job_drop(process);
    else if (told(outcome, "fenced"))
        process_end(process);
    else if (told(outcome, "cancelled"))
        job_end(process, ENDING_CANCELLED);
    else if (told(outcome, "expired"))
        job_end(process, ENDING_EXPIRED);
}

static void chunk(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_CHUNK);

    if (!ask(world, &call, outcome, NULL) || action->is_lost)
        return;
    if (told(outcome, "lost"))
        job_drop(process);
    else if (told(outcome, "fenced"))
        process_end(process);
    else if (told(outcome, "cancelled"))
        job_end(process, ENDING_CANCELLED);
}

static void beat(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_BEAT);

    call.how = process->stops;
    if (process->job != JOB_HERE && process->job != JOB_RUNS)
        call.entry = 0;
    if (!ask(world, &call, outcome, NULL))
        return;
    if (told(outcome, "fenced")) {
        process_end(process);
    } else if (told(outcome, "unregistered")) {
        process->state = PROCESS_NEW;
    } else if (call.entry && outcome->answer.number == VERDICT_LOST) {
        job_drop(process);
    } else if (call.entry && outcome->answer.number == VERDICT_CANCEL) {
        job_end(process, ENDING_CANCELLED);
    }
}

/* One entry of the look at what is pending here. */
static void look(struct world *world, const struct action *action)
{
    struct process *process = &world->processes[action->node][action->process];
    uint8_t id = unknown_pending(world, action);

    if (id == 0) {
        process->state = PROCESS_OPEN;
        return;
    }
    if (process->job != JOB_NOTHING)
        return;
    process->entry = known_on(&world_view(world)->streams[action->node], id);
    process->job = JOB_HERE;
    if (process->state == PROCESS_LOOKING)
        job_end(process, ENDING_PAST);
    else if (process->stops)
        job_end(process, ENDING_GIVEN_BACK);
}

/* The blocking read that was sent before the order to stop may still be given an entry. */
static void fetch(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = {.kind = CALL_FETCH, .node = action->node};

    if (!ask(world, &call, outcome, "entry") || action->is_lost || process->stops)
        return;
    process->entry = known_on(&world_view(world)->streams[action->node], outcome->answer.number);
    process->job = JOB_HERE;
}

static void register_node(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_REGISTER);

    if (!ask(world, &call, outcome, "ok") || action->is_lost)
        return;
    process->state = process->epoch ? PROCESS_OPEN : PROCESS_LOOKING;
    process->epoch = world_view(world)->nodes[action->node].epoch;
}

static void leave(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_REQUEUE);
    struct known entry = known_on(&world_view(world)->streams[action->node], action->what);

    call.entry = entry.id;
    call.attempt = entry.attempt;
    call.tried = entry.tried;
    call.era = entry.era;
    call.how = ENDING_UNSTARTED;
    (void)ask(world, &call, outcome, "requeued");
    if (told(outcome, "fenced"))
        process_end(process);
}

static void goodbye(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *process = &world->processes[action->node][action->process];
    struct call call = call_of(world, action, SCRIPT_GOODBYE);

    (void)ask(world, &call, outcome, "ok");
    if (told(outcome, "ok") || told(outcome, "fenced"))
        process_end(process);
}

static void stop(struct process *process)
{
    process->stops = 1;
    if (process->job == JOB_HERE)
        job_end(process, ENDING_GIVEN_BACK);
}

static void come_and_go(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct process *processes = world->processes[action->node];
    uint8_t bit = (uint8_t)(1U << action->node);
    struct call old = {.kind = CALL_HEALTH_OLD, .node = action->node};
    bool is_gone = processes[0].state == PROCESS_GONE && processes[1].state == PROCESS_GONE;

    if (action->kind == ACT_RESTART) {
        processes[0] = (struct process){.state = PROCESS_NEW};
    } else if (action->kind == ACT_CRASH || action->kind == ACT_ZOMBIE) {
        if (action->kind == ACT_ZOMBIE)
            processes[1] = processes[0];
        processes[0] =
            (struct process){.state = action->kind == ACT_ZOMBIE ? PROCESS_NEW : PROCESS_GONE};
        world->budget.faults--;
        world->budget.nodes_crashed |= bit;
    } else if (action->kind == ACT_STOP) {
        stop(&processes[action->process]);
        world->budget.faults--;
        world->budget.nodes_stopped |= bit;
    } else {
        (void)ask(world, &old, outcome, NULL);
        world->budget.faults = (uint8_t)(world->budget.faults - !is_gone);
        world->budget.nodes_old |= bit;
    }
}

/* The ends that are decided here; each is sent at once. */
static bool decide(struct world *world, const struct action *action)
{
    struct process *process = &world->processes[action->node][action->process];

    if (action->kind == ACT_DONE) {
        job_end(process, ENDING_DONE);
    } else if (action->kind == ACT_FAIL || action->kind == ACT_REFUSE) {
        world->budget.faults--;
        world->budget.failed = 1;
        job_end(process, action->kind == ACT_FAIL ? ENDING_FAILED : ENDING_GIVEN_BACK);
    } else if (action->kind == ACT_ABORT) {
        job_end(process, ENDING_PAST);
    } else if (action->kind == ACT_TOO_LATE) {
        job_end(process, ENDING_EXPIRED);
    } else if (action->kind == ACT_TOLD) {
        job_end(process, ENDING_CANCELLED);
    }
    return action->kind == ACT_DONE || action->kind == ACT_FAIL || action->kind == ACT_REFUSE ||
           action->kind == ACT_ABORT || action->kind == ACT_SEND_END;
}

static void learn_loss(struct world *world, const struct action *action, struct process *process)
{
    const struct stream_view *stream = &world_view(world)->streams[action->node];
    struct call begin = call_of(world, action, SCRIPT_START);
    struct call end = call_of(world, action, SCRIPT_FINISH);

    end.how = ENDING_DONE;
    if (known_on(stream, process->entry.id).id == 0 && says_lost(world, &begin) &&
        says_lost(world, &end))
        job_drop(process);
}

/* Nobody but this process itself can make anything pending here. */
static void learn_nothing_is_left(const struct world *world, uint8_t node, struct process *process)
{
    const struct stream_view *stream = &world_view(world)->streams[node];
    bool is_alone = !(limits.kinds >> DISTURB_ZOMBIE & 1);

    for (uint8_t i = 0; i < stream->n && i < SLOTS; i++)
        is_alone = is_alone && !stream->entries[i].holder;
    if (is_alone)
        process->state = PROCESS_OPEN;
}

void worker_learn(struct world *world, uint8_t node, uint8_t number)
{
    const struct action action = {.node = node, .process = number};
    struct process *process = &world->processes[node][number];

    if (process->job != JOB_NOTHING)
        learn_loss(world, &action, process);
    else if (process->state == PROCESS_LOOKING)
        learn_nothing_is_left(world, node, process);
}

void action_take_worker(struct world *world, const struct action *action, struct outcome *outcome)
{
    struct call mend = {.kind = CALL_GROUP, .node = action->node};

    if (decide(world, action)) {
        send_end(world, action, outcome);
    } else if (action->kind == ACT_REGISTER) {
        register_node(world, action, outcome);
    } else if (action->kind == ACT_LOOK) {
        look(world, action);
    } else if (action->kind == ACT_FETCH) {
        fetch(world, action, outcome);
    } else if (action->kind == ACT_START) {
        start(world, action, outcome);
    } else if (action->kind == ACT_CHUNK) {
        chunk(world, action, outcome);
    } else if (action->kind == ACT_BEAT) {
        beat(world, action, outcome);
    } else if (action->kind == ACT_MEND) {
        (void)ask(world, &mend, outcome, NULL);
    } else if (action->kind == ACT_LEAVE) {
        leave(world, action, outcome);
    } else if (action->kind == ACT_GOODBYE) {
        goodbye(world, action, outcome);
    } else if (action->kind != ACT_TOLD && action->kind != ACT_TOO_LATE) {
        come_and_go(world, action, outcome);
    }
}
