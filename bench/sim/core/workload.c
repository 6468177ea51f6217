#include "workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "real.h"
#include "rng.h"
#include "sim_time.h"

#define ERROR_PREFILL 0.15 /* sigma of what the router believes, times spread_belief */
#define ERROR_DECODE  0.10
#define ERROR_LOAD    0.20

#define MEAN_SESSIONS 3000 /* drawn to find the mean work of a request */

/* --- machines --------------------------------------------------------------------------------- */

static void make_machines(const struct scenario *scenario, uint64_t seed, struct workload *out)
{
    struct rng rng = rng_make(seed, RNG_NODES, 0);
    uint32_t *order = grow_new(scenario->n_nodes, sizeof *order), n = 0;

    out->n_nodes = scenario->n_nodes;
    out->machines = grow_new(out->n_nodes, sizeof *out->machines);
    for (uint32_t i = 0; i < out->n_nodes; i++)
        order[i] = i;
    rng_shuffle(&rng, order, out->n_nodes);
    for (uint32_t g = 0; g < scenario->n_groups; g++) {
        const struct scenario_group *group = &scenario->groups[g];
        const struct scenario_board *board = &scenario->boards[group->board];

        for (uint32_t i = 0; i < group->count; i++) {
            double speed = scenario->spread_speed, disk = scenario->spread_disk;
            double ambient_c = scenario->spread_ambient_c;

            out->machines[order[n++]] = (struct machine){
                .board = group->board,
                .kit = group->kit,
                .speed = board->speed * rng_range(&rng, 1 - speed, 1 + speed),
                .disk_mb_s = board->disk_mb_s * rng_range(&rng, 1 - disk, 1 + disk),
                .ram_gb = board->ram_gb,
                .min_clock = board->min_clock,
                .nominal_speed = board->speed,
                .kv = board->kv,
                .ambient_c = group->ambient_c + rng_range(&rng, -ambient_c, ambient_c),
                .health_phase = rng_below(&rng, (uint32_t)scenario->health_s),
            };
        }
    }
    free(order);
}

/* Popularity 1/rank^zipf; which model has which rank is drawn, so that size and popularity are not
 * tied to each other. */
static void make_popularity(const struct scenario *scenario, uint64_t seed, struct workload *out)
{
    struct rng rng = rng_make(seed, RNG_MODELS, 0);
    uint32_t n = scenario->n_models, *order = grow_new(n, sizeof *order);
    double sum = 0;

    out->n_models = n;
    out->popularity = grow_new(n, sizeof *out->popularity);
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
        sum += 1 / real_pow(i + 1, scenario->zipf);
    }
    rng_shuffle(&rng, order, n);
    for (uint32_t rank = 0; rank < n; rank++)
        out->popularity[order[rank]] = 1 / real_pow(rank + 1, scenario->zipf) / sum;
    free(order);
}

void workload_beliefs(const struct scenario *scenario, uint64_t seed, struct workload *out)
{
    struct rng rng = rng_make(seed, RNG_BELIEFS, 0);
    size_t n = (size_t)out->n_nodes * out->n_models;

    out->prefill_tps = grow_new(n, sizeof(double));
    out->decode_tps = grow_new(n, sizeof(double));
    out->load_s = grow_new(n, sizeof(double));
    out->fits = grow_new(n, sizeof(bool));
    for (uint32_t i = 0; i < out->n_nodes; i++) {
        const struct machine *machine = &out->machines[i];
        for (uint32_t m = 0; m < out->n_models; m++) {
            const struct scenario_model *model = &scenario->models[m];
            size_t at = (size_t)i * out->n_models + m;
            double load_s = 0.8 / scenario->time_scale + model->size_gb * 1000 / machine->disk_mb_s;

            out->prefill_tps[at] = model->prefill_tps * machine->speed *
                                   rng_lognormal(&rng, 0, ERROR_PREFILL * scenario->spread_belief);
            out->decode_tps[at] = model->decode_tps * machine->speed *
                                  rng_lognormal(&rng, 0, ERROR_DECODE * scenario->spread_belief);
            out->load_s[at] = load_s * rng_lognormal(&rng, 0, ERROR_LOAD * scenario->spread_belief);
            out->fits[at] = model->size_gb * 1.15 + 0.25 <= machine->ram_gb;
        }
    }
}

/* --- sessions --------------------------------------------------------------------------------- */

double workload_service_s(const struct scenario_model *model, double tokens, double answer)
{
    return tokens / model->prefill_tps + answer / model->decode_tps;
}

static uint32_t draw_model(const struct workload *workload, struct rng *rng)
{
    double x = rng_unit(rng), sum = 0;

    for (uint32_t m = 0; m < workload->n_models; m++) {
        sum += workload->popularity[m];
        if (x < sum)
            return m;
    }
    return workload->n_models - 1;
}

