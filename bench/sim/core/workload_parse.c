#include <errno.h>
#include <string.h>

#include "common/err.h"

#include "grow.h"
#include "scenario_words.h"
#include "sim_time.h"
#include "workload.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

struct reader {
    const struct scenario *scenario;
    struct workload *out;
    struct words words;
    size_t cap_machines, cap_popularity;
    struct err *err;
};

static int read_node(struct reader *reader)
{
    const struct scenario *scenario = reader->scenario;
    struct workload *out = reader->out;
    struct words *words = &reader->words;
    struct machine machine = {0};
    double phase = 0;
    const struct words_key list[] = {
        {"speed", 0.001, 1000, &machine.speed, false},
        {"disk_mb_s", 0.1, 1e6, &machine.disk_mb_s, false},
        {"ambient_c", -60, 100, &machine.ambient_c, false},
        {"phase", 0, 3600, &phase, false},
    };

    if (out->n_nodes >= SCENARIO_NODES_MAX || words->n < 3)
        return words_fault(words, reader->err, "node needs a board and a kit; at most %d nodes",
                           SCENARIO_NODES_MAX);
    while (machine.board < scenario->n_boards &&
           !span_is(words->word[1], scenario->boards[machine.board].name))
        machine.board++;
    while (machine.kit < scenario->n_kits &&
           !span_is(words->word[2], scenario->kits[machine.kit].name))
        machine.kit++;
    if (machine.board == scenario->n_boards || machine.kit == scenario->n_kits)
        return words_fault(words, reader->err, "there is no such board, or no such kit");

    const struct scenario_board *board = &scenario->boards[machine.board];
    int rc = words_keys(words, 3, list, ARRAY_LEN(list), reader->err);

    machine.ram_gb = board->ram_gb;
    machine.min_clock = board->min_clock;
    machine.nominal_speed = board->speed;
    machine.kv = board->kv;
    machine.health_phase = (uint32_t)phase;
    out->machines = grow(out->machines, &reader->cap_machines, out->n_nodes + 1u, sizeof machine);
    out->machines[out->n_nodes++] = machine;
    return rc;
}

static int read_popularity(struct reader *reader)
{
    struct workload *out = reader->out;
    double share = 0;
    const struct words_key key = {"popularity", 0, 1, &share, false};
    int rc = words_number(&reader->words, 1, &key, reader->err);

    if (rc == 0 && out->n_models >= reader->scenario->n_models)
        return words_fault(&reader->words, reader->err, "more models than the scenario has");
    out->popularity =
        grow(out->popularity, &reader->cap_popularity, out->n_models + 1u, sizeof(double));
    out->popularity[out->n_models++] = share;
    return rc;
}

static int read_session(struct reader *reader)
{
    struct workload *out = reader->out;
    double at_s = 0, model = 0, app = 0;
    const struct words_key list[] = {
        {"at_s", 0, 1e7, &at_s, false},
        {"model", 0, reader->scenario->n_models - 1, &model, false},
        {"app", 0, 1e6, &app, false},
    };
    int rc = words_keys(&reader->words, 1, list, ARRAY_LEN(list), reader->err);

    if (out->n_sessions >= WORKLOAD_SESSIONS_MAX)
        return words_fault(&reader->words, reader->err, "more than %d sessions",
                           WORKLOAD_SESSIONS_MAX);
    out->sessions =
        grow(out->sessions, &out->cap_sessions, out->n_sessions + 1, sizeof *out->sessions);
    out->sessions[out->n_sessions++] = (struct session){
        .start_ns = sim_ns(at_s),
        .model = (uint32_t)model,
        .app = (uint32_t)app,
        .turn = (uint32_t)out->n_turns,
    };
    return rc;
}

