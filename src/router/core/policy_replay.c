#include "policy_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/err.h"

#include "tap.h"

/* --- the header ------------------------------------------------------------------------------- */

struct header {
    struct policy_sizes sizes;
    struct window_sizes window;
    uint32_t names;
    uint64_t window_seed, seed;
    int64_t start_ms;
};

static uint32_t small(struct tap_words *words, int64_t max)
{
    int64_t value = tap_i64(words);

    if (value < 0 || value > max)
        words->failed = true;
    return words->failed ? 0 : (uint32_t)value;
}

static bool header_read(struct span line, struct header *ret)
{
    struct tap_words words = {.rest = line};

    if (!span_is(tap_word(&words), "orion-record") || tap_i64(&words) != TAP_VERSION)
        return false;
    ret->sizes.nodes = small(&words, 1 << 16);
    ret->sizes.pairs = small(&words, 1 << 24);
    ret->sizes.sessions = small(&words, 1 << 24);
    ret->window.capacity = small(&words, 1 << 20);
    ret->window.parked_max = small(&words, 1 << 24);
    ret->names = small(&words, 1 << 24);
    ret->window_seed = tap_hex(&words);
    ret->seed = tap_hex(&words);
    ret->start_ms = tap_i64(&words);
    return !words.failed && ret->sizes.nodes && ret->sizes.pairs && ret->sizes.sessions &&
           ret->window.capacity && ret->names;
}

/* The policy's memory depends on the window's sizes and the capacity of the names only. */
static size_t policy_bytes_of(const struct header *header)
{
    struct names names = {.pool.capacity = header->names};
    const struct window window = {.sizes = header->window, .models = &names};

    return policy_bytes(header->sizes, &window);
}

size_t policy_replay_bytes(struct span line)
{
    struct header header;

    if (!header_read(line, &header))
        return 0;
    return carve_bytes(names_bytes(header.names)) +
           carve_bytes(NAMES_SET_WORDS(header.names) * sizeof(uint64_t)) +
           carve_bytes(window_bytes(header.window, header.names)) + policy_bytes_of(&header);
}

void policy_replay_begin(struct policy_replay *replay, void *mem, struct span line)
{
    struct policy_settings settings;
    struct header header;
    char *at = mem;

    memset(replay, 0, sizeof *replay);
    if (!header_read(line, &header))
        return;
    names_init(&replay->names, carve(&at, names_bytes(header.names)), header.names);
    replay->named = carve(&at, NAMES_SET_WORDS(header.names) * sizeof(uint64_t));
    window_init(&replay->window, carve(&at, window_bytes(header.window, header.names)),
                header.window, &replay->names, header.window_seed);
    policy_settings_default(&settings);
    replay->nodes = header.sizes.nodes;
    replay->policy =
        policy_init(at, header.sizes, &replay->window, &settings, header.seed, header.start_ms);
}

/* --- what is told to the window --------------------------------------------------------------- */

static void hex_text(uint64_t value, char text[17])
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    text[16] = '\0';
}

static void play_add(struct policy_replay *replay, struct tap_words *words)
{
    struct window_entry entry = {.id.ms = (uint64_t)tap_i64(words)};
    char client[17];
    uint64_t hash;
    int64_t now_ms, redis_ms, age_ms;

    entry.id.seq = (uint64_t)tap_i64(words);
    entry.request_id = tap_word(words);
    entry.model = tap_word(words);
    hash = tap_hex(words);
    hex_text(hash, client);
    entry.client = hash ? span_str(client) : (struct span){NULL, 0};
    entry.tried = tap_word(words);
    entry.session_hash = tap_hex(words);
    entry.prefix_hash = tap_hex(words);
    entry.prompt_tokens = small(words, UINT32_MAX);
    entry.prefix_tokens = small(words, UINT32_MAX);
    entry.output_tokens_max = small(words, UINT32_MAX);
    entry.priority = (enum request_priority)small(words, REQUEST_PRIORITY_COUNT - 1);
    entry.submitted_ms = tap_i64(words);
    entry.deadline_ms = tap_i64(words);
    entry.attempt = tap_i64(words);
    entry.bytes = (size_t)tap_i64(words);
    entry.came_back = tap_i64(words) != 0;
    now_ms = tap_i64(words);
    redis_ms = tap_i64(words);
    age_ms = tap_i64(words);
    if (!words->failed && entry.model.len > 0)
        (void)window_add(&replay->window, &entry, now_ms, redis_ms, age_ms);
}

/* A request that the call may be about; the state machine of the window asserts. */
static bool in_window(struct policy_replay *replay, uint32_t index, enum window_state a,
                      enum window_state b)
{
    const struct window_request *r = window_at(&replay->window, index);

    return r && (r->state == a || r->state == b);
}

