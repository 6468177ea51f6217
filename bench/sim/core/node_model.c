#include "node_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "real.h"

#define INIT_S          0.8 /* to start a runner at speed 1 */
#define INIT_SPEED_MIN  0.4
#define CACHE_MB_S      1500.0 /* read from the page cache */
#define MODEL_RAM       1.15   /* memory of a model, per byte of its file, */
#define MODEL_RAM_GB    0.25   /* and besides */
#define THROTTLE_SPAN_C 5.0    /* from full to lowest clock */
#define CLOCK_DOWN      0.05   /* per second */
#define CLOCK_UP        0.02
#define POWER_EXPONENT  2.2
#define MEMORY_BOUND    0.25 /* part of the speed that does not follow the clock */

void node_init(struct sim_node *node, const struct scenario *scenario,
               const struct machine *machine, uint32_t n_models)
{
    *node = (struct sim_node){
        .machine = machine,
        .kit = &scenario->kits[machine->kit],
        .is_alive = true,
        .resident = NODE_MODEL_NONE,
        .loading = NODE_MODEL_NONE,
        .current = NODE_MODEL_NONE,
        .first = NODE_MODEL_NONE,
        .last = NODE_MODEL_NONE,
        .files = grow_new(n_models, sizeof(uint32_t)),
        .clock = 1,
        .rate = 1,
    };
    node->decay = 1 - real_exp(-1 / node->kit->tau_s);
    node->temp_c = machine->ambient_c + node->kit->idle_c;
}

void node_free(struct sim_node *node)
{
    free(node->files);
    node->files = NULL;
}

/* --- memory ----------------------------------------------------------------------------------- */

static uint32_t find_file(const struct sim_node *node, uint32_t model)
{
    uint32_t i = 0;

    while (i < node->n_files && node->files[i] != model)
        i++;
    return i;
}

static void drop_file(struct sim_node *node, uint32_t i)
{
    assert(i < node->n_files);
    memmove(&node->files[i], &node->files[i + 1], (node->n_files - i - 1) * sizeof node->files[0]);
    node->n_files--;
}

double node_load_s(const struct sim_node *node, const struct scenario *scenario, uint32_t model)
{
    double speed = node->machine->speed < INIT_SPEED_MIN ? INIT_SPEED_MIN : node->machine->speed;
    double mb = scenario->models[model].size_gb * 1000;
    bool is_cached = find_file(node, model) < node->n_files;

    return INIT_S / speed / scenario->time_scale +
           mb / (is_cached ? CACHE_MB_S * scenario->time_scale : node->machine->disk_mb_s);
}

void node_begin_load(struct sim_node *node, const struct scenario *scenario, uint32_t model)
{
    double room =
        node->machine->ram_gb - scenario->models[model].size_gb * MODEL_RAM - MODEL_RAM_GB;
    double used = 0;
    uint32_t i;

    if (node->resident != NODE_MODEL_NONE) {
        if ((i = find_file(node, node->resident)) < node->n_files)
            drop_file(node, i);
        node->files[node->n_files++] = node->resident;
    }
    node->n_warm = 0;
    if ((i = find_file(node, model)) < node->n_files)
        drop_file(node, i);
    for (i = 0; i < node->n_files; i++)
        used += scenario->models[node->files[i]].size_gb;
    while (node->n_files > 0 && used > room) {
        used -= scenario->models[node->files[0]].size_gb;
        drop_file(node, 0);
    }
    node->resident = NODE_MODEL_NONE;
    node->loading = model;
}

int32_t node_cached(const struct sim_node *node, uint32_t model, uint32_t session, uint32_t app,
                    int32_t prompt, int32_t system)
{
    int32_t tokens = 0;

    if (node->resident != model)
        return 0;
    for (uint32_t i = 0; i < node->n_warm; i++) {
        if (node->warm[i].session == session) {
            tokens = node->warm[i].tokens;
            break;
        }
        if (node->warm[i].app == app)
            tokens = system;
    }
    return tokens < prompt - 1 ? tokens : prompt - 1;
}

void node_warm(struct sim_node *node, uint32_t session, uint32_t app, int32_t tokens)
{
    uint32_t i = 0;

    while (i < node->n_warm && node->warm[i].session != session)
        i++;
    if (i == node->n_warm && node->n_warm == node->machine->kv)
        i = 0;
    if (i < node->n_warm) {
        memmove(&node->warm[i], &node->warm[i + 1], (node->n_warm - i - 1) * sizeof node->warm[0]);
        node->n_warm--;
    }
    node->warm[node->n_warm++] = (struct warm){session, app, tokens};
}

void node_die(struct sim_node *node)
{
    node->is_alive = false;
    node->version++;
    node->resident = node->loading = node->current = NODE_MODEL_NONE;
    node->first = node->last = NODE_MODEL_NONE;
    node->queued = 0;
    node->n_warm = 0;
    node->n_files = 0;
    node_phase_set(node, PHASE_IDLE);
}

/* --- heat ------------------------------------------------------------------------------------- */

void node_phase_set(struct sim_node *node, enum node_phase phase)
{
    node->phase = phase;
    switch (phase) {
    case PHASE_IDLE:
        node->power = 0;
        break;
    case PHASE_LOADING:
    case PHASE_PRELOADING:
        node->power = NODE_POWER_LOAD;
        break;
    case PHASE_ANSWERING:
        node->power = real_pow(node->clock, POWER_EXPONENT);
        node->rate = MEMORY_BOUND + (1 - MEMORY_BOUND) * node->clock;
        break;
    }
}

/* The clock of the next second. */
static double next_clock(const struct sim_node *node)
{
    double target = 1, lowest = node->machine->min_clock;

    if (node->temp_c > NODE_HOT_C)
        target = 1 - (node->temp_c - NODE_HOT_C) / THROTTLE_SPAN_C * (1 - lowest);
    if (target < lowest)
        target = lowest;
    if (target < node->clock - CLOCK_DOWN)
        return node->clock - CLOCK_DOWN;
    if (target > node->clock + CLOCK_UP)
        return node->clock + CLOCK_UP;
    return target;
}

static void count_second(struct sim_node *node)
{
    if (node->phase != PHASE_IDLE)
        node->busy_s++;
    if (node->phase == PHASE_ANSWERING && node->clock < 0.995)
        node->slowed_s++;
    if (node->temp_c >= NODE_HOT_C)
        node->hot_s++;
}

bool node_heat(struct sim_node *node, int64_t now_ns)
{
    node->slow_c += (node->kit->slow_c * node->power - node->slow_c) * node->decay;
    node->temp_c = node->machine->ambient_c + node->kit->idle_c + node->slow_c +
                   node->kit->fast_c * node->power;

    double clock = next_clock(node);
    bool has_changed = clock < node->clock || clock > node->clock;

    node->clock = clock;
    if (has_changed && node->phase == PHASE_ANSWERING) {
        node->work_ns -= node->rate * (double)(now_ns - node->since_ns);
        if (node->work_ns < 0)
            node->work_ns = 0;
        node->since_ns = now_ns;
        node_phase_set(node, PHASE_ANSWERING);
    }
    count_second(node);
    return has_changed && node->phase == PHASE_ANSWERING;
}