static int read_turn(struct reader *reader)
{
    struct workload *out = reader->out;
    double prompt = 0, answer = 0, think_s = 0;
    const struct words_key list[] = {
        {"prompt", 1, 1e6, &prompt, false},
        {"answer", 1, 1e6, &answer, false},
        {"think_s", 0, 1e7, &think_s, false},
    };
    int rc = words_keys(&reader->words, 1, list, ARRAY_LEN(list), reader->err);

    if (out->n_sessions == 0 || out->sessions[out->n_sessions - 1].n_turns >= SCENARIO_TURNS_MAX)
        return words_fault(&reader->words, reader->err, "a turn needs a session, of at most %d",
                           SCENARIO_TURNS_MAX);
    out->turns = grow(out->turns, &out->cap_turns, out->n_turns + 1, sizeof *out->turns);
    out->turns[out->n_turns++] = (struct turn){
        .prompt = (int32_t)prompt, .answer = (int32_t)answer, .think_ns = sim_ns(think_s)};
    out->sessions[out->n_sessions - 1].n_turns++;
    return rc;
}

static int read_death(struct reader *reader)
{
    struct workload *out = reader->out;
    double node = 0, at_s = 0, until_s = 0;
    const struct words_key list[] = {
        {"node", 0, out->n_nodes > 0 ? out->n_nodes - 1 : 0, &node, false},
        {"at_s", 0, 1e7, &at_s, false},
        {"until_s", 0, 1e7, &until_s, false},
    };
    int rc = words_keys(&reader->words, 1, list, ARRAY_LEN(list), reader->err);

    if (rc == 0 && until_s <= at_s + reader->scenario->notice_s)
        return words_fault(&reader->words, reader->err, "a death lasts longer than notice_s, %g s",
                           reader->scenario->notice_s);
    if (out->n_deaths >= SCENARIO_NODES_MAX)
        return words_fault(&reader->words, reader->err, "more deaths than nodes may be");
    out->deaths = grow(out->deaths, &out->cap_deaths, out->n_deaths + 1, sizeof *out->deaths);
    out->deaths[out->n_deaths++] =
        (struct death){.node = (uint32_t)node, .at_ns = sim_ns(at_s), .until_ns = sim_ns(until_s)};
    return rc;
}

static int read_statement(struct reader *reader)
{
    const struct span word = reader->words.word[0];
    const struct words_key mean = {"mean_service_s", 0.001, 1e6, &reader->out->mean_service_s,
                                   false};

    if (span_is(word, "node"))
        return read_node(reader);
    if (span_is(word, "popularity"))
        return read_popularity(reader);
    if (span_is(word, "session"))
        return read_session(reader);
    if (span_is(word, "turn"))
        return read_turn(reader);
    if (span_is(word, "death"))
        return read_death(reader);
    if (span_is(word, "mean_service_s"))
        return words_number(&reader->words, 1, &mean, reader->err);
    return words_fault(&reader->words, reader->err, "there is no statement \"%.*s\"",
                       SPAN_ARG(word));
}

static int read_all(struct reader *reader, struct span text, const char *file)
{
    unsigned number = 0;

    while (text.len > 0) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        size_t len = newline ? (size_t)(newline - text.ptr) : text.len;
        struct span line = {text.ptr, len};
        int rc = words_split(line, file, ++number, &reader->words, reader->err);

        if (rc == 0 && reader->words.n > 0)
            rc = read_statement(reader);
        if (rc < 0)
            return rc;
        len += newline ? 1 : 0;
        text = (struct span){text.ptr + len, text.len - len};
    }
    if (reader->out->n_nodes == 0 || reader->out->n_models != reader->scenario->n_models ||
        reader->out->mean_service_s <= 0)
        return err_set(reader->err, -EINVAL,
                       "%.100s: it needs mean_service_s, nodes, and a popularity for each model",
                       file);
    return 0;
}

int workload_parse(struct span text, const char *file, const struct scenario *scenario,
                   uint64_t seed, struct workload *ret, struct err *err)
{
    struct reader reader = {.scenario = scenario, .out = ret, .err = err};

    *ret = (struct workload){0};
    int rc = read_all(&reader, text, file);
    if (rc < 0) {
        workload_free(ret);
        return rc;
    }
    for (uint32_t i = 0; i < ret->n_nodes; i++)
        ret->requests_per_s += scenario->load * ret->machines[i].speed / ret->mean_service_s;
    workload_beliefs(scenario, seed, ret);
    return 0;
}
