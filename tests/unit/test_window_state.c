/* A request in the window: every event in every state, those that must not happen included. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"
#include "window.h"

#define NAMES 8

enum event { EVENT_TAKE = 0, EVENT_PUT_BACK, EVENT_END, EVENT_REMOVE, EVENT_COUNT };

static void (*const events[EVENT_COUNT])(struct window *, uint32_t) = {
    [EVENT_TAKE] = window_take,
    [EVENT_PUT_BACK] = window_put_back,
    [EVENT_END] = window_end,
    [EVENT_REMOVE] = window_remove,
};

static struct names names;
static struct window window;
static void *names_mem, *window_mem;

/* What the picture in window.h says; WINDOW_STATE_COUNT: a bug of the caller. */
static enum window_state rule(enum window_state state, enum event event)
{
    bool is_ours = state == WINDOW_MOVING || state == WINDOW_ENDING;

    switch (event) {
    case EVENT_TAKE:
        return state == WINDOW_WAITING ? WINDOW_MOVING : WINDOW_STATE_COUNT;
    case EVENT_PUT_BACK:
        return is_ours ? WINDOW_WAITING : WINDOW_STATE_COUNT;
    case EVENT_END:
        return state == WINDOW_WAITING || state == WINDOW_MOVING ? WINDOW_ENDING
                                                                 : WINDOW_STATE_COUNT;
    case EVENT_REMOVE:
        return state == WINDOW_FREE ? WINDOW_STATE_COUNT : WINDOW_FREE;
    case EVENT_COUNT:
        break;
    }
    return WINDOW_STATE_COUNT;
}

/* A window with one request in that state; its index. */
static uint32_t make(enum window_state state)
{
    const struct window_sizes sizes = {2, 0};
    const struct window_entry entry = {.id = {1000, 0},
                                       .request_id = span_str("r"),
                                       .model = span_str("m:latest"),
                                       .client = span_str("c"),
                                       .priority = REQUEST_NORMAL,
                                       .submitted_ms = 1000,
                                       .deadline_ms = 2000,
                                       .attempt = 1};

    names_mem = calloc(1, names_bytes(NAMES));
    window_mem = calloc(1, window_bytes(sizes, NAMES));
    assert_non_null(names_mem);
    assert_non_null(window_mem);
    names_init(&names, names_mem, NAMES);
    window_init(&window, window_mem, sizes, &names, 1);
    uint32_t index = window_add(&window, &entry, 5, 1000, 60000).index;
    if (state == WINDOW_MOVING)
        window_take(&window, index);
    if (state == WINDOW_ENDING)
        window_end(&window, index);
    if (state == WINDOW_FREE)
        window_remove(&window, index);
    return index;
}

static void unmake(void)
{
    free(window_mem);
    free(names_mem);
}

static enum window_state state_now(uint32_t index)
{
    const struct window_request *request = window_at(&window, index);

    return request ? request->state : WINDOW_FREE;
}

/* Is it in the order of service, and counted where it should be, and nowhere else? */
static void check_books(uint32_t index, enum window_state state)
{
    uint64_t open[NAMES_SET_WORDS(NAMES)];

    memset(open, 0xff, sizeof open);
    for (enum window_state s = WINDOW_WAITING; s < WINDOW_STATE_COUNT; s++)
        assert_int_equal(window_state_count(&window, s), s == state);
    assert_int_equal(window_count(&window), state != WINDOW_FREE);
    window_scan(&window);
    assert_int_equal(window_next(&window, open), state == WINDOW_WAITING ? index : WINDOW_NONE);
}

/* An assert ends the process, in every build. */
static bool ends_the_process(enum event event, uint32_t index)
{
    const struct rlimit no_core = {0, 0};
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        events[event](&window, index);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_every_event_in_every_state_leads_where_the_picture_says(void **state)
{
    (void)state;
    for (enum window_state s = WINDOW_FREE; s < WINDOW_STATE_COUNT; s++) {
        for (enum event event = EVENT_TAKE; event < EVENT_COUNT; event++) {
            enum window_state want = rule(s, event);
            uint32_t index = make(s);

            assert_int_equal(state_now(index), s);
            check_books(index, s);
            if (want == WINDOW_STATE_COUNT) {
                if (!ends_the_process(event, index))
                    fail_msg("state %u event %u is possible", (unsigned)s, (unsigned)event);
            } else {
                events[event](&window, index);
                assert_int_equal(state_now(index), want);
                check_books(index, want);
            }
            unmake();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_in_every_state_leads_where_the_picture_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
