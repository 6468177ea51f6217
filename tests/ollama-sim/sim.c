#include "sim.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text.h"

int64_t sim_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sim_wall(int64_t *ret_seconds, int32_t *ret_nanos)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *ret_seconds = now.tv_sec;
    *ret_nanos = (int32_t)now.tv_nsec;
}

int64_t sim_scaled_ns(const struct sim *sim, int64_t ns)
{
    if (ns == DURATION_FOREVER)
        return ns;
    double scaled = (double)ns / sim->settings.speed;
    return scaled >= 9.2e18 ? DURATION_FOREVER : (int64_t)scaled;
}

void sim_timer(struct event *event, int64_t delay_ns)
{
    if (delay_ns < 0)
        delay_ns = 0;
    struct timeval delay = {.tv_sec = delay_ns / 1000000000,
                            .tv_usec = delay_ns % 1000000000 / 1000};
    event_add(event, &delay);
}

struct event *sim_timer_new(struct sim *sim, sim_callback callback, void *context)
{
    struct event *event = event_new(sim->base, -1, 0, callback, context);
    if (event == NULL)
        abort();
    return event;
}

int sim_slots(const struct sim *sim, const struct model *model)
{
    if (model->kind == MODEL_EMBED)
        return 1;
    return sim->settings.slots > 0 ? sim->settings.slots : sim->profile->default_slots;
}

static void drop_oldest(struct bodies *bodies)
{
    bodies->total_bytes -= bodies->ring[bodies->first].bytes;
    free(bodies->ring[bodies->first].text);
    bodies->ring[bodies->first].text = NULL;
    bodies->first = (bodies->first + 1) % SIM_BODIES_MAX;
    bodies->count--;
}

void bodies_keep(struct bodies *bodies, const char *text, size_t len)
{
    while (bodies->count > 0 &&
           (bodies->count == SIM_BODIES_MAX || bodies->total_bytes + len > SIM_BODIES_BYTES))
        drop_oldest(bodies);
    size_t slot = (bodies->first + bodies->count) % SIM_BODIES_MAX;
    bodies->ring[slot].text = malloc(len + 1);
    if (bodies->ring[slot].text == NULL)
        abort();
    memcpy(bodies->ring[slot].text, text, len);
    bodies->ring[slot].bytes = len;
    bodies->total_bytes += len;
    bodies->count++;
}

void bodies_free(struct bodies *bodies)
{
    while (bodies->count > 0)
        drop_oldest(bodies);
}
