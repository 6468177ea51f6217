#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/listen_address.h"
#include "common/loop.h"

#include "metrics_text.h"
#include "no_tls.h"
#include "router_state.h"

#define BACKLOG       16
#define CHECK_MS      1000 /* between two looks for connections that are too old */
#define MEDIA_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define MEDIA_JSON    "application/json"
#define MEDIA_TEXT    "text/plain; charset=utf-8"

struct connection {
    int fd; /* -1: unused */
    int64_t since_ms;
    struct in6_addr from; /* of IPv4 the first four bytes, the rest is zero */
};

struct http {
    struct router *router;
    struct MHD_Daemon *daemon; /* NULL: does not listen (yet) */
    struct event *readable;    /* the daemon's epoll descriptor */
    struct event *timer;       /* the daemon's own time-outs, the age of connections, a retry */
    struct connection connections[HTTP_CONNECTIONS_MAX];
    struct log_repeat failed;
};

/* --- pages ------------------------------------------------------------------------------------ */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *media,
                             struct buf *page)
{
    struct MHD_Response *response;
    enum MHD_Result result;

    if (page->failed) { /* an address of more than HTTP_PAGE_MAX, or no memory */
        buf_clear(page);
        (void)buf_add_str(page, "the page is too large\n");
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        media = MEDIA_TEXT;
    }
    response = MHD_create_response_from_buffer(page->len, page->ptr, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    (void)MHD_add_response_header(response, "Content-Type", media);
    (void)MHD_add_response_header(response, "Connection", "close");
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static unsigned make_page(struct http *http, const char *url, struct buf *page,
                          const char **ret_media)
{
    *ret_media = MEDIA_TEXT;
    if (strcmp(url, "/metrics") == 0) {
        *ret_media = MEDIA_METRICS;
        metrics_text(http->router, page);
    } else if (strcmp(url, "/healthz") == 0) {
        *ret_media = MEDIA_JSON;
        (void)buf_add_str(page,
                          "{\"status\":\"ok\"}\n"); /* the loop turns, or nobody would say so */
    } else if (strcmp(url, "/readyz") == 0) {
        *ret_media = MEDIA_JSON;
        if (!readiness_text(http->router, page))
            return MHD_HTTP_SERVICE_UNAVAILABLE;
    } else if (strcmp(url, "/") == 0) {
        (void)buf_add_fmt(page, "orion-router %s\n/metrics\n/healthz\n/readyz\n", ORION_VERSION);
    } else {
        (void)buf_add_str(page, "not found; there are /metrics, /healthz and /readyz\n");
        return MHD_HTTP_NOT_FOUND;
    }
    return MHD_HTTP_OK;
}

/* libmicrohttpd chose the parameters. */
/* NOLINTBEGIN(readability-function-size, readability-non-const-parameter) */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **of_request)
{
    struct http *http = arg;
    const char *media = MEDIA_TEXT;
    unsigned status = MHD_HTTP_METHOD_NOT_ALLOWED;
    struct buf page;

    (void)version;
    (void)upload;
    (void)upload_len;
    (void)of_request;
    buf_init(&page, HTTP_PAGE_MAX);
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0) {
        status = make_page(http, url, &page, &media);
    } else {
        (void)buf_add_str(&page, "GET and HEAD only\n");
    }
    enum MHD_Result result = reply(connection, status, media, &page);
    buf_done(&page);
    return result;
}
/* NOLINTEND(readability-function-size, readability-non-const-parameter) */

/* --- connections that stay too long ----------------------------------------------------------- */

static struct in6_addr address_of(const struct sockaddr *sa)
{
    struct in6_addr address = {0};

    if (sa->sa_family == AF_INET)
        memcpy(&address, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
    if (sa->sa_family == AF_INET6)
        address = ((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    return address;
}

static void connection_keep(struct http *http, struct MHD_Connection *connection,
                            void **of_connection)
{
    /* Since libmicrohttpd 1.0 each answer stands in the place of the one before. */
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    int fd = info ? info->connect_fd : -1;

    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    for (size_t i = 0; fd >= 0 && info && i < HTTP_CONNECTIONS_MAX; i++) {
        struct connection *slot = &http->connections[i];
        if (slot->fd < 0) {
            *slot = (struct connection){fd, clock_now_ms(), address_of(info->client_addr)};
            *of_connection = slot;
            return;
        }
    }
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **of_connection,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http *http = arg;
    struct connection *slot = *of_connection;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_keep(http, connection, of_connection);
    } else if (slot) {
        slot->fd = -1;
    }
}

/* How old this connection may become: little if one more, of its address or of all, had no room. */
static int64_t lifetime_ms(const struct http *http, const struct connection *one)
{
    size_t all = 0, of_address = 0;

    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        const struct connection *slot = &http->connections[i];
        all += slot->fd >= 0;
        of_address += slot->fd >= 0 && memcmp(&slot->from, &one->from, sizeof one->from) == 0;
    }
    bool is_crowded = all == HTTP_CONNECTIONS_MAX || of_address >= HTTP_PER_ADDRESS_MAX;
    return is_crowded ? HTTP_CROWDED_MS : HTTP_LIFETIME_MS;
}

/* libmicrohttpd's time-out is for silence; a client that sends a byte now and then would stay. */
static void cut_old(struct http *http)
{
    int64_t now_ms = clock_now_ms();

    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        const struct connection *slot = &http->connections[i];
        if (slot->fd >= 0 && now_ms - slot->since_ms > lifetime_ms(http, slot))
            (void)shutdown(slot->fd, SHUT_RDWR); /* libmicrohttpd closes it */
    }
}

