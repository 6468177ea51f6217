#include "node.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#include "worker.h"

int node_init(struct worker *w, struct err *err)
{
    return sensors_init(&w->node.sensors, w->config.root, err);
}

/* With the last reading, whether or not it is what made the change. */
static void log_change(const struct worker *w, const struct availability_change *change)
{
    const struct sensor_reading *last = &w->node.reading;
    char temp[32] = "-", ram[32] = "-";

    if (last->has_temp) {
        (void)snprintf(temp, sizeof temp, "%s%d.%d", last->temp_mc < 0 ? "-" : "",
                       abs(last->temp_mc) / 1000, abs(last->temp_mc) % 1000 / 100);
    }
    if (last->has_ram)
        (void)snprintf(ram, sizeof ram, "%d.%d", last->ram_permille / 10, last->ram_permille % 10);
    log_info("event=availability node=%s from=\"%s\" to=\"%s\" temp_c=%s ram_percent=%s",
             w->config.node_id, availability_reason_name(change->from),
             availability_reason_name(change->to), temp, ram);
}

/* `reading` is NULL unless it is a new one: a silent sensor is counted once for each reading. */
static void judge(struct worker *w, const struct sensor_reading *reading)
{
    const struct availability_limits limits = {
        .temp_max_mc = (int32_t)w->config.temp_max_mc,
        .temp_resume_mc = (int32_t)worker_config_temp_resume_mc(&w->config),
        .ram_max_permille = (int32_t)(w->config.ram_max_pct * 10),
        .ram_resume_permille = (int32_t)(worker_config_ram_resume_pct(&w->config) * 10),
    };
    const struct availability_input input = {
        .reading = reading,
        .ollama = w->poller.state,
        .drained = w->node.is_drained,
        .stopping = w->leave.is_stopping,
    };
    struct availability_change change;

    if (!availability_update(&w->node.availability, &limits, &input, &change))
        return;
    log_change(w, &change);
    beat_soon(w);
}

void node_judge(struct worker *w)
{
    judge(w, NULL);
}

/* Within the window of the CPU load a copy is read, so that the window goes on: the rest is fresh,
 * load and swap-in stay those of the last whole window. */
void node_read(struct worker *w, int64_t now_ms)
{
    struct node *node = &w->node;
    struct sensor_reading last = node->reading;
    struct sensors copy;

    if (node->window_ms == 0 || now_ms - node->window_ms >= NODE_CPU_WINDOW_MS) {
        node->window_ms = now_ms;
        sensors_read(&node->sensors, now_ms, &node->reading);
    } else {
        copy = node->sensors;
        sensors_read(&copy, now_ms, &node->reading);
        node->reading.has_cpu = last.has_cpu;
        node->reading.cpu_permille = last.cpu_permille;
        node->reading.has_swap_in = last.has_swap_in;
        node->reading.swap_in_deci = last.swap_in_deci;
    }
    judge(w, &node->reading);
}

void node_learn(struct worker *w, const char *model_name, const struct rates_sample *sample,
                struct span session)
{
    struct span model = span_str(model_name);
    size_t keep = warm_sessions_per_model(w->poller.version, (int)w->config.slots);

    poller_on_ran(w, model_name);
    rates_add(&w->node.rates, model, sample);
    warm_sessions_touch(&w->node.sessions, session, model, keep);
}

void node_forget_rates(struct worker *w)
{
    rates_clear(&w->node.rates);
}

void node_on_resident(struct worker *w)
{
    struct span names[PS_RESIDENT_MAX];
    size_t n = poller_residents(w, names);

    warm_sessions_keep_resident(&w->node.sessions, names, n);
}
