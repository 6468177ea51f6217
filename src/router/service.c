#include "service.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/notify.h"

#include "router_state.h"

#define SERVICE_INTERVAL_MS 1000

/* One word for a node, the worst that holds. */
enum service_kind {
    SERVICE_UP = 0,
    SERVICE_HOT,
    SERVICE_UNAVAILABLE,
    SERVICE_DRAINED,
    SERVICE_LATE,
    SERVICE_LOST,
    SERVICE_NEW,
    SERVICE_KIND_COUNT
};

static const char *const kind_names[] = {
    [SERVICE_UP] = "up",           [SERVICE_HOT] = "hot",   [SERVICE_UNAVAILABLE] = "unavailable",
    [SERVICE_DRAINED] = "drained", [SERVICE_LATE] = "late", [SERVICE_LOST] = "lost",
    [SERVICE_NEW] = "unusable",
};
_Static_assert(sizeof kind_names / sizeof kind_names[0] == SERVICE_KIND_COUNT, "one name per kind");

bool service_node_is_hot(const struct node *node)
{
    return node->is_hot ||
           (node->state == NODE_UNAVAILABLE && strcmp(node->health.reason, "hot") == 0);
}

static enum service_kind kind_of(const struct node *node)
{
    switch (node->state) {
    case NODE_LOST:
        return SERVICE_LOST;
    case NODE_LATE:
        return SERVICE_LATE;
    case NODE_UP:
    case NODE_UNAVAILABLE:
        if (node->drained)
            return SERVICE_DRAINED;
        if (service_node_is_hot(node))
            return SERVICE_HOT;
        return node->state == NODE_UP ? SERVICE_UP : SERVICE_UNAVAILABLE;
    case NODE_NEW:
    case NODE_STATE_COUNT:
        break;
    }
    return SERVICE_NEW;
}

/* A text that is written behind what stands there. */
struct line {
    char *buf;
    size_t cap, len;
};

static void __attribute__((format(printf, 2, 3))) add(struct line *line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(line->buf + line->len, line->cap - line->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        line->len += (size_t)n < line->cap - line->len ? (size_t)n : line->cap - line->len - 1;
}

static void add_trouble(struct line *line, enum service_kind kind, uint32_t n,
                        const struct node *first)
{
    add(line, ", %u %s (%s", (unsigned)n, kind_names[kind], first->id);
    if (kind == SERVICE_HOT && first->health.temp_mc != HEALTH_UNKNOWN) {
        add(line, " %.1f C", first->health.temp_mc / 1000.0);
    } else if (kind == SERVICE_UNAVAILABLE && first->health.reason[0]) {
        add(line, " %s", first->health.reason);
    }
    add(line, "%s)", n > 1 ? ", ..." : "");
}

void service_fleet_text(const struct fleet *fleet, uint32_t waiting, char *buf, size_t cap)
{
    struct line line = {buf, cap, 0};
    uint32_t counts[SERVICE_KIND_COUNT] = {0}, cursor = 0, index;
    const struct node *first[SERVICE_KIND_COUNT] = {NULL};

    buf[0] = '\0';

    while ((index = fleet_each(fleet, &cursor)) != FLEET_NONE) {
        const struct node *node = fleet_at(fleet, index);
        enum service_kind kind = kind_of(node);

        if (counts[kind]++ == 0)
            first[kind] = node;
    }
    add(&line, "%u node%s up", (unsigned)counts[SERVICE_UP], counts[SERVICE_UP] == 1 ? "" : "s");
    for (int kind = SERVICE_HOT; kind < SERVICE_KIND_COUNT; kind++) {
        if (first[kind])
            add_trouble(&line, (enum service_kind)kind, counts[kind], first[kind]);
    }
    add(&line, ", %u waiting", (unsigned)waiting);
}

void service_redis_text(const struct router *router, char *buf, size_t cap)
{
    const char *server = router->url.path[0] ? router->url.path : router->url.host;
    const char *why = redis_conn_why(router->commands);

    (void)snprintf(buf, cap, "waiting for Redis at %s%s%s", server, why[0] ? ": " : "", why);
}

void service_tick(struct router *router)
{
    int64_t now_ms = clock_now_ms();
    char text[SERVICE_TEXT_MAX];

    if (notify_alive_interval_ms() == 0 || now_ms < router->service_ms)
        return;
    router->service_ms = now_ms + SERVICE_INTERVAL_MS;
    if (router->redis_ok) {
        service_fleet_text(&router->fleet,
                           window_count(&router->window) + window_parked_count(&router->window),
                           text, sizeof text);
    } else {
        service_redis_text(router, text, sizeof text);
    }
    notify_status(text);
}