static int32_t draw_length(const struct scenario_length *length, struct rng *rng)
{
    double x = floor(rng_lognormal(rng, length->mu, length->sigma));

    if (x < length->min)
        return length->min;
    return x > length->max ? length->max : (int32_t)x;
}

/* Fills at most SCENARIO_TURNS_MAX turns; returns how many. */
static uint32_t draw_turns(const struct scenario *scenario, struct rng *rng, struct turn *turns)
{
    uint32_t n = 1;

    while (rng_unit(rng) > 1 / scenario->turns && n < scenario->turns_max)
        n++;
    for (uint32_t i = 0; i < n; i++)
        turns[i].prompt = draw_length(&scenario->prompt, rng);
    for (uint32_t i = 0; i < n; i++)
        turns[i].answer = draw_length(&scenario->answer, rng);
    for (uint32_t i = 0; i < n; i++)
        turns[i].think_ns = sim_ns(rng_lognormal(rng, scenario->think.mu, scenario->think.sigma));
    return n;
}

/* Mean work of a request and mean requests of a session, from a sample. */
static double mean_service(const struct scenario *scenario, const struct workload *workload,
                           double *ret_turns)
{
    struct rng rng = rng_make(99, RNG_MEAN, 0);
    struct turn turns[SCENARIO_TURNS_MAX];
    double total = 0;
    uint32_t count = 0;

    for (int s = 0; s < MEAN_SESSIONS; s++) {
        const struct scenario_model *model = &scenario->models[draw_model(workload, &rng)];
        uint32_t n = draw_turns(scenario, &rng, turns);
        int32_t history = 0, system = scenario->system_tokens;

        for (uint32_t i = 0; i < n; i++) {
            if (system + history + turns[i].prompt > scenario->context_max)
                break;
            total += workload_service_s(model, turns[i].prompt + (history > 0 ? 0 : system),
                                        turns[i].answer);
            count++;
            history += turns[i].prompt + turns[i].answer;
        }
    }
    if (count == 0)
        return 0;
    *ret_turns = (double)count / MEAN_SESSIONS;
    return total / count;
}

static void add_session(struct workload *out, int64_t start_ns, uint32_t model, uint32_t app,
                        const struct turn *turns, uint32_t n)
{
    out->sessions =
        grow(out->sessions, &out->cap_sessions, out->n_sessions + 1, sizeof *out->sessions);
    out->turns = grow(out->turns, &out->cap_turns, out->n_turns + n, sizeof *out->turns);
    out->sessions[out->n_sessions++] = (struct session){
        .start_ns = start_ns,
        .model = model,
        .app = app,
        .turn = (uint32_t)out->n_turns,
        .n_turns = n,
    };
    memcpy(&out->turns[out->n_turns], turns, n * sizeof *turns);
    out->n_turns += n;
}

/* Poisson arrivals, or two rates between which a coin changes (MMPP): memoryless, so at a change
 * the time to the next arrival is drawn anew. */
struct arrivals {
    const struct scenario *scenario;
    struct rng rng;
    double rate, t, change_s;
    bool is_high;
};

static double next_arrival(struct arrivals *arrivals)
{
    const struct scenario *scenario = arrivals->scenario;

    while (scenario->has_burst) {
        double factor = arrivals->is_high ? scenario->burst_high : scenario->burst_low;
        double t = arrivals->t + rng_exponential(&arrivals->rng, arrivals->rate * factor);
        if (t <= arrivals->change_s)
            return arrivals->t = t;
        arrivals->t = arrivals->change_s;
        arrivals->is_high = !arrivals->is_high;
        arrivals->change_s +=
            rng_exponential(&arrivals->rng, 1 / (arrivals->is_high ? scenario->burst_high_s
                                                                   : scenario->burst_low_s));
    }
    return arrivals->t += rng_exponential(&arrivals->rng, arrivals->rate);
}

static void make_sessions(const struct scenario *scenario, uint64_t seed, double sessions_per_s,
                          struct workload *out)
{
    struct arrivals arrivals = {
        .scenario = scenario, .rng = rng_make(seed, RNG_ARRIVALS, 0), .rate = sessions_per_s};

    if (scenario->has_burst)
        arrivals.change_s = rng_exponential(&arrivals.rng, 1 / scenario->burst_low_s);
    for (uint64_t k = 0; next_arrival(&arrivals) <= scenario->duration_s; k++) {
        struct rng rng = rng_make(seed, RNG_SESSION, k);
        struct turn turns[SCENARIO_TURNS_MAX];
        uint32_t model = draw_model(out, &rng), n = draw_turns(scenario, &rng, turns);

        if (scenario->has_shift && arrivals.t > scenario->shift_at_s)
            model = (model + scenario->shift_by) % out->n_models;
        add_session(out, sim_ns(arrivals.t), model, rng_below(&rng, scenario->apps), turns, n);
    }
}

