/*
 * A long random life of a fleet is recorded and played again: every decision must be the same, bit
 * for bit. And it must be the same on every machine: the hash of the record is a golden figure,
 * which scripts/test-arm64 compares under qemu.
 */

#include <errno.h>

#include "common/err.h"
#include "common/span.h"

#include "policy_fixture.h"
#include "policy_replay.h"
#include "tap.h"

#define STEPS  1500 /* of each policy; qemu runs them too */
#define GOLDEN UINT64_C(0x61185a4b0702f7ce)

struct text {
    char *at;
    size_t len, cap;
};

static void on_line(const char *line, size_t len, void *arg)
{
    struct text *text = arg;

    if (text->len + len + 1 > text->cap) {
        text->cap = 2 * (text->len + len + 1);
        text->at = realloc(text->at, text->cap);
        assert_non_null(text->at);
    }
    memcpy(text->at + text->len, line, len);
    text->at[text->len + len] = '\n';
    text->len += len + 1;
}

/* --- a life ------------------------------------------------------------------------------------
 */

struct life {
    struct fix f;
    struct text text;
    struct tap tap;
    uint64_t random;
    bool is_up[FIX_NODES];
    int64_t until_ms[FIX_NODES]; /* end of the request there; 0 = idle */
    int model[FIX_NODES];
    uint64_t session[FIX_NODES];
    int preload[FIX_NODES]; /* model being loaded, or -1 */
    int resident[FIX_NODES];
    double temp_c[FIX_NODES];
    unsigned moves, keeps, preloads;
};

static uint32_t roll(struct life *life, uint32_t n)
{
    life->random = life->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((life->random >> 33) % n);
}

static void hear(struct life *life, uint32_t node)
{
    struct fix *f = &life->f;

    for (int m = 0; m < FIX_MODELS; m++)
        f->installed[node][m].is_resident = m == life->resident[node];
    f->heard[node].temp_mc = (int32_t)(life->temp_c[node] * 1000.0);
    fix_hear(f, node);
}

static void raise_node(struct life *life, uint32_t node)
{
    struct fix *f = &life->f;

    fix_node(f, node);
    f->heard[node].board = node % 3 == 0 ? POLICY_BOARD_PI4 : POLICY_BOARD_PI5;
    for (int m = 0; m < FIX_MODELS; m++) {
        f->installed[node][m].gen_tps_milli = 2000 + (int64_t)roll(life, 9000);
        f->installed[node][m].prompt_tps_milli = 9000 + (int64_t)roll(life, 60000);
        f->installed[node][m].load_ms = 4000 + (int64_t)roll(life, 30000);
    }
    life->resident[node] = (int)roll(life, FIX_MODELS + 1) - 1;
    life->preload[node] = -1;
    life->temp_c[node] = 40.0 + (double)roll(life, 30);
    life->is_up[node] = true;
    hear(life, node);
    policy_verdict(f->policy, node, POLICY_MAY_WORK, false, f->now_ms);
}

static void fall(struct life *life, uint32_t node)
{
    policy_verdict(life->f.policy, node, POLICY_LOST, false, life->f.now_ms);
    policy_lost(life->f.policy, node, life->f.now_ms);
    life->is_up[node] = false;
    life->until_ms[node] = 0;
}

static void obey(struct life *life)
{
    struct policy_decision d;

    while (policy_next(life->f.policy, life->f.now_ms, &d)) {
        const struct window_request *r;
        switch (d.act) {
        case POLICY_MOVE:
            r = window_at(&life->f.window, d.request);
            life->session[d.node] = r->session_hash;
            window_take(&life->f.window, d.request);
            if (roll(life, 40) == 0) { /* Redis says no */
                window_put_back(&life->f.window, d.request);
                policy_refused(life->f.policy, d.request, d.node, life->f.now_ms);
                continue;
            }
            window_remove(&life->f.window, d.request);
            life->until_ms[d.node] = life->f.now_ms + 2000 + (int64_t)roll(life, 60000);
            for (int m = 0; m < FIX_MODELS; m++) {
                if (life->f.model[m] == d.model)
                    life->model[d.node] = life->resident[d.node] = m;
            }
            life->moves++;
            break;
        case POLICY_PRELOAD:
            life->until_ms[d.node] = life->f.now_ms + 3000 + (int64_t)roll(life, 30000);
            for (int m = 0; m < FIX_MODELS; m++) {
                if (life->f.model[m] == d.model)
                    life->preload[d.node] = m;
            }
            life->preloads++;
            break;
        case POLICY_KEEP:
            life->keeps++;
            break;
        case POLICY_NOTHING:
            fail();
        }
    }
}