static bool play_index(struct policy_replay *replay, struct span op, struct tap_words *words)
{
    uint32_t index = small(words, UINT32_MAX);

    if (words->failed || !window_at(&replay->window, index))
        return false;
    if (span_is(op, "take")) {
        if (!in_window(replay, index, WINDOW_WAITING, WINDOW_WAITING))
            return false;
        window_take(&replay->window, index);
    } else if (span_is(op, "put_back")) {
        if (!in_window(replay, index, WINDOW_MOVING, WINDOW_ENDING))
            return false;
        window_put_back(&replay->window, index);
    } else if (span_is(op, "end")) {
        if (!in_window(replay, index, WINDOW_WAITING, WINDOW_MOVING))
            return false;
        window_end(&replay->window, index);
    } else {
        window_remove(&replay->window, index);
    }
    return true;
}

/* 1: done; 0: it is no such line; -1: it cannot be done. */
static int play_window(struct policy_replay *replay, struct span op, struct tap_words *words)
{
    struct stream_id ids[64];
    struct stream_id id;

    if (span_is(op, "add")) {
        play_add(replay, words);
    } else if (span_is(op, "take") || span_is(op, "put_back") || span_is(op, "end") ||
               span_is(op, "remove")) {
        return play_index(replay, op, words) ? 1 : -1;
    } else if (span_is(op, "age")) {
        int64_t redis_ms = tap_i64(words);
        (void)window_age(&replay->window, redis_ms, tap_i64(words));
    } else if (span_is(op, "parked_next")) {
        (void)window_parked_next(&replay->window, &id);
    } else if (span_is(op, "unpark")) {
        (void)window_unpark(&replay->window, tap_word(words), &id);
    } else if (span_is(op, "parked_expired")) {
        int64_t redis_ms = tap_i64(words);
        (void)window_parked_expired(&replay->window, redis_ms, ids, small(words, 64));
    } else {
        return 0;
    }
    return 1;
}

/* --- what is told to the policy --------------------------------------------------------------- */

/* The model of that name, or POLICY_NONE. Names that the record has not made are not understood. */
static uint32_t model_of(struct policy_replay *replay, struct tap_words *words)
{
    struct span name = tap_word(words);
    uint32_t model;

    if (name.len == 0)
        return POLICY_NONE;
    model = names_find(&replay->names, name);
    if (model == NAME_NONE)
        words->failed = true;
    return model;
}

/* The same holds in the same order give the same indexes; the hold of the record comes on top of
 * those that the window takes itself. */
static void play_name(struct policy_replay *replay, struct tap_words *words)
{
    uint32_t told = small(words, UINT32_MAX), index;
    struct span name = tap_word(words);

    if (words->failed || name.len == 0)
        return;
    index = names_hold(&replay->names, name);
    if (index == NAME_NONE) {
        words->failed = true;
    } else if (index != told || names_set_has(replay->named, index)) {
        words->failed = true;
        names_drop(&replay->names, index);
    } else {
        names_set_add(replay->named, index);
    }
}

static void play_unname(struct policy_replay *replay, struct tap_words *words)
{
    uint32_t index = small(words, (int64_t)replay->names.pool.capacity - 1);

    if (words->failed || !names_set_has(replay->named, index)) {
        words->failed = true;
        return;
    }
    names_set_remove(replay->named, index);
    names_drop(&replay->names, index);
}

static void play_settings(struct policy_replay *replay, struct tap_words *words)
{
    struct policy_settings s = {.kind = (enum policy_kind)small(words, POLICY_KIND_COUNT - 1)};

    s.placement = tap_i64(words) != 0;
    s.homes = tap_i64(words) != 0;
    s.lambda_t_permille = tap_i64(words);
    s.swap_margin_ms = tap_i64(words);
    s.swap_factor_pct = tap_i64(words);
    s.home_wait_pct = tap_i64(words);
    s.chwbl_load_pct = tap_i64(words);
    s.place_phase_ms = words->rest.len > 0 ? tap_i64(words) : 0;
    if (!words->failed)
        policy_settings_set(replay->policy, &s);
}

static void play_has(struct policy_replay *replay, struct tap_words *words)
{
    struct policy_installed installed = {.model = model_of(replay, words)};

    installed.place = (int32_t)tap_i64(words);
    installed.is_resident = tap_i64(words) != 0;
    installed.is_suspect = tap_i64(words) != 0;
    installed.bytes = tap_i64(words);
    installed.n = small(words, UINT32_MAX);
    installed.prompt_tps_milli = tap_i64(words);
    installed.gen_tps_milli = tap_i64(words);
    installed.load_ms = tap_i64(words);
    installed.tokens_out_milli = tap_i64(words);
    if (words->failed || installed.model == POLICY_NONE ||
        replay->installed_n == POLICY_REPLAY_HAS_MAX) {
        words->failed = true;
        return;
    }
    replay->installed[replay->installed_n++] = installed;
}