/* --- arrivals of a trace ---------------------------------------------------------------------- */

static int32_t scaled(int32_t tokens, double scale, int32_t min, int32_t max)
{
    double x = floor(tokens * scale);

    return x < min ? min : x > max ? max : (int32_t)x;
}

/* Its time is stretched over the scenario's, and rows are left out at random until the load is
 * right: both keep the shape of the bursts. */
static void make_from_trace(const struct scenario *scenario, uint64_t seed,
                            const struct trace *trace, double capacity, struct workload *out)
{
    struct rng rng = rng_make(seed, RNG_TRACE, 0);
    uint32_t *models = grow_new(trace->n, sizeof *models);
    double total = 0, stretch = 1;

    if (trace->n > 0 && trace->rows[trace->n - 1].at_ns > 0)
        stretch = scenario->duration_s / sim_s(trace->rows[trace->n - 1].at_ns);
    for (size_t i = 0; i < trace->n; i++) {
        const struct trace_row *row = &trace->rows[i];
        models[i] = draw_model(out, &rng);
        total += workload_service_s(
            &scenario->models[models[i]],
            scaled(row->input, scenario->trace_input_scale, 8, scenario->trace_input_max),
            scaled(row->output, scenario->trace_output_scale, scenario->answer.min,
                   scenario->answer.max));
    }
    if (total <= 0)
        total = 1;
    out->mean_service_s = total / (double)(trace->n > 0 ? trace->n : 1);

    double keep = scenario->load * capacity * scenario->duration_s / total;

    for (size_t i = 0; i < trace->n; i++) {
        const struct trace_row *row = &trace->rows[i];
        bool is_kept = rng_unit(&rng) < keep;
        uint32_t app = rng_below(&rng, scenario->apps);
        struct turn turn = {
            .prompt = scaled(row->input, scenario->trace_input_scale, 8, scenario->trace_input_max),
            .answer = scaled(row->output, scenario->trace_output_scale, scenario->answer.min,
                             scenario->answer.max),
        };
        if (is_kept)
            add_session(out, sim_ns(sim_s(row->at_ns) * stretch), models[i], app, &turn, 1);
    }
    free(models);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void make_deaths(const struct scenario *scenario, uint64_t seed, struct workload *out)
{
    bool *doomed = grow_new(out->n_nodes, sizeof *doomed);
    uint32_t *ids = grow_new(out->n_nodes, sizeof *ids);

    for (uint32_t d = 0; d < scenario->n_deaths; d++) {
        const struct scenario_death *death = &scenario->deaths[d];
        struct rng rng = rng_make(seed, RNG_DEATHS, d);
        uint32_t n = 0, wanted = (uint32_t)(death->share * out->n_nodes);

        for (uint32_t i = 0; i < out->n_nodes; i++) {
            if (!doomed[i])
                ids[n++] = i;
        }
        rng_shuffle(&rng, ids, n);
        if (wanted == 0)
            wanted = 1;
        for (uint32_t i = 0; i < n && i < wanted; i++) {
            doomed[ids[i]] = true;
            out->deaths =
                grow(out->deaths, &out->cap_deaths, out->n_deaths + 1, sizeof *out->deaths);
            out->deaths[out->n_deaths++] = (struct death){
                .node = ids[i], .at_ns = sim_ns(death->at_s), .until_ns = sim_ns(death->until_s)};
        }
    }
    free(doomed);
    free(ids);
}

/* --- all of it -------------------------------------------------------------------------------- */

void workload_make(const struct scenario *scenario, uint64_t seed, const struct trace *trace,
                   struct workload *ret)
{
    double capacity = 0, turns = 1;

    *ret = (struct workload){0};
    make_machines(scenario, seed, ret);
    make_popularity(scenario, seed, ret);
    workload_beliefs(scenario, seed, ret);
    for (uint32_t i = 0; i < ret->n_nodes; i++)
        capacity += ret->machines[i].speed;
    if (trace) {
        make_from_trace(scenario, seed, trace, capacity, ret);
    } else {
        ret->mean_service_s = mean_service(scenario, ret, &turns);
        if (ret->mean_service_s > 0)
            make_sessions(scenario, seed, scenario->load * capacity / ret->mean_service_s / turns,
                          ret);
    }
    if (ret->mean_service_s <= 0)
        ret->mean_service_s = 1;
    ret->requests_per_s = scenario->load * capacity / ret->mean_service_s;
    make_deaths(scenario, seed, ret);
}

void workload_free(struct workload *workload)
{
    free(workload->machines);
    free(workload->popularity);
    free(workload->sessions);
    free(workload->turns);
    free(workload->deaths);
    free(workload->prefill_tps);
    free(workload->decode_tps);
    free(workload->load_s);
    free(workload->fits);
    *workload = (struct workload){0};
}
