#include "route.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "control.h"
#include "errors.h"
#include "info.h"
#include "job.h"
#include "lines.h"
#include "output.h"
#include "sim.h"

/* An answer put off by ps-block. */
struct late {
    struct sim *sim;
    struct conn *conn;
    struct event *timer;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcasecmp(text + length - end_length, end) == 0;
}

static bool address_private(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) != 1)
        return strchr(host, ':') != NULL; /* IPv6: not looked at closer */
    uint32_t ip = ntohl(address.s_addr);
    return ip == 0 || ip >> 24 == 127 || ip >> 24 == 10 || ip >> 20 == 0xAC1 || ip >> 16 == 0xC0A8;
}

bool route_host_allowed(const char *host)
{
    char name[CONN_HEADER_MAX] = "";
    char own[CONN_HEADER_MAX] = "";
    static const char *const ends[] = {".localhost", ".local", ".internal", NULL};
    size_t length = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    memcpy(name, host, length < sizeof(name) ? length : sizeof(name) - 1);
    gethostname(own, sizeof(own) - 1);
    if (name[0] == '\0' || name[0] == '[' || strcasecmp(name, "localhost") == 0 ||
        strcasecmp(name, own) == 0 || address_private(name))
        return true;
    for (size_t i = 0; ends[i] != NULL; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

bool route_origin_allowed(const char *origin)
{
    static const char *const starts[] = {"http://localhost",
                                         "https://localhost",
                                         "http://127.0.0.1",
                                         "https://127.0.0.1",
                                         "http://0.0.0.0",
                                         "https://0.0.0.0",
                                         "app://",
                                         "file://",
                                         "tauri://",
                                         "vscode-webview://",
                                         NULL};
    if (origin[0] == '\0')
        return true;
    for (size_t i = 0; starts[i] != NULL; i++)
        if (strncmp(origin, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static void late_free(struct late *late)
{
    event_free(late->timer);
    free(late);
}

static void on_late_gone(void *context)
{
    late_free(context);
}

static void on_late(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct late late = *(struct late *)context;
    conn_set_owner(late.conn, NULL, NULL);
    late_free(context);
    info_ps(late.sim, late.conn);
}

static void answer_late(struct sim *sim, struct conn *conn, int64_t delay_ns)
{
    struct late *late = calloc(1, sizeof(*late));
    if (late == NULL)
        abort();
    *late = (struct late){.sim = sim, .conn = conn, .timer = sim_timer_new(sim, on_late, late)};
    conn_set_owner(conn, late, on_late_gone);
    sim_timer(late->timer, delay_ns);
}

static void reply_status(struct sim *sim, struct conn *conn, const struct fault_plan *plan)
{
    char text[FAILURE_TEXT_MAX];
    const struct named_error *error = error_find(plan->status);
    if (error == NULL) {
        int status = atoi(plan->status);
        conn_reply_text(conn, status >= 100 ? status : 500, "text/plain", plan->text);
        return;
    }
    error_text(error, sim->profile, "", text, sizeof(text));
    struct evbuffer *body = evbuffer_new();
    if (error->type == NULL)
        line_error(text, false, body);
    else
        evbuffer_add(body, text, strlen(text));
    conn_reply(conn, error->status,
               error->type == NULL ? "application/json; charset=utf-8" : error->type, body);
    evbuffer_free(body);
}

/* Faults that answer in the endpoint's place. True: one did, or the request hangs. */
static bool fault_answers(struct sim *sim, struct conn *conn, const struct http_request *request)
{
    struct fault_plan plan;
    faults_take(&sim->faults, request->path, "", &plan);
    if (plan.on[FAULT_SPLIT])
        conn_set_piece(conn, (size_t)plan.number[FAULT_SPLIT]);
    if (output_hangs_at_once(conn, &plan))
        return true;
    if (plan.on[FAULT_PS_500_EMPTY])
        conn_reply(conn, 500, NULL, NULL);
    else if (plan.on[FAULT_TAGS_500])
        conn_reply_text(conn, 500, "application/json; charset=utf-8",
                        "{\"error\":\"open /root/.ollama/models: input/output error\"}");
    else if (plan.on[FAULT_VERSION_404])
        conn_reply_text(conn, 404, "text/plain", "404 page not found");
    else if (plan.on[FAULT_STATUS])
        reply_status(sim, conn, &plan);
    else if (plan.on[FAULT_PS_BLOCK])
        answer_late(sim, conn, plan.number[FAULT_PS_BLOCK]);
    else
        return false;
    return true;
}

enum endpoint {
    ENDPOINT_ROOT,
    ENDPOINT_VERSION,
    ENDPOINT_PS,
    ENDPOINT_TAGS,
    ENDPOINT_SHOW,
    ENDPOINT_GENERATE,
    ENDPOINT_CHAT,
    ENDPOINT_EMBED,
    ENDPOINT_EMBEDDINGS,
    ENDPOINT_NONE
};

static enum endpoint find_endpoint(const char *path)
{
    static const char *const paths[] = {
        [ENDPOINT_ROOT] = "/",
        [ENDPOINT_VERSION] = "/api/version",
        [ENDPOINT_PS] = "/api/ps",
        [ENDPOINT_TAGS] = "/api/tags",
        [ENDPOINT_SHOW] = "/api/show",
        [ENDPOINT_GENERATE] = "/api/generate",
        [ENDPOINT_CHAT] = "/api/chat",
        [ENDPOINT_EMBED] = "/api/embed",
        [ENDPOINT_EMBEDDINGS] = "/api/embeddings",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (strcmp(paths[i], path) == 0)
            return (enum endpoint)i;
    return ENDPOINT_NONE;
}

static bool method_fits(const struct sim *sim, enum endpoint endpoint, const char *method)
{
    bool head = strcmp(method, "HEAD") == 0;
    if (endpoint >= ENDPOINT_SHOW)
        return strcmp(method, "POST") == 0;
    if (strcmp(method, "GET") == 0)
        return true;
    if (endpoint == ENDPOINT_VERSION)
        return head && sim->profile->head_version;
    return head && endpoint != ENDPOINT_PS;
}

static void answer(struct sim *sim, struct conn *conn, enum endpoint endpoint,
                   const struct http_request *request)
{
    switch (endpoint) {
    case ENDPOINT_ROOT:
        conn_reply_text(conn, 200, "text/plain; charset=utf-8", "Ollama is running");
        break;
    case ENDPOINT_VERSION:
        info_version(sim, conn);
        break;
    case ENDPOINT_PS:
        info_ps(sim, conn);
        break;
    case ENDPOINT_TAGS:
        info_tags(sim, conn);
        break;
    case ENDPOINT_SHOW:
        info_show(sim, conn, request);
        break;
    case ENDPOINT_GENERATE:
        job_start(sim, conn, INFER_GENERATE, request);
        break;
    case ENDPOINT_CHAT:
        job_start(sim, conn, INFER_CHAT, request);
        break;
    case ENDPOINT_EMBED:
        job_start(sim, conn, INFER_EMBED, request);
        break;
    case ENDPOINT_EMBEDDINGS:
        job_start(sim, conn, INFER_EMBEDDINGS, request);
        break;
    case ENDPOINT_NONE:
        conn_reply_text(conn, 404, "text/plain", "404 page not found");
        break;
    }
}

void route_serve(void *context, struct conn *conn, const struct http_request *request)
{
    struct sim *sim = context;
    enum endpoint endpoint = find_endpoint(request->path);
    if (strncmp(request->path, "/sim/", 5) == 0) {
        control_serve(sim, conn, request);
        return;
    }
    sim->counters.by_path[state_path_index(request->path)]++;
    if (strcmp(request->method, "POST") == 0)
        bodies_keep(&sim->bodies, request->body, request->body_bytes);
    if (!route_host_allowed(request->host) || !route_origin_allowed(request->origin)) {
        conn_reply(conn, 403, NULL, NULL);
        return;
    }
    bool infers = endpoint >= ENDPOINT_GENERATE && endpoint < ENDPOINT_NONE;
    if (!infers && fault_answers(sim, conn, request))
        return;
    if (endpoint == ENDPOINT_NONE || method_fits(sim, endpoint, request->method))
        answer(sim, conn, endpoint, request);
    else if (sim->profile->wrong_method_405)
        conn_reply_text(conn, 405, "text/plain", "405 method not allowed");
    else
        conn_reply_text(conn, 404, "text/plain", "404 page not found");
}