static uint32_t node_of(struct policy_replay *replay, struct tap_words *words)
{
    return small(words, (int64_t)replay->nodes - 1);
}

static void play_heard(struct policy_replay *replay, struct tap_words *words)
{
    uint32_t node = node_of(replay, words);
    struct policy_heard heard = {.id_hash = tap_hex(words)};

    heard.measured_ms = tap_i64(words);
    heard.temp_mc = (int32_t)tap_i64(words);
    heard.ram_permille = (int32_t)tap_i64(words);
    heard.throttled = (int32_t)tap_i64(words);
    heard.under_voltage = (int32_t)tap_i64(words);
    heard.freq_capped = (int32_t)tap_i64(words);
    heard.ram_bytes = tap_i64(words);
    heard.board = (enum policy_board)small(words, POLICY_BOARD_COUNT - 1);
    heard.slots = small(words, UINT32_MAX);
    heard.credit = small(words, UINT32_MAX);
    heard.sessions_max = small(words, UINT32_MAX);
    heard.loading = model_of(replay, words);
    heard.tells_loading = tap_i64(words) != 0;
    heard.installed = replay->installed;
    heard.installed_n = replay->installed_n;
    heard.sessions = replay->sessions;
    heard.sessions_n = replay->sessions_n;
    replay->installed_n = replay->sessions_n = 0;
    int64_t now_ms = tap_i64(words);
    if (!words->failed)
        (void)policy_heard(replay->policy, node, &heard, now_ms);
}

static void play_left(struct policy_replay *replay, struct tap_words *words)
{
    uint32_t node = node_of(replay, words);
    struct policy_report report = {.model = model_of(replay, words)};

    report.is_done = tap_i64(words) != 0;
    report.was_cold = tap_i64(words) != 0;
    report.run_ms = tap_i64(words);
    report.session = tap_hex(words);
    report.prompt_tokens = tap_i64(words);
    report.output_tokens = tap_i64(words);
    int64_t now_ms = tap_i64(words);
    if (!words->failed)
        policy_left(replay->policy, node, &report, now_ms);
}

/* 1: done; 0: it is no such line. */
static int play_known(struct policy_replay *replay, struct span op, struct tap_words *words)
{
    if (span_is(op, "name")) {
        play_name(replay, words);
    } else if (span_is(op, "unname")) {
        play_unname(replay, words);
    } else if (span_is(op, "settings")) {
        play_settings(replay, words);
    } else if (span_is(op, "has")) {
        play_has(replay, words);
    } else if (span_is(op, "warm")) {
        if (replay->sessions_n == POLICY_REPLAY_HAS_MAX) {
            words->failed = true;
            return 1;
        }
        replay->sessions[replay->sessions_n++] = tap_hex(words);
    } else if (span_is(op, "heard")) {
        play_heard(replay, words);
    } else if (span_is(op, "left")) {
        play_left(replay, words);
    } else {
        return 0;
    }
    return 1;
}

/* What is told of node `a`; false if this is no such call. */
static bool play_node(struct policy *policy, struct span op, uint32_t a, int64_t b, int64_t now_ms)
{
    if (span_is(op, "verdict") && b >= 0 && b < POLICY_VERDICT_COUNT) {
        policy_verdict(policy, a, (enum policy_verdict)b, policy_node_view(policy, a).is_failing,
                       now_ms);
    } else if (span_is(op, "failing") || span_is(op, "not_failing")) {
        policy_verdict(policy, a, policy_node_view(policy, a).verdict, span_is(op, "failing"),
                       now_ms);
    } else if (span_is(op, "lost")) {
        policy_lost(policy, a, now_ms);
    } else if (span_is(op, "forget")) {
        policy_forget(policy, a, now_ms);
    } else if (span_is(op, "load") || span_is(op, "full")) {
        policy_load(policy, a, (uint32_t)b, span_is(op, "full"), now_ms);
    } else {
        return false;
    }
    return true;
}

/* NAME number value now */
static int play_call(struct policy_replay *replay, struct span op, struct tap_words *words)
{
    struct policy *policy = replay->policy;
    uint32_t a = small(words, UINT32_MAX);
    int64_t b = tap_i64(words), now_ms = tap_i64(words);
    bool is_node = a < replay->nodes;

    if (words->failed)
        return 1;
    if (span_is(op, "clock") && is_node) {
        policy_clock(policy, b);
    } else if (span_is(op, "arrived") && window_at(&replay->window, a)) {
        policy_arrived(policy, a, now_ms);
    } else if (span_is(op, "refused") && is_node &&
               (b == POLICY_NONE || window_at(&replay->window, (uint32_t)b))) {
        policy_refused(policy, (uint32_t)b, a, now_ms);
    } else if (!is_node || !play_node(policy, op, a, b, now_ms)) {
        words->failed = true;
    }
    return 1;
}