/* --- listening -------------------------------------------------------------------------------- */

/* Mostly of clients that left in the middle of something. */
static void __attribute__((format(printf, 2, 0)))
log_trouble(void *arg, const char *fmt, va_list ap)
{
    char text[256];

    (void)arg;
    (void)vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    log_debug("event=http_trouble why=\"%s\"", text);
}

/* A listening socket, or a negative errno value. */
static int open_socket(const struct listen_address *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    bool is_v4 = inet_pton(AF_INET, address->host, &in.sin_addr) == 1;
    const struct sockaddr *where = is_v4 ? (const struct sockaddr *)&in : (const void *)&in6;
    int on = 1;

    if (!is_v4 && inet_pton(AF_INET6, address->host, &in6.sin6_addr) != 1)
        return -EADDRNOTAVAIL;
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* after a restart */
    if (bind(fd, where, is_v4 ? sizeof in : sizeof in6) < 0 || listen(fd, BACKLOG) < 0) {
        int rc = -errno;
        (void)close(fd);
        return rc;
    }
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in6 bound = {0};
    socklen_t len = sizeof bound;

    (void)getsockname(fd, (struct sockaddr *)&bound, &len);
    return ntohs(bound.sin6_port); /* at the same place for both families */
}

static void set_timer(struct http *http, int64_t delay_ms)
{
    const struct timeval tv = loop_tv(delay_ms);

    (void)event_add(http->timer, &tv);
}

/* Lets libmicrohttpd do what it can now, and asks when it wants to be called next. Ages are looked
 * at each time: clients that keep it busy put the timer off for ever. */
static void run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG due_ms = CHECK_MS;

    cut_old(http);
    (void)MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &due_ms) != MHD_YES || due_ms > CHECK_MS)
        due_ms = CHECK_MS;
    set_timer(http, (int64_t)due_ms);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run(arg);
}

/* Takes over `fd`. */
static bool start_daemon(struct http *http, int fd)
{
    http->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, http,
                         MHD_OPTION_EXTERNAL_LOGGER, log_trouble, NULL, MHD_OPTION_LISTEN_SOCKET,
                         fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
                         MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_PER_ADDRESS_MAX,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_MEMORY_BYTES,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(HTTP_LIFETIME_MS / 1000),
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_END);
    if (!http->daemon) {
        (void)close(fd);
        return false;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    http->readable = event_new(loop_base(http->router->loop), info->epoll_fd, EV_READ | EV_PERSIST,
                               on_readable, http);
    return http->readable && event_add(http->readable, NULL) == 0;
}

static void try_listening(struct http *http)
{
    const char *setting = http->router->config.http_listen;
    struct listen_address address;
    struct err err;

    if (listen_address_parse(setting, &address, &err) < 0)
        return; /* not possible: the settings were checked */
    int fd = open_socket(&address);
    if (fd >= 0 && start_daemon(http, fd)) {
        log_info("event=http_listening address=%s port=%u", address.host, (unsigned)port_of(fd));
        (void)log_repeat_end(&http->failed);
        run(http);
        return;
    }
    const char *why = fd < 0 ? strerror(-fd) : "libmicrohttpd did not start";
    if (log_repeat_begin(&http->failed, why, clock_now_ms())) {
        log_warn("event=http_failed listen=%s why=\"%s\" repeats=%u", setting, why,
                 http->failed.repeats);
    }
    set_timer(http, HTTP_RETRY_MS);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = arg;

    (void)fd;
    (void)what;
    if (!http->daemon) {
        try_listening(http);
        return;
    }
    run(http);
}

struct http *http_new(struct router *router)
{
    struct http *http;

    no_tls_end();
    if (!router->config.http_listen[0])
        return NULL;
    http = xcalloc(1, sizeof *http);
    http->router = router;
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        http->connections[i].fd = -1;
    http->timer = evtimer_new(loop_base(router->loop), on_timer, http);
    if (!http->timer)
        abort();
    try_listening(http);
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    if (http->readable)
        event_free(http->readable);
    if (http->daemon)
        MHD_stop_daemon(http->daemon);
    event_free(http->timer);
    free(http);
}