static void finish(struct life *life, uint32_t node)
{
    struct fix *f = &life->f;
    int64_t now_ms = f->now_ms;

    if (!life->is_up[node] || life->until_ms[node] == 0 || now_ms < life->until_ms[node])
        return;
    life->until_ms[node] = 0;
    if (life->preload[node] >= 0) {
        life->resident[node] = life->preload[node];
        policy_preloaded(f->policy, node, f->model[life->preload[node]], true, now_ms);
        life->preload[node] = -1;
        return;
    }
    fix_done(f, node, life->model[node], life->session[node], 1000 + (int64_t)roll(life, 50000));
}

/* One roll at a time: in what order arguments are worked out is the compiler's choice. */
static void ask(struct life *life)
{
    struct window_entry entry = {.priority = (enum request_priority)roll(life, 3)};
    int model = (int)roll(life, FIX_MODELS);

    if (roll(life, 4) > 0)
        entry.session_hash = 1 + roll(life, 60);
    entry.prompt_tokens = 8 + roll(life, 900);
    if (roll(life, 2) == 0)
        entry.output_tokens_max = 1 + roll(life, 400);
    (void)fix_ask_entry(&life->f, model, entry);
}

static void step(struct life *life, int k)
{
    struct fix *f = &life->f;
    uint32_t node = roll(life, FIX_NODES);

    f->now_ms += 100 + (int64_t)roll(life, 900);
    for (uint32_t i = 0; i < FIX_NODES; i++)
        finish(life, i);
    if (roll(life, 3) == 0 && window_room(&f->window) > 0)
        ask(life);
    if (life->is_up[node]) {
        life->temp_c[node] += life->until_ms[node] ? 1.5 : -2.0;
        if (life->temp_c[node] > 86.0 || life->temp_c[node] < 40.0)
            life->temp_c[node] = 60.0;
        hear(life, node);
    }
    if (k % 150 == 149 && life->is_up[node])
        fall(life, node);
    if (k % 40 == 0 && !life->is_up[node])
        raise_node(life, node);
    (void)window_age(&f->window, f->now_ms, 60000);
    obey(life);
}

static void live(struct life *life, enum policy_kind kind)
{
    memset(life, 0, sizeof *life);
    fix_make(&life->f);
    life->random = 7;
    life->tap = (struct tap){on_line, &life->text};
    policy_tap(life->f.policy, &life->tap);
    life->f.settings.kind = kind;
    policy_settings_set(life->f.policy, &life->f.settings);
    for (uint32_t i = 0; i < FIX_NODES; i++)
        raise_node(life, i);
    for (int k = 0; k < STEPS; k++)
        step(life, k);
}

static void unlive(struct life *life)
{
    fix_free(&life->f);
    free(life->text.at);
}

/* --- tests --------------------------------------------------------------------------------------
 */

static struct policy_replay replay; /* of the last play() */
static void *replay_memory;

static int play(const struct text *text, bool expect_same)
{
    struct span rest = {text->at, text->len};
    const char *end = memchr(rest.ptr, '\n', rest.len);
    struct span header = {rest.ptr, (size_t)(end - rest.ptr)};
    size_t bytes = policy_replay_bytes(header);
    struct err err;
    int rc = 0, differs = 0;

    free(replay_memory);
    replay_memory = fix_zeroed(bytes);
    policy_replay_begin(&replay, replay_memory, header);
    rest = (struct span){end + 1, rest.len - header.len - 1};
    while (rest.len > 0) {
        end = memchr(rest.ptr, '\n', rest.len);
        struct span line = {rest.ptr, (size_t)(end - rest.ptr)};
        rc = policy_replay_line(&replay, line, &err);
        if (rc < 0 || (rc > 0 && expect_same))
            fail_msg("line %llu: %s", (unsigned long long)replay.lines, err.msg);
        differs += rc > 0;
        rest = (struct span){end + 1, rest.len - line.len - 1};
    }
    return differs;
}

static void every_decision_of_a_record_is_made_again(void **state)
{
    (void)state;
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        static struct life life;

        live(&life, (enum policy_kind)kind);
        assert_true(life.moves > 250);
        if (kind == POLICY_LATE)
            assert_true(life.keeps > 100 && life.preloads > 0);
        assert_int_equal(play(&life.text, true), 0);
        assert_true(replay.decisions >= life.moves);
        unlive(&life);
    }
}

static void the_record_is_the_same_on_every_machine(void **state)
{
    static struct life life;

    (void)state;
    live(&life, POLICY_LATE);
    uint64_t hash = span_hash((struct span){life.text.at, life.text.len});
    if (hash != GOLDEN)
        fail_msg("the record's hash is 0x%016llx: the policy decides otherwise than it did",
                 (unsigned long long)hash);
    unlive(&life);
}