static bool is_model_call(struct span op)
{
    return span_is(op, "demand") || span_is(op, "elsewhere") || span_is(op, "loads_elsewhere") ||
           span_is(op, "loaded");
}

/* NAME node model value now */
static void play_model_call(struct policy_replay *replay, struct span op, struct tap_words *words)
{
    uint32_t node = node_of(replay, words);
    uint32_t model = model_of(replay, words);
    int64_t more = tap_i64(words), now_ms = tap_i64(words);

    if (words->failed)
        return;
    if (span_is(op, "elsewhere")) {
        policy_elsewhere(replay->policy, node, model, (uint64_t)more, now_ms);
    } else if (model == POLICY_NONE) {
        words->failed = true;
    } else if (span_is(op, "demand")) {
        policy_demand(replay->policy, model, now_ms);
    } else if (span_is(op, "loads_elsewhere")) {
        policy_preload_elsewhere(replay->policy, node, model, now_ms);
    } else {
        policy_preloaded(replay->policy, node, model, more != 0, now_ms);
    }
}

/* --- what it answered ------------------------------------------------------------------------- */

static void play_cost(struct policy_replay *replay, struct tap_words *words)
{
    if (replay->costs_n + 6 > sizeof replay->costs / sizeof replay->costs[0])
        words->failed = true;
    for (int i = 0; i < 6 && !words->failed; i++)
        replay->costs[replay->costs_n++] = tap_hex(words);
}

static bool cost_is(const struct policy_cost *cost, const uint64_t *bits)
{
    return tap_bits(cost->wait_s) == bits[0] && tap_bits(cost->load_s) == bits[1] &&
           tap_bits(cost->service_s) == bits[2] && tap_bits(cost->heat_s) == bits[3] &&
           tap_bits(cost->harm_s) == bits[4] && tap_bits(cost->saved_s) == bits[5];
}

/* Reads the decision of the record and says whether the policy's own is the same. */
static bool is_same(struct policy_replay *replay, struct tap_words *words, bool found)
{
    const struct policy_decision *d = &replay->decision;
    bool same = found && tap_i64(words) == (int64_t)d->act;

    same = same && span_is(tap_word(words), policy_reason_name(d->reason));
    same = same && tap_i64(words) == d->request && tap_i64(words) == d->node;
    same = same && model_of(replay, words) == d->model && model_of(replay, words) == d->evict;
    same = same && tap_i64(words) == d->considered && tap_i64(words) == (int64_t)d->again;
    same = same && tap_i64(words) == d->runner_up;
    same = same && tap_hex(words) == tap_bits(d->gain_s) && tap_hex(words) == tap_bits(d->loss_s);
    return same && replay->costs_n == 12 && cost_is(&d->cost, replay->costs) &&
           cost_is(&d->runner_up_cost, replay->costs + 6);
}

static int play_next(struct policy_replay *replay, bool was_found, struct tap_words *words,
                     struct span line, struct err *err)
{
    int64_t now_ms = tap_i64(words);
    bool found, same;

    if (words->failed)
        return 0;
    replay->decision = (struct policy_decision){.act = POLICY_NOTHING};
    found = policy_next(replay->policy, now_ms, &replay->decision);
    same = was_found ? is_same(replay, words, found) : !found;
    replay->costs_n = 0;
    replay->decisions += was_found;
    if (same)
        return 0;
    replay->differences++;
    (void)err_set(
        err, -EBADMSG, "recorded \"%.*s\"; now act %d, %s, request %" PRIu32 ", node %" PRIu32,
        SPAN_ARG(line), (int)replay->decision.act, policy_reason_name(replay->decision.reason),
        replay->decision.request, replay->decision.node);
    return 1;
}

int policy_replay_line(struct policy_replay *replay, struct span line, struct err *err)
{
    struct tap_words words = {.rest = line};
    struct span op = tap_word(&words);
    int rc = 0, done;

    replay->lines++;
    if (span_is(op, "next") || span_is(op, "none")) {
        rc = play_next(replay, span_is(op, "next"), &words, line, err);
    } else if (span_is(op, "cost")) {
        play_cost(replay, &words);
    } else if (is_model_call(op)) {
        play_model_call(replay, op, &words);
    } else {
        done = play_known(replay, op, &words);
        done = done ? done : play_window(replay, op, &words);
        done = done ? done : play_call(replay, op, &words);
        words.failed = words.failed || done < 0;
    }
    if (words.failed)
        return err_set(err, -EINVAL, "line not understood: %.*s", SPAN_ARG(line));
    return rc;
}
