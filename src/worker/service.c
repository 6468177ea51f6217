#include "service.h"

#include <stdio.h>

#include "common/notify.h"

#include "worker.h"

#define SERVICE_INTERVAL_MS 1000
#define SERVICE_TEXT_MAX    384

static void node_text(const struct worker *w, char *buf, size_t cap)
{
    const struct sensor_reading *reading = &w->node.reading;
    const struct availability *availability = &w->node.availability;
    char temp[32] = "", ram[32] = "", refusal[48] = "";

    if (!availability_is_ok(availability)) {
        (void)snprintf(refusal, sizeof refusal, "gets no work: %s; ",
                       availability_reason_name(availability->reason));
    }
    if (reading->has_temp)
        (void)snprintf(temp, sizeof temp, ", %.1f C", reading->temp_mc / 1000.0);
    if (reading->has_ram)
        (void)snprintf(ram, sizeof ram, ", %d %% memory", (int)reading->ram_permille / 10);
    (void)snprintf(buf, cap, "%s%u of %lld slots busy%s%s, Ollama %s", refusal, jobs_in_flight(w),
                   (long long)w->config.slots, temp, ram,
                   w->poller.version[0] ? w->poller.version : "has not answered yet");
}

void service_tick(struct worker *w, int64_t now_ms)
{
    const char *server = w->redis_url.path[0] ? w->redis_url.path : w->redis_url.host;
    char text[SERVICE_TEXT_MAX];

    if (session_is_open(w))
        notify_ready();
    if (notify_alive_interval_ms() == 0 || now_ms < w->service.next_ms)
        return;
    w->service.next_ms = now_ms + SERVICE_INTERVAL_MS;
    if (session_can_write(w)) {
        node_text(w, text, sizeof text);
    } else {
        (void)snprintf(text, sizeof text, "waiting for Redis at %s: %s", server,
                       redis_conn_why(w->session.commands));
    }
    notify_status(text);
}
