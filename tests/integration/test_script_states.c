/* A request as Redis sees it, by exhaustion: every script in every state, by who holds the request
 * and by who does not (any more). What happens is told in one table.
 *
 * bury.lua is not among them: it is for entries that never were a request. */

#include <string.h>

#include "script_call.h"

/* Where r1 is. */
enum place {
    AT_UNREAD = 0,    /* on P:requests, no router has read it */
    AT_WAITING,       /* pending at rt1 */
    AT_BACK_UNREAD,   /* came back from n1, no router has read it */
    AT_BACK,          /* came back from n1, pending at rt1 */
    AT_NODE_UNREAD,   /* on the stream of n1, not delivered */
    AT_NODE,          /* delivered to n1 */
    AT_NODE_RUNNING,  /* and started */
    AT_END_FINISHED,  /* ended by n1 */
    AT_END_BY_ROUTER, /* ended by rt1 */
    PLACE_COUNT
};

enum event {
    EV_MOVE = 0,
    EV_END,
    EV_STATUS,
    EV_START,
    EV_CHUNK,
    EV_FINISH,
    EV_REQUEUE_STARTED,
    EV_REQUEUE_UNSTARTED,
    EV_TAKE_LOST,
    EV_TAKE_UNSTARTED,
    EV_CANCEL,
    EV_COUNT
};

/* The first word of the answer; NULL: "lost", and no byte changes. */
static const char *const table[PLACE_COUNT][EV_COUNT] = {
    [AT_UNREAD] = {[EV_CANCEL] = "marked"},
    [AT_WAITING] =
        {[EV_MOVE] = "moved", [EV_END] = "ended", [EV_STATUS] = "ok", [EV_CANCEL] = "marked"},
    [AT_BACK_UNREAD] = {[EV_CANCEL] = "queued"},
    [AT_BACK] =
        {[EV_MOVE] = "moved", [EV_END] = "ended", [EV_STATUS] = "ok", [EV_CANCEL] = "queued"},
    [AT_NODE_UNREAD] = {[EV_REQUEUE_UNSTARTED] = "requeued",
                        [EV_TAKE_LOST] = "requeued",
                        [EV_TAKE_UNSTARTED] = "requeued",
                        [EV_CANCEL] = "routed"},
    [AT_NODE] = {[EV_START] = "started",
                 [EV_CHUNK] = "ok", /* a group made anew has forgotten the start */
                 [EV_FINISH] = "finished",
                 [EV_REQUEUE_STARTED] = "requeued",
                 [EV_TAKE_LOST] = "requeued",
                 [EV_TAKE_UNSTARTED] = "started",
                 [EV_CANCEL] = "routed"},
    [AT_NODE_RUNNING] = {[EV_START] = "again",
                         [EV_CHUNK] = "ok",
                         [EV_FINISH] = "finished",
                         [EV_REQUEUE_STARTED] = "requeued",
                         [EV_TAKE_LOST] = "requeued",
                         [EV_TAKE_UNSTARTED] = "started",
                         [EV_CANCEL] = "running"},
    [AT_END_FINISHED] = {[EV_CANCEL] = "done"},
    [AT_END_BY_ROUTER] = {[EV_CANCEL] = "done"},
};

static bool is_back(enum place place)
{
    return place == AT_BACK || place == AT_BACK_UNREAD;
}

static const char *bring_back(struct redis_fixture *fx)
{
    const char *answered = CALL(fx, REQUEUE, .entry = submit_delivered(fx), .attempt = "2");

    assert_starts(answered, "requeued ");
    return answered + 9;
}

static const char *finish(struct redis_fixture *fx)
{
    const char *id = submit_started(fx);

    assert_string_equal(
        CALL(fx, FINISH, .entry = id, .event = "done", .more_args = LIST("type", "done")),
        "finished");
    return id;
}

/* Brings r1 there; the id of its entry, or of the last one it had. */
static const char *bring(struct redis_fixture *fx, enum place place)
{
    const char *id = "";

    switch (place) {
    case AT_UNREAD:
        return add_entry(fx, REQUESTS, LIST("request_id", "r1", "model", "m", "prompt", "hi"));
    case AT_WAITING:
        return submit(fx);
    case AT_BACK_UNREAD:
        return bring_back(fx);
    case AT_BACK:
        return submit_returned(fx);
    case AT_NODE_UNREAD:
        return submit_routed(fx);
    case AT_NODE:
        return submit_delivered(fx);
    case AT_NODE_RUNNING:
        return submit_started(fx);
    case AT_END_FINISHED:
        return finish(fx);
    case AT_END_BY_ROUTER:
        id = submit(fx);
        assert_string_equal(CALL(fx, END, .entry = id), "ended");
        break;
    case PLACE_COUNT:
        break;
    }
    return id;
}