static void a_record_that_was_changed_is_noticed(void **state)
{
    static struct life life;
    char *at;

    (void)state;
    live(&life, POLICY_LATE);
    /* the answer of one request took longer than was recorded */
    at = life.text.at;
    for (int i = 0; i < 40; i++)
        at = strstr(at + 1, "\nleft ");
    assert_non_null(at);
    at = strstr(at, " 1 0 ") + 5;
    *at = *at == '9' ? '1' : '9';
    assert_true(play(&life.text, false) > 0);
    unlive(&life);
}

static void hear_all(struct life *life, uint32_t installed_n)
{
    for (uint32_t node = 0; node < FIX_NODES; node++) {
        life->f.heard[node].installed_n = installed_n;
        if (life->is_up[node]) {
            hear(life, node);
        } else {
            policy_forget(life->f.policy, node, life->f.now_ms);
        }
    }
}

/* Nobody has the model any more: who waits for it is answered, and its name is free. */
static void end_waiting(struct life *life, uint32_t model)
{
    struct window *window = &life->f.window;

    for (uint32_t i = 0; i < window->sizes.capacity; i++) {
        const struct window_request *r = window_at(window, i);
        if (r && r->state == WINDOW_WAITING && r->model == model) {
            window_end(window, i);
            window_remove(window, i);
        }
    }
}

/* The last model leaves all nodes; another one comes, whose name was held before. */
static void rename_last(struct life *life, const char *name)
{
    struct fix *f = &life->f;
    uint32_t index = names_hold(&f->names, span_str(name));

    hear_all(life, FIX_MODELS - 1);
    end_waiting(life, f->model[FIX_MODELS - 1]);
    names_drop(&f->names, f->model[FIX_MODELS - 1]);
    f->model[FIX_MODELS - 1] = index;
    for (uint32_t node = 0; node < FIX_NODES; node++)
        f->installed[node][FIX_MODELS - 1].model = index;
    hear_all(life, FIX_MODELS);
}

/* A model leaves all nodes, others come, and it comes back under another index; the policy, which
 * goes by indexes, must be given the same ones again. */
static void a_name_that_leaves_all_nodes_and_comes_back_is_played_as_it_was(void **state)
{
    static const char *const names[] = {"e:5b", "f:6b", "d:4b", "e:5b", "d:4b"};
    static struct life life;

    (void)state;
    live(&life, POLICY_LATE);
    uint32_t first = life.f.model[FIX_MODELS - 1], at[sizeof names / sizeof names[0]];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rename_last(&life, names[i]);
        at[i] = life.f.model[FIX_MODELS - 1];
        for (int k = 0; k < 200; k++)
            step(&life, k);
    }
    assert_int_equal(at[1], first); /* free again, and given to another name */
    assert_int_not_equal(at[2], first);
    assert_int_equal(play(&life.text, true), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(names_find(&replay.names, span_str(names[i])),
                         names_find(&life.f.names, span_str(names[i])));
    unlive(&life);
}

static void what_is_no_record_is_refused(void **state)
{
    static const char *const lines[] = {"",
                                        "x",
                                        "heard",
                                        "heard 1 2",
                                        "take 5",
                                        "arrived 3 0 1",
                                        "verdict 99 1 1",
                                        "verdict 0 99 1",
                                        "settings",
                                        "left 0 m 1",
                                        "next",
                                        "refused 0 7 1",
                                        "name 1 a:1b", /* it would be 0 */
                                        "name 0",
                                        "unname 0",
                                        "unname 99",
                                        "demand 0 nobody-named-it:1b 0 1",
                                        "add 1 1 r m"};
    const char *header = "orion-record 2 4 8 8 8 0 16 0000000000000001 0000000000000001 0";
    struct err err;

    (void)state;
    assert_int_equal(policy_replay_bytes(span_str("orion-record 1 4 8 8 8 0 16")), 0);
    assert_int_equal(policy_replay_bytes(span_str("hello")), 0);
    void *mem = fix_zeroed(policy_replay_bytes(span_str(header)));
    policy_replay_begin(&replay, mem, span_str(header));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(policy_replay_line(&replay, span_str(lines[i]), &err), -EINVAL);
    free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_decision_of_a_record_is_made_again),
        cmocka_unit_test(the_record_is_the_same_on_every_machine),
        cmocka_unit_test(a_record_that_was_changed_is_noticed),
        cmocka_unit_test(a_name_that_leaves_all_nodes_and_comes_back_is_played_as_it_was),
        cmocka_unit_test(what_is_no_record_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