static enum script script_of(enum event event)
{
    static const enum script scripts[EV_COUNT] = {
        [EV_MOVE] = SCRIPT_MOVE,
        [EV_END] = SCRIPT_END,
        [EV_STATUS] = SCRIPT_STATUS,
        [EV_START] = SCRIPT_START,
        [EV_CHUNK] = SCRIPT_CHUNK,
        [EV_FINISH] = SCRIPT_FINISH,
        [EV_REQUEUE_STARTED] = SCRIPT_REQUEUE,
        [EV_REQUEUE_UNSTARTED] = SCRIPT_REQUEUE,
        [EV_TAKE_LOST] = SCRIPT_TAKEBACK,
        [EV_TAKE_UNSTARTED] = SCRIPT_TAKEBACK,
        [EV_CANCEL] = SCRIPT_CANCEL,
    };

    return scripts[event];
}

/* The call of that event for the entry, by rt1 or by n1 in its newest epoch. */
static struct call call_of(enum place place, enum event event, const char *id)
{
    static const char *const chunk[] = {"type", "chunk", NULL};
    static const char *const done[] = {"type", "done", NULL};
    struct call call = {.entry = id,
                        .came_back = is_back(place) ? "1" : "0",
                        .attempt = is_back(place) ? "2" : "1",
                        .credit = "100",
                        .control_id = "2000000000000-0",
                        .control_ms = "2000000000000"};

    if (event == EV_STATUS || event == EV_CHUNK)
        call.more_args = chunk;
    if (event == EV_FINISH) {
        call.event = "done";
        call.more_args = done;
    }
    if (event == EV_TAKE_LOST)
        call.delivery = "lost";
    if (event == EV_REQUEUE_UNSTARTED || event == EV_TAKE_UNSTARTED)
        call.delivery = "unstarted";
    return call;
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* The invariants of ARCHITECTURE.md: one place or done, and one end at most, the last entry. */
static void check_invariants(struct redis_fixture *fx)
{
    const char *reply = stream_text(fx, CALLBACK), *job = hash_text(fx, JOB);
    unsigned places = (unsigned)(count_of(stream_text(fx, REQUESTS), "request_id=r1") +
                                 count_of(stream_text(fx, NODE), "request_id=r1"));
    unsigned ends = count_of(reply, "type=done") + count_of(reply, "type=error");
    const char *last = strrchr(reply, ';');

    assert_true(ends <= 1);
    assert_int_equal(places, ends == 1 ? 0 : 1);
    assert_int_equal(ends == 1, strstr(job, "state=done") != NULL);
    if (ends == 1 && last)
        assert_true(strstr(last, "type=done") || strstr(last, "type=error"));
}

/* What takes a request to another place takes it there once. */
static bool moves_on(const char *word)
{
    return strcmp(word, "moved") == 0 || strcmp(word, "ended") == 0 ||
           strcmp(word, "finished") == 0 || strcmp(word, "requeued") == 0;
}

static void try_event(void **state, enum place place, enum event event)
{
    struct redis_fixture *fx = *state;
    const char *want = table[place][event];

    (void)reset_world(state);
    struct call call = call_of(place, event, bring(fx, place));
    check_invariants(fx);
    if (want) {
        const char *got = script_run(fx, script_of(event), &call);
        if (strncmp(got, want, strlen(want)) != 0)
            fail_msg("place %u event %u: %s instead of %s", (unsigned)place, (unsigned)event, got,
                     want);
    }
    if (!want || moves_on(want))
        script_refuses(fx, "lost", script_of(event), &call);
    if (event == EV_CANCEL)
        script_refuses(fx, "seen", SCRIPT_CANCEL, &call);
    check_invariants(fx);
}

static void test_every_script_in_every_state_does_what_the_table_says(void **state)
{
    for (unsigned place = 0; place < PLACE_COUNT; place++) {
        for (unsigned event = 0; event < EV_COUNT; event++)
            try_event(state, (enum place)place, (enum event)event);
    }
}

/* Another router, or an earlier process of the node. takeback and cancel are anybody's. */
static void test_who_does_not_hold_a_request_changes_nothing_in_any_state(void **state)
{
    struct redis_fixture *fx = *state;

    for (unsigned place = 0; place < PLACE_COUNT; place++) {
        for (unsigned event = EV_MOVE; event < EV_TAKE_LOST; event++) {
            bool is_of_router = event <= EV_STATUS;

            (void)reset_world(state);
            struct call call =
                call_of((enum place)place, (enum event)event, bring(fx, (enum place)place));
            call.router = "rt2";
            call.epoch = "6";
            script_refuses(fx, is_of_router ? "lost" : "fenced", script_of((enum event)event),
                           &call);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_script_in_every_state_does_what_the_table_says),
        cmocka_unit_test(test_who_does_not_hold_a_request_changes_nothing_in_any_state),
    };

    return cmocka_run_group_tests(tests, redis_fixture_up, redis_fixture_down);
}
